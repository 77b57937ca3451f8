/**
 * Polynomial network -> Program: chooses parameters, scales, levels and keys, or says what cannot be done. Never sees a
 * key or an input. Deterministic: the same network and options give the same program id.
 */
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { InvalidParamsError, UnsupportedOpError } from '../base/errors.ts';
import { sha256Digest } from '../base/sha256.ts';
import type { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import { fitsAnyVector } from '../schemes/ckks/encoder.ts';
import { expansionElements } from '../schemes/ckks/expand-interleaved.ts';
import { CkksParams, type CkksSpec } from '../schemes/ckks/params.ts';
import { droppableBits } from '../schemes/rlwe/wire/dropped-bits.ts';
import { logQPCeiling } from '../schemes/rlwe/security.ts';
import { networkFacts } from './facts.ts';
import { type Bucket, type Offer, offeredKeyPlan, type Program } from './program.ts';
import { reportOf } from './report.ts';
import { planScales, type ScalePlan } from './scales.ts';
import { listSteps } from './steps.ts';

export interface CompileOptions {
  /** Names the model on the wire: ^[a-z0-9][a-z0-9_-]{0,63}$. */
  readonly name: string;
  /** The client clips inputs to [-inputBound, inputBound]; default 8 (features of unit variance). */
  readonly inputBound?: number;
  /** Largest error of a score that is accepted, relative to the scores' range; default 2^-10. */
  readonly precision?: number;
  /** Ring degrees to try, smallest first; default 2^13, 2^14. */
  readonly logN?: readonly number[];
}

/** Primes at most this wide keep the low-bit matrix product exact in 53-bit arithmetic without intermediate reductions. */
const MAX_PRIME_BITS = 42;
const SMALLEST_BLOCK = 128;

/**
 * @throws {UnsupportedOpError} when a layer other than the last is not squared, or the last one is, or ranges are missing.
 * @throws {InvalidParamsError} when no parameter set holds the network at the asked precision.
 */
export function compile(network: PolynomialNetwork, options: CompileOptions): Program {
  const problems = network.layers.flatMap((layer, i) => {
    const last = i === network.layers.length - 1;
    return layer.square === last
      ? [`layer ${i} ${last ? 'is squared but is the last' : 'has no square'}`]
      : [];
  });
  if (!network.ranges.flat().every(Number.isFinite))
    problems.push('the network carries no ranges from its training data');
  if (problems.length > 0) throw new UnsupportedOpError(problems);
  const squares = network.layers.length - 1;
  const inputBound = options.inputBound ?? 8;
  const facts = networkFacts(network, inputBound);
  const range = network.ranges[network.ranges.length - 1]!;
  const wanted = (options.precision ?? 2 ** -10) * (range[1] - range[0]);
  for (const logN of options.logN ?? [13, 14]) {
    const spec = parametersFor(logN, squares);
    if (spec === undefined) continue;
    const params = CkksParams.create(spec);
    const plan = planScales(facts, primesOf(params), params.n, (scale) =>
      fitsAnyVector(params, params.maxLevel, inputBound, scale),
    );
    // Six standard deviations of the scheme's own noise leave half of the error budget to flooding.
    if (plan !== undefined && 12 * plan.schemeError <= wanted)
      return assemble({ network, spec, params, plan, name: options.name, inputBound, wanted });
  }
  throw new InvalidParamsError(
    `no parameter set up to 2^${Math.max(...(options.logN ?? [13, 14]))} holds ${squares} squarings at ${network.bits}-bit weights with the asked precision`,
    { squares, bits: network.bits },
  );
}

function parametersFor(logN: number, squares: number): CkksSpec | undefined {
  const ceiling = logQPCeiling(logN);
  // The special prime is two bits wider than the others, so that key switching noise stays below rounding.
  const bits = Math.min(MAX_PRIME_BITS, Math.floor((ceiling - 2) / (squares + 2)));
  if (bits < 25) return undefined;
  return { logN, logQ: new Array<number>(squares + 1).fill(bits), logP: [bits + 2], logScale: bits - 10 };
}

function primesOf(params: CkksParams): number[] {
  return params.q.map((modulus) => modulus.q);
}

/** How many times the standard deviation of the flooding is that of what dropping low bits of a reply adds: 0.2 % more in all. */
const FLOODING_PER_DROPPED = 16;

interface Choice {
  readonly network: PolynomialNetwork;
  readonly spec: CkksSpec;
  readonly params: CkksParams;
  readonly plan: ScalePlan;
  readonly name: string;
  readonly inputBound: number;
  /** Largest accepted error of a score. */
  readonly wanted: number;
}

function assemble({ network, spec, params, plan, name, inputBound, wanted }: Choice): Program {
  const slots = params.n / 2;
  const buckets: Bucket[] = [];
  for (let block = SMALLEST_BLOCK; block <= slots; block *= 2)
    buckets.push({ block, interleave: slots / block });
  const galois = expansionElements(params.n, slots / SMALLEST_BLOCK);
  // Uniform noise of half-width 2^f in the 2 * block coefficients of a score vector has deviation 2^f sqrt(block / 3) in a
  // slot; six deviations use half of the error budget.
  const flooding = wanted / 12;
  const floodBits = ({ block }: Bucket) =>
    Math.floor(Math.log2((flooding * plan.outputScale) / Math.sqrt(block / 3)));
  const droppedBits = (bucket: Bucket) =>
    droppableBits(params.n, 4 ** floodBits(bucket) / 3 / FLOODING_PER_DROPPED ** 2);
  const range = network.ranges[network.ranges.length - 1]!;
  const described = JSON.stringify({
    name,
    params: params.id,
    plan,
    galois,
    network: bytesToHex(sha256Digest(network.toBytes())),
  });
  const offer: Offer = {
    model: name,
    programId: bytesToHex(sha256Digest(utf8ToBytes(described))),
    params: spec,
    paramsId: params.id,
    galois,
    buckets,
    inputs: network.inputs,
    outputs: network.outputs,
    inputScale: plan.inputScale,
    inputBound,
    outputScale: plan.outputScale,
    outputError: Math.hypot(plan.schemeError, flooding, flooding / FLOODING_PER_DROPPED),
    outputRange: [range[0], range[1]],
  };
  const steps = listSteps(network, params, plan);
  const report = reportOf({
    network,
    params,
    steps,
    keyPlan: offeredKeyPlan(offer),
    bounds: plan.bounds,
    droppedBits,
  });
  return Object.freeze({
    network,
    params,
    offer,
    steps: Object.freeze(steps),
    report,
    floodBits,
    droppedBits,
  });
}
