/** What a program costs, counted from its steps and the wire formats without running anything. */
import * as arg from '../base/arguments.ts';
import { ciphertextBytes, roundedBytes, tracedBytes } from '../schemes/ckks/ciphertext-wire.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import { TfheCiphertext } from '../schemes/tfhe/index.ts';
import { PublicKey } from '../schemes/rlwe/keys/public-key.ts';
import { type DecisionFacts, decisionFactsOf, isDeciding, tfheParamsOf } from './decision/decision-facts.ts';
import { type ExactCosts, exactCostsOf, exactMessageBytes } from './exact/exact-facts.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';
import { exactParams } from './exact/validate-exact.ts';
import { mapProducts } from './integer-map.ts';
import { planMemory } from './memory-plan.ts';
import { type Bucket, offeredKeyPlan } from './offer.ts';
import { countIn, type LayerBound } from './program.ts';
import { droppedBits, offerOf, tracedSlots } from './program-facts.ts';
import { encodedBytes, packedBounds, packedSubject, rotationsOf } from './packed/packed-analysis.ts';
import { layerBounds } from './step-analysis.ts';

/** Of one request. */
export interface BucketCost extends Bucket {
  readonly keySwitches: number;
  /** The seeded ciphertexts of a query, and those of its reply, on the wire. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface Report {
  /** Products behind one another. */
  readonly depth: number;
  readonly logQP: number;
  /** Integer multiply-adds on residues for one request, whatever its bucket. */
  readonly multiplyAdds: number;
  /** Ciphertext products. */
  readonly squarings: number;
  /** Public key and evaluation keys on the wire. */
  readonly keyBytes: number;
  /** Memory of one evaluation, the query included and the keys apart. */
  readonly peakBytes: number;
  /** Encoded weights of a packed program, in memory as long as it is served. */
  readonly weightBytes?: number;
  readonly buckets: readonly BucketCost[];
  readonly bounds: readonly LayerBound[];
  /** Of a program on integers. */
  readonly exact?: ExactCosts;
  /** Of a program that decides. */
  readonly decision?: DecisionFacts;
}

export function reportOf(program: AnyProgram): Report {
  arg.checkArguments('reportOf', [program], { program: arg.like('a Program', 'version', 'name') });
  const params = isExact(program) ? exactParams(program).components[0]! : CkksParams.create(program.params);
  const { values, steps, maps } = program;
  const decision = !isExact(program) && isDeciding(program) ? decisionFactsOf(program) : undefined;
  let [multiplyAdds, squarings] = [0, 0];
  for (const step of steps) {
    const { parts, level, count } = values[step.to]!;
    if (step.op === 'linear') multiplyAdds += mapProducts(maps[step.map]!) * parts * (level + 1) * params.n;
    if (step.op === 'multiply') squarings += count;
  }
  const buckets = program.buckets.map((bucket) => {
    const expanded = countIn(program, 0, bucket) * (bucket.interleave - 1);
    const rotated = isExact(program) || program.packed === undefined ? 0 : rotationsOf(program);
    const relinearized = steps.reduce(
      (sum, step) => sum + (step.op === 'relinearize' ? countIn(program, step.to, bucket) : 0),
      0,
    );
    const keySwitches = expanded + relinearized + rotated;
    return { ...bucket, keySwitches, ...messageBytes(program, bucket) };
  });
  return {
    depth: params.maxLevel,
    logQP: params.logQP,
    multiplyAdds,
    squarings,
    keyBytes:
      PublicKey.byteLength(params) +
      EvaluationKeys.byteLength(params, offeredKeyPlan(offerOf(program))) +
      (decision?.keyBytes ?? 0),
    peakBytes: 8 * planMemory(program).words,
    ...(!isExact(program) && program.packed && { weightBytes: encodedBytes(program) }),
    buckets,
    bounds: boundsOf(program),
    ...(isExact(program) && { exact: exactCostsOf(program) }),
    ...(decision && { decision }),
  };
}

/** Of the query and the reply of one request, in all its messages. */
function messageBytes(program: AnyProgram, bucket: Bucket): Pick<BucketCost, 'bytesUp' | 'bytesDown'> {
  if (isExact(program)) {
    const { up, down } = exactMessageBytes(program);
    const messages = program.moduli.length;
    return { bytesUp: messages * up, bytesDown: messages * down };
  }
  const params = CkksParams.create(program.params);
  const up = { parts: 2, level: params.maxLevel, isSeeded: true, count: countIn(program, 0, bucket) };
  const down = countIn(program, program.steps.length, bucket);
  const downBytes = (): number => {
    if (isDeciding(program)) return TfheCiphertext.byteLength(tfheParamsOf(program.decision));
    const [traced, dropped] = [tracedSlots(program), droppedBits(program, bucket)];
    return traced === undefined ? roundedBytes(params, down, dropped) : tracedBytes(params, traced, dropped);
  };
  return {
    bytesUp: ciphertextBytes(params, up),
    bytesDown: downBytes(),
  };
}

/** Exact programs have no range that data could leave: {@link ExactCosts.wires} says what they hold. */
function boundsOf(program: AnyProgram): LayerBound[] {
  if (isExact(program)) return [];
  const params = CkksParams.create(program.params);
  const primes = params.q.map((modulus) => modulus.q);
  return program.packed === undefined
    ? layerBounds({ list: program, primes, n: params.n }, program.inputBound)
    : packedBounds(packedSubject(program), primes, program.inputBound);
}
