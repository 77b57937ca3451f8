import { largestLevel } from '../quantise/quantise.ts';

/** Weights as the compiler will round them: integers of `bits` bits times one step, the largest at the end of the range. */
export function nearestWeights(weights: Float32Array, bits: number): Float32Array {
  let largest = 0;
  for (let i = 0; i < weights.length; i++) largest = Math.max(largest, Math.abs(weights[i]));
  const step = largest / largestLevel(bits) || 1;
  const out = new Float32Array(weights.length);
  for (let i = 0; i < out.length; i++) out[i] = step * Math.round(weights[i] / step);
  return out;
}
