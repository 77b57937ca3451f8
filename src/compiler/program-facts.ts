/** What follows from a program for those who serve it: its offer, and the noise that replies get. Pure functions of plain data. */
import * as arg from '../base/arguments.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { type DroppedBits, droppableBits } from '../schemes/rlwe/wire/dropped-bits.ts';
import { exactOfferOf } from './exact/exact-facts.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';
import type { Bucket, Offer, PackedOffer } from './offer.ts';
import type { Layout } from './packed/layout.ts';
import type { PackedPart, Program, ProgramValue } from './program.ts';
import { programId } from './program-file.ts';

/** How many times the standard deviation of the flooding is that of what dropping low bits of a reply adds: 0.2 % more in all. */
const FLOODING_PER_DROPPED = 16;

/** Coefficients of a reply get uniform noise in [-2^floodBits, 2^floodBits). */
export function floodBits({ output, values, packed, params }: Program, bucket: Bucket): number {
  // Uniform noise of half-width 2^f in the 2 * block coefficients of a score vector has deviation 2^f sqrt(block / 3) in a slot; those of
  // one sample are in all slots.
  const block = packed === undefined ? bucket.block : 2 ** (params.logN - 1);
  const { scale } = values.at(-1)!;
  return Math.floor(Math.log2((output.flooding * scale) / Math.sqrt(block / 3)));
}

/** Low bits that the coefficients of a reply do not carry: they change by far less than the flooding does. */
export function droppedBits(program: Program, bucket: Bucket): DroppedBits {
  const n = 2 ** program.params.logN;
  return droppableBits(n, 4 ** floodBits(program, bucket) / 3 / FLOODING_PER_DROPPED ** 2);
}

function packedOffer({ values }: Program, { layouts, keys }: PackedPart): PackedOffer {
  const layoutOf = (value: ProgramValue | undefined): Layout => layouts[value!.layout!]!;
  return { input: layoutOf(values[0]), output: layoutOf(values.at(-1)), keys };
}

/** What a client may know. */
export function offerOf(program: AnyProgram): Offer {
  arg.checkArguments('offerOf', [program], { program: arg.like('a Program', 'version', 'name') });
  if (isExact(program)) return exactOfferOf(program);
  const { name, params, galois, buckets, inputs, outputs, inputBound, output, values, about } = program;
  const { schemeError, flooding, range } = output;
  return Object.freeze({
    model: name,
    programId: programId(program),
    params,
    paramsId: CkksParams.create(params).id,
    galois,
    buckets,
    inputs,
    outputs,
    inputScale: values[0]!.scale,
    inputBound,
    outputScale: values.at(-1)!.scale,
    outputError: Math.hypot(schemeError, flooding, flooding / FLOODING_PER_DROPPED),
    outputRange: range,
    ...(about && { about }),
    ...(program.packed && { packed: packedOffer(program, program.packed) }),
  });
}
