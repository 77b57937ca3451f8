/** What tests of networks under training share: a small network, and numbers that are the same in every run. */
import { PERCEPTRON_RECIPE, type PerceptronSpec } from '../../../src/runtime/training/perceptron/spec.ts';

/** Numbers in [0, 1) that are the same in every run. */
export function sequence(seed: number): () => number {
  let at = seed;
  return () => {
    at += 0.6180339887498949;
    const x = Math.sin(at * 12.9898) * 43758.5453;
    return x - Math.floor(x);
  };
}

export const TOY: PerceptronSpec = {
  ...PERCEPTRON_RECIPE,
  layers: [6, 4, 4, 2],
  batch: 30,
  steps: 2,
  // One that tables may have as well.
  sumBound: 16,
};
