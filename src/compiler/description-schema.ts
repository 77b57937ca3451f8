/** What a program says about its inputs and outputs, as a closed schema with bounded numbers: it comes from files and servers. */
import * as z from 'zod';
import { FUNCTION_PARAMETERS, type FunctionName } from '../nn/graph/element-functions.ts';
import type { ModelDescription } from './offer.ts';

const MAX_ELEMENTS = 65_536;

const number = z
  .number()
  .gt(-(2 ** 90))
  .lt(2 ** 90);
const extent = z.int().min(1).max(MAX_ELEMENTS);
const index = z.int().min(-1).max(MAX_ELEMENTS);
const label = z.string().max(256);
const shape = z.array(extent).min(1).max(8);
const numbers = z.array(number).min(1).max(MAX_ELEMENTS);
const interval = z.tuple([number, number]).refine(([low, high]) => low <= high, 'an empty interval');
const fn = z.enum(Object.keys(FUNCTION_PARAMETERS) as [FunctionName, ...FunctionName[]]);

const input = z.strictObject({
  name: label,
  shape,
  kind: z.enum(['image', 'audio', 'table', 'tensor']),
  mean: numbers,
  deviation: z
    .array(number.refine((value) => Math.abs(value) > 2 ** -90, 'a deviation of nothing'))
    .min(1)
    .max(MAX_ELEMENTS),
  interval,
  clip: interval,
  image: z
    .strictObject({
      channels: z.union([z.literal(1), z.literal(3)]),
      size: z.tuple([extent, extent]),
      fit: z.enum(['stretch', 'contain', 'mnist']),
      invert: z.boolean(),
      white: number,
      order: z.enum(['channels-first', 'channels-last']).exactOptional(),
      normalisation: z.enum(['drawing']).exactOptional(),
    })
    .refine(
      ({ normalisation, channels, size }) =>
        normalisation === undefined || (channels === 1 && Math.min(...size) >= 3),
      'drawings are grey and at least 3 x 3',
    )
    .exactOptional(),
  audio: z
    .strictObject({
      rate: z.number().gt(0).lte(1e6),
      embedding: z.literal('speech-embedding-96').exactOptional(),
    })
    .exactOptional(),
  labels: z.array(label).min(1).max(MAX_ELEMENTS).exactOptional(),
});

const from = { in: z.int().min(0).max(4096) };
const along = { before: extent, extent, after: extent };
const tailNode = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('function'),
    ...from,
    fn,
    parameters: z.array(number).max(4),
    perElement: numbers.exactOptional(),
  }),
  z.strictObject({
    op: z.enum(['softmax', 'log-softmax', 'hardmax', 'norm-l1', 'norm-l2', 'norm-max']),
    ...from,
    ...along,
  }),
  z.strictObject({ op: z.literal('lookup'), ...from, table: numbers }),
  z.strictObject({ op: z.enum(['arg-max', 'arg-min']), ...from, ...along, last: z.boolean() }),
  z.strictObject({
    op: z.enum(['top-values', 'top-indices']),
    ...from,
    ...along,
    count: extent,
    largest: z.boolean(),
  }),
  z.strictObject({
    op: z.literal('compare'),
    ...from,
    relation: z.enum(['greater', 'greater-equal', 'less', 'less-equal', 'equal']),
    bound: numbers,
  }),
  z.strictObject({ op: z.literal('select'), ...from, from: z.array(index).min(1).max(MAX_ELEMENTS) }),
  z.strictObject({ op: z.literal('affine'), ...from, factor: numbers, offset: numbers }),
  z.strictObject({ op: z.enum(['add', 'multiply']), ...from, other: z.int().min(0).max(4096) }),
]);

const tail = z.strictObject({
  nodes: z.array(tailNode).max(4096),
  outputs: z
    .array(
      z.strictObject({
        name: label,
        shape,
        value: z.int().min(0).max(4096),
        texts: z.array(label).min(1).max(MAX_ELEMENTS).exactOptional(),
      }),
    )
    .min(1)
    .max(256),
});

export const modelDescriptionSchema: z.ZodType<ModelDescription> = z.strictObject({ input, tail });
