/** What follows from a program for those who serve it: its offer, and the noise that replies get. Pure functions of plain data. */
import * as arg from '../base/arguments.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { type DroppedBits, droppableBits, droppableSecondBits } from '../schemes/rlwe/wire/dropped-bits.ts';
import { exactOfferOf } from './exact/exact-facts.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';
import type { Bucket, Offer, PackedOffer } from './offer.ts';
import type { Layout } from './packed/layout.ts';
import { replySlots } from './packed/packed-analysis.ts';
import type { PackedPart, Program, ProgramValue } from './program.ts';
import { programId } from './program-file.ts';

/**
 * How many times the standard deviation of the flooding is that of what dropping low bits of a reply adds: 0.2 % more in all, and 3 % where a
 * traced reply is little else than the coefficients that they are dropped from.
 */
const FLOODING_PER_DROPPED = { whole: 16, traced: 4 };

function floodingPerDropped(program: Program): number {
  return FLOODING_PER_DROPPED[tracedSlots(program) === undefined ? 'whole' : 'traced'];
}

/** Coefficients of a reply get uniform noise in [-2^floodBits, 2^floodBits). */
export function floodBits(program: Program, bucket: Bucket): number {
  const { output, values, packed, params } = program;
  // Uniform noise of half-width 2^f in the 2 * block coefficients of a score vector has deviation 2^f sqrt(block / 3) in a slot; those of
  // one sample are in all slots, or in those of the subring that a traced reply is in.
  const block = packed === undefined ? bucket.block : (tracedSlots(program) ?? 2 ** (params.logN - 1));
  const { scale } = values.at(-1)!;
  return Math.floor(Math.log2((output.flooding * scale) / Math.sqrt(block / 3)));
}

/** Low bits that the coefficients of a reply do not carry: they change by far less than the flooding does. */
export function droppedBits(program: Program, bucket: Bucket): DroppedBits {
  const n = 2 ** program.params.logN;
  const droppable = tracedSlots(program) === undefined ? droppableBits : droppableSecondBits;
  return droppable(n, 4 ** floodBits(program, bucket) / 3 / floodingPerDropped(program) ** 2);
}

/** Slots of the subring that a traced reply is in; undefined for whole ones. */
export function tracedSlots({ steps, values, packed }: Program): number | undefined {
  return packed && replySlots({ steps, values, layouts: packed.layouts });
}

function packedOffer(program: Program, { layouts, keys }: PackedPart): PackedOffer {
  const layoutOf = (value: ProgramValue | undefined): Layout => layouts[value!.layout!]!;
  const [input, output] = [program.values[0], program.values.at(-1)].map(layoutOf) as [Layout, Layout];
  return { input, output, ...(tracedSlots(program) !== undefined && { isTraced: true }), keys };
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
    outputError: Math.hypot(schemeError, flooding, flooding / floodingPerDropped(program)),
    outputRange: range,
    ...(about && { about }),
    ...(program.packed && { packed: packedOffer(program, program.packed) }),
    ...(program.decision && {
      decision: { kind: program.decision.kind, levels: program.decision.levels },
    }),
  });
}
