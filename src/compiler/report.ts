/** What a program costs, counted from its steps and the wire formats without running anything. */
import * as arg from '../base/arguments.ts';
import { ciphertextBytes, roundedBytes } from '../schemes/ckks/ciphertext-wire.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../schemes/rlwe/keys/public-key.ts';
import { mapProducts } from './integer-map.ts';
import { planMemory } from './memory-plan.ts';
import { type Bucket, offeredKeyPlan } from './offer.ts';
import { countIn, type LayerBound, type Program } from './program.ts';
import { droppedBits } from './program-facts.ts';
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
}

export function reportOf(program: Program): Report {
  arg.checkArguments('reportOf', [program], { program: arg.like('a Program', 'version', 'name') });
  const params = CkksParams.create(program.params);
  const primes = params.q.map((modulus) => modulus.q);
  const { values, steps, maps, packed } = program;
  let [multiplyAdds, squarings] = [0, 0];
  for (const step of steps) {
    const { parts, level, count } = values[step.to]!;
    if (step.op === 'linear') multiplyAdds += mapProducts(maps[step.map]!) * parts * (level + 1) * params.n;
    if (step.op === 'multiply') squarings += count;
  }
  const up = { parts: 2, level: params.maxLevel, isSeeded: true };
  const buckets = program.buckets.map((bucket) => {
    const last = steps.length;
    const expanded = countIn(program, 0, bucket) * (bucket.interleave - 1);
    const rotated = packed === undefined ? 0 : rotationsOf(program);
    const relinearized = steps.reduce(
      (sum, step) => sum + (step.op === 'relinearize' ? countIn(program, step.to, bucket) : 0),
      0,
    );
    return {
      ...bucket,
      keySwitches: expanded + relinearized + rotated,
      bytesUp: ciphertextBytes(params, { ...up, count: countIn(program, 0, bucket) }),
      bytesDown: roundedBytes(params, countIn(program, last, bucket), droppedBits(program, bucket)),
    };
  });
  return {
    depth: params.maxLevel,
    logQP: params.logQP,
    multiplyAdds,
    squarings,
    keyBytes: PublicKey.byteLength(params) + EvaluationKeys.byteLength(params, offeredKeyPlan(program)),
    peakBytes: 8 * planMemory(program).words,
    ...(packed && { weightBytes: encodedBytes(program) }),
    buckets,
    bounds:
      packed === undefined
        ? layerBounds({ list: program, primes, n: params.n }, program.inputBound)
        : packedBounds(packedSubject(program), primes, program.inputBound),
  };
}
