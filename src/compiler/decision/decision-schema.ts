/** Decisions as closed schemas with bounded numbers: they come from files and servers. Apart from their types, which users' compilers read. */
import * as z from 'zod';

const terms = { kind: z.literal('keyword'), levels: z.literal(16) } as const;
export const decisionTermsSchema = z.strictObject(terms);
export const decisionSchema = z.strictObject({
  ...terms,
  low: z
    .number()
    .gt(-(2 ** 40))
    .lt(2 ** 40),
  factor: z
    .int()
    .min(1)
    .max(2 ** 40),
});
