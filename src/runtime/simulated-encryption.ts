/** What encryption will answer, without a key: the program on slot values in the clear, with noise after every step. */
import { floodBits } from '../compiler/program-facts.ts';
import type { Program } from '../compiler/program.ts';
import { packedNoiseOfSteps, packedSubject } from '../compiler/packed/packed-analysis.ts';
import { noiseOfSteps, SMALLEST_BLOCK } from '../compiler/step-analysis.ts';
import type { SeededGenerator } from '../nn/tensor/generator.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { runClear } from './clear-machine.ts';

const NOISE_LIST = 2 ** 16;

/**
 * Scores `[samples, outputs]` as {@link runClear}, with Gaussian noise of the variance that fresh encryption, rescaling and key switching add where
 * they happen, carried on by the steps that follow, and that of the reply. For the smallest bucket, whose noise is largest. In packed
 * programs every slot gets it, those without elements, too, and encoded weights add the rounding of their coefficients.
 * @throws {ShapeError}
 */
export function runSimulated(
  program: Program,
  inputs: ArrayLike<number>,
  generator: SeededGenerator,
): Float64Array {
  const noisy = (values: Float64Array, deviation: number): Float64Array => {
    if (deviation > 0)
      for (let i = 0; i < values.length; i++) values[i] = values[i]! + deviation * generator.normal();
    return values;
  };
  const params = CkksParams.create(program.params);
  const primes = params.q.map((modulus) => modulus.q);
  const deviations =
    program.packed === undefined
      ? noiseOfSteps({ list: program, primes, n: params.n }, params.slots / SMALLEST_BLOCK)
      : packedNoiseOfSteps(packedSubject(program), params);
  // Thousands of slots for every value and sample: from a list, each time from another place on.
  const list = program.packed && Float64Array.from({ length: NOISE_LIST }, () => generator.normal());
  const spread = (slots: Float64Array, deviation: number): void => {
    if (list === undefined) return void noisy(slots, deviation);
    const start = generator.below(NOISE_LIST);
    for (let i = 0; i < slots.length; i++) slots[i]! += deviation * list[(start + i) % NOISE_LIST]!;
  };
  const scores = runClear(program, inputs, {
    observe: (value, slots) => spread(slots, deviations[value]!),
  });
  return noisy(scores, program.packed === undefined ? floodingDeviation(program) : program.output.flooding);
}

/** Of uniform noise in [-2^f, 2^f) in the coefficients of a reply, in a score; low bits that are dropped add next to nothing. */
function floodingDeviation(program: Program): number {
  const [bucket] = program.buckets;
  if (bucket === undefined || program.output.flooding === 0) return 0;
  return (2 ** floodBits(program, bucket) * Math.sqrt(bucket.block / 3)) / program.values.at(-1)!.scale;
}
