/** The small part of a program file: canonical JSON of a closed schema. */
import * as z from 'zod';
import { DecodeError } from '../base/errors.ts';
import { decisionSchema } from './decision/decision-schema.ts';
import { modelDescriptionSchema } from './description-schema.ts';
import { layoutSchema, packedKeysSchema } from './packed/packed-schema.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';

const index = z
  .int()
  .min(0)
  .max(2 ** 20);
const count = z
  .int()
  .min(1)
  .max(2 ** 20);
const name = z.string().max(256);
const bits = z.array(z.number().gt(10).lte(50)).min(1).max(24);

const step = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('expand'), from: index, to: index }),
  z.strictObject({ op: z.literal('linear'), map: index, from: index, to: index }),
  z.strictObject({ op: z.literal('multiply'), a: index, b: index, to: index }),
  z.strictObject({ op: z.literal('relinearize'), from: index, to: index }),
  z.strictObject({ op: z.literal('rescale'), from: index, to: index }),
  z.strictObject({ op: z.literal('lower'), from: index, to: index }),
  z.strictObject({
    op: z.literal('affine'),
    from: index,
    to: index,
    order: index.exactOptional(),
    multipliers: index.exactOptional(),
    addends: index.exactOptional(),
  }),
  z.strictObject({ op: z.literal('add'), a: index, b: index, to: index }),
  z.strictObject({ op: z.literal('pack'), from: index, to: index, places: index }),
  z.strictObject({ op: z.literal('transform'), map: index, from: index, to: index, width: index }),
  z.strictObject({ op: z.literal('rotateAdd'), from: index, to: index, step: count }),
  z.strictObject({ op: z.literal('multiplyPlain'), from: index, to: index, factors: index }),
  z.strictObject({ op: z.literal('addPlain'), from: index, to: index, addends: index }),
  z.strictObject({ op: z.literal('trace'), from: index, to: index }),
]);

const value = z.strictObject({
  name,
  count,
  parts: z.union([z.literal(2), z.literal(3)]),
  level: z.int().min(0).max(24),
  scale: z.number(),
  trained: z.number(),
  layout: index.exactOptional(),
});

const mapSchemas = z
  .array(
    z.strictObject({
      name,
      inputs: count,
      outputs: count,
      step: z.number(),
      bits: z.int().min(2).max(16),
      matrices: z
        .array(z.tuple([count, count]))
        .min(1)
        .max(2 ** 20),
      blocks: count,
    }),
  )
  .max(4096);

const approximate = z.strictObject({
  version: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  name,
  params: z.strictObject({
    logN: z.int().min(10).max(17),
    logQ: bits,
    logP: bits,
    logScale: z.number().gt(0).lte(90),
  }),
  galois: z.array(z.int().min(3)).max(64),
  buckets: z
    .array(z.strictObject({ block: count, interleave: count }))
    .min(1)
    .max(24),
  inputs: count,
  outputs: count,
  inputBound: z.number(),
  output: z.strictObject({
    range: z.tuple([z.number(), z.number()]),
    schemeError: z.number(),
    flooding: z.number(),
  }),
  values: z.array(value).min(1).max(4097),
  maps: mapSchemas,
  /** Their lengths. */
  constants: z.array(count).max(2 ** 16),
  steps: z.array(step).min(1).max(4096),
  about: modelDescriptionSchema.exactOptional(),
  packed: z
    .strictObject({
      layouts: z.array(layoutSchema).min(1).max(4097),
      plan: z.literal('standard').exactOptional(),
      keys: packedKeysSchema,
    })
    .exactOptional(),
  decision: decisionSchema.exactOptional(),
});

const exact = z.strictObject({
  version: z.literal(1),
  scheme: z.literal('bgv'),
  name,
  params: z.strictObject({ logN: z.int().min(10).max(17), logQ: bits, logP: bits }),
  moduli: z
    .array(
      z
        .int()
        .min(2)
        .max(2 ** 50),
    )
    .min(1)
    .max(16),
  buckets: z.array(z.strictObject({ block: count, interleave: count })).length(1),
  inputs: count,
  outputs: count,
  inputRange: z.tuple([z.number(), z.number()]),
  outputRange: z.tuple([z.number(), z.number()]),
  hiding: z.int().min(-1000).max(1000),
  values: z.array(value).min(1).max(4097),
  maps: mapSchemas,
  constants: z.array(count).max(2 ** 16),
  steps: z.array(step).min(1).max(4096),
  about: modelDescriptionSchema.exactOptional(),
});

export type ProgramHeader = z.infer<typeof approximate> | z.infer<typeof exact>;

export function headerOf(program: AnyProgram): ProgramHeader {
  const lists = {
    maps: program.maps.map(({ matrices, blocks, ...map }) => ({
      name: map.name,
      inputs: map.inputs,
      outputs: map.outputs,
      step: map.step,
      bits: map.bits,
      matrices: matrices.map(({ rows, cols }) => [rows, cols]),
      blocks: blocks.length,
    })),
    constants: program.constants.map((row) => row.length),
    ...(program.about && { about: program.about }),
  };
  const { version, name: called, buckets, inputs, outputs, values, steps } = program;
  const shared = { version, name: called, buckets, inputs, outputs, values, steps, ...lists };
  if (isExact(program)) {
    const { scheme, params, moduli, inputRange, outputRange, hiding } = program;
    return exact.parse({ ...shared, scheme, params, moduli, inputRange, outputRange, hiding });
  }
  const { params, galois, inputBound, output } = program;
  const packed = program.packed && { packed: program.packed };
  const decision = program.decision && { decision: program.decision };
  return approximate.parse({ ...shared, params, galois, inputBound, output, ...packed, ...decision });
}

/** @throws {DecodeError} for what is no header. */
export function readProgramHeader(bytes: Uint8Array): ProgramHeader {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new DecodeError('a program file', 'its header is not JSON');
  }
  const isOfExact = typeof value === 'object' && value !== null && 'scheme' in value;
  const parsed = (isOfExact ? exact : approximate).safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new DecodeError('a program file', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}
