/** Layouts and keys of packed programs and offers, as closed schemas with bounded numbers: they come from files and servers. */
import * as z from 'zod';
import type { PackedKeys } from '../offer.ts';
import type { Layout } from './layout.ts';

const count = z
  .int()
  .min(1)
  .max(2 ** 20);
const address = z
  .int()
  .min(0)
  .max(2 ** 26);

export const layoutSchema: z.ZodType<Layout> = z.strictObject({
  count,
  slots: count,
  origin: address,
  digits: z.array(z.strictObject({ extent: count, step: count, weight: address })).max(16),
  copies: count,
  period: count,
  sums: count,
  rest: z.enum(['zero', 'junk']),
});

const level = z.int().min(0).max(24);

export const packedKeysSchema: z.ZodType<PackedKeys> = z.strictObject({
  relinearize: level.exactOptional(),
  galois: z
    .array(
      z.strictObject({
        element: z
          .int()
          .min(3)
          .max(2 ** 18),
        maxLevel: level,
      }),
    )
    .max(1024),
});
