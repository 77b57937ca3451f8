/** What follows from an exact program for those who serve it: its offer, and what a request costs. */
import { bgvCiphertextBytes, bgvRoundedBytes } from '../../schemes/bgv/ciphertext-wire.ts';
import { droppableExactly, noiseRoom } from '../../schemes/bgv/noise-bound.ts';
import { dividedBits } from '../../schemes/rlwe/noise-bound.ts';
import type { Offer } from '../offer.ts';
import { programId } from '../program-file.ts';
import type { ExactProgram } from './exact-program.ts';
import { bitsOf, integerIntervals, largestInteger } from './integer-intervals.ts';
import { exactNoiseOf, exactParams } from './validate-exact.ts';

/** What is sent: the reply, flooded at the last value's level, then switched down as far as it stays exact. */
export interface ExactReplyFacts {
  readonly floodBits: number;
  /** log2 bound of the coefficients of v / t before the flooded ciphertext is switched. */
  readonly noiseBits: number;
  /** Statistical security of a whole reply, in bits. */
  readonly hiding: number;
  readonly level: number;
}

export function exactReplyFacts(program: ExactProgram): ExactReplyFacts {
  const { bits, reply } = exactNoiseOf(program);
  let { level } = program.values.at(-1)!;
  let noise = reply.noiseBits;
  while (level > 0) {
    const next = dividedBits(bits.n, noise, bits.logQ[level]!);
    if (next > noiseRoom(bits, level - 1)) break;
    noise = next;
    level--;
  }
  return { ...reply, level };
}

/** What a client may know. */
export function exactOfferOf(program: ExactProgram): Offer {
  const { name, params, moduli, buckets, inputs, outputs, inputRange, outputRange, values, about } = program;
  const { logN, logQ, logP } = params;
  return Object.freeze({
    model: name,
    programId: programId(program),
    params: { logN, logQ, logP },
    paramsId: exactParams(program).id,
    galois: [],
    buckets,
    inputs,
    outputs,
    inputScale: values[0]!.scale,
    inputBound: Math.max(...inputRange.map(Math.abs)),
    outputScale: values.at(-1)!.scale,
    // Of scores as doubles or floats; the integers are exact.
    outputError: (outputRange[1] - outputRange[0]) * 2 ** -24,
    outputRange,
    exact: { moduli, inputRange, replyLevel: exactReplyFacts(program).level, hiding: program.hiding },
    ...(about && { about }),
  } satisfies Offer);
}

/** What one value of an exact program takes. */
export interface ExactWire {
  readonly name: string;
  /** Of the largest integer. */
  readonly integerBits: number;
  /** Proven noise, and what the level holds. */
  readonly noiseBits: number;
  readonly roomBits: number;
}

/** What the report of an exact program has beside the rest. */
export interface ExactCosts {
  /** Messages of a query, one for each plaintext modulus. */
  readonly channels: number;
  /** log2 of the product of the plaintext moduli. */
  readonly plaintextBits: number;
  /** Statistical security with which a reply hides how it came about. */
  readonly hiding: number;
  readonly wires: readonly ExactWire[];
}

export function exactCostsOf(program: ExactProgram): ExactCosts {
  const params = exactParams(program);
  const { bits, noise, reply } = exactNoiseOf(program, params);
  const intervals = integerIntervals(program);
  return {
    channels: program.moduli.length,
    plaintextBits: bitsOf(params.modulus),
    hiding: reply.hiding,
    wires: program.values.map(({ name, level }, i) => ({
      name,
      integerBits: bitsOf(largestInteger(intervals[i]!)),
      noiseBits: noise[i]!,
      roomBits: noiseRoom(bits, level),
    })),
  };
}

/** Bytes of the ciphertexts of one message, of a query and of its reply. */
export function exactMessageBytes(program: ExactProgram): { readonly up: number; readonly down: number } {
  const [params] = exactParams(program).components;
  const { maxLevel } = params!;
  const up = { parts: 2, level: maxLevel, isSeeded: true, count: program.inputs };
  return { up: bgvCiphertextBytes(params!, up), down: replyBytes(program) };
}

function replyBytes(program: ExactProgram): number {
  const [params] = exactParams(program).components;
  const { level } = exactReplyFacts(program);
  const count = program.outputs;
  if (level > 0) return bgvCiphertextBytes(params!, { parts: 2, level, isSeeded: false, count });
  const { bits, reply } = exactNoiseOf(program);
  let noise = reply.noiseBits;
  for (let at = program.values.at(-1)!.level; at > 0; at--)
    noise = dividedBits(bits.n, noise, bits.logQ[at]!);
  return bgvRoundedBytes(params!, count, droppableExactly(bits, noise));
}
