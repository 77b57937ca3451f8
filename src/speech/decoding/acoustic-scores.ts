/** From the outputs of an acoustic network to what the decoder wants. */
import { ShapeError } from '../../base/errors.ts';

/**
 * log softmax(logits) - priorScale * logPriors per frame: the scaled likelihoods p(x | state) up to a constant. `logits`
 * is [frames, states] before the softmax; a new array is returned. Source: [BM94].
 *
 * @throws {ShapeError} when the logits are not whole rows.
 */
export function acousticScores(logits: Float32Array, logPriors: Float32Array, priorScale = 1): Float32Array {
  const width = logPriors.length;
  if (logits.length % width !== 0)
    throw new ShapeError('logits', `a multiple of ${width} long`, logits.length);
  const scores = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += width) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let s = 0; s < width; s++) largest = Math.max(largest, logits[row + s]);
    let sum = 0;
    for (let s = 0; s < width; s++) sum += Math.exp(logits[row + s] - largest);
    const logSum = largest + Math.log(sum);
    for (let s = 0; s < width; s++) scores[row + s] = logits[row + s] - logSum - priorScale * logPriors[s];
  }
  return scores;
}
