/**
 * Polynomial network -> Program: chooses parameters, scales, levels and keys, or says what cannot be done. Never sees a
 * key or an input. Deterministic: the same network and options give the same program id.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { InvalidParamsError, UnsupportedOpError } from '../base/errors.ts';
import { type PolynomialNetwork, polynomialLayerOutputs } from '../nn/polynomial-network.ts';
import type { Modulus } from '../ring/ring.ts';
import { CkksParams, type CkksSpec } from '../schemes/ckks/params.ts';
import { logQPCeiling } from '../schemes/rlwe/security.ts';
import { layerProducts, networkFacts } from './facts.ts';
import type { Bucket, Offer, Report, Step } from './program.ts';
import { planScales, type ScalePlan } from './scales.ts';

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

/** A checked program for one network. Immutable. */
export class Program {
  readonly network: PolynomialNetwork;
  readonly params: CkksParams;
  readonly plan: ScalePlan;
  readonly offer: Offer;
  readonly steps: readonly Step[];
  readonly report: Report;
  /** Coefficients of a reply get uniform noise in [-2^floodBits, 2^floodBits). */
  readonly floodBits: (bucket: Bucket) => number;

  /** Only {@link compile} makes programs. */
  constructor(parts: {
    readonly network: PolynomialNetwork;
    readonly params: CkksParams;
    readonly plan: ScalePlan;
    readonly offer: Offer;
    readonly steps: readonly Step[];
    readonly report: Report;
    readonly floodBits: (bucket: Bucket) => number;
  }) {
    this.network = parts.network;
    this.params = parts.params;
    this.plan = parts.plan;
    this.offer = parts.offer;
    this.steps = parts.steps;
    this.report = parts.report;
    this.floodBits = parts.floodBits;
  }
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
    const plan = planScales(facts, primesOf(params), params.n);
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
  const steps = listSteps(network, params, plan);
  const range = network.ranges[network.ranges.length - 1]!;
  const described = JSON.stringify({
    name,
    params: params.id,
    plan,
    galois,
    network: bytesToHex(sha256(network.toBytes())),
  });
  const offer: Offer = {
    model: name,
    programId: bytesToHex(sha256(utf8ToBytes(described))),
    params: spec,
    paramsId: params.id,
    galois,
    buckets,
    inputs: network.inputs,
    outputs: network.outputs,
    inputScale: plan.inputScale,
    inputBound,
    outputScale: plan.outputScale,
    outputError: Math.hypot(plan.schemeError, flooding),
    outputRange: [range[0], range[1]],
  };
  return new Program({
    network,
    params,
    plan,
    offer,
    steps,
    report: reportOf(network, params, plan),
    floodBits,
  });
}

/** X -> X^(1 + N/2^j), j = 0 .. log2(k) - 1: what taking k interleaved features apart needs. */
function expansionElements(n: number, interleave: number): number[] {
  const elements: number[] = [];
  for (let j = 0; 2 ** j < interleave; j++) elements.push(1 + n / 2 ** j);
  return elements;
}

function listSteps(network: PolynomialNetwork, params: CkksParams, plan: ScalePlan): Step[] {
  const squares = network.layers.length - 1;
  const steps: Step[] = [{ op: 'expand' }];
  network.layers.forEach((layer, i) => {
    const level = Math.max(squares - i, Math.min(1, squares));
    const scale = plan.scales[i]!;
    steps.push({ op: 'linear', layer: i, level, scale, parts: layer.square || squares === 0 ? 2 : 3 });
    if (!layer.square) return;
    const relinearize = i < squares - 1;
    steps.push({
      op: 'square',
      layer: i,
      level,
      relinearize,
      scale: relinearize ? scale ** 2 / params.q[level]!.q : scale ** 2,
    });
  });
  steps.push({ op: 'pack', level: Math.min(1, squares), scale: plan.scales[squares]! });
  steps.push({ op: 'finish', scale: plan.outputScale });
  return steps;
}

function reportOf(network: PolynomialNetwork, params: CkksParams, plan: ScalePlan): Report {
  const squares = network.layers.length - 1;
  let multiplyAdds = 0;
  let squarings = 0;
  network.layers.forEach((layer, i) => {
    const limbs = Math.max(squares - i, Math.min(1, squares)) + 1;
    const parts = i === squares && squares > 0 ? 3 : 2;
    multiplyAdds += layerProducts(layer) * parts * limbs * params.n;
    if (layer.square) squarings += polynomialLayerOutputs(layer);
  });
  const relinearized = network.layers
    .slice(0, Math.max(0, squares - 1))
    .reduce((sum, layer) => sum + polynomialLayerOutputs(layer), 0);
  const bits = (limbs: readonly Modulus[]) => limbs.reduce((sum, modulus) => sum + modulus.bits, 0);
  const groups = (features: number, bucket: Bucket) => Math.ceil(features / bucket.interleave);
  const halfKey = (params.n / 8) * bits([...params.q, ...params.p]) * params.q.length;
  const switches = expansionElements(params.n, params.n / 2 / SMALLEST_BLOCK).length + 1;
  return {
    depth: squares,
    logQP: params.logQP,
    multiplyAdds,
    squarings,
    keySwitches: (bucket) =>
      groups(network.inputs, bucket) * (bucket.interleave - 1) +
      relinearized +
      groups(network.outputs, bucket),
    keyBytes: Math.ceil(switches * halfKey + (params.n / 8) * bits(params.q)),
    bytesUp: (bucket) => Math.ceil((groups(network.inputs, bucket) * params.n * bits(params.q)) / 8),
    bytesDown: (bucket) =>
      Math.ceil((groups(network.outputs, bucket) * 2 * params.n * bits(params.q.slice(0, 1))) / 8),
    bounds: plan.bounds,
  };
}
