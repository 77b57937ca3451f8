/** What the trainer of a projected data set trains on, in the clear: P x of every sample, standardised. */
import * as arg from '../../../base/arguments.ts';

/** Mean and standard deviation per row of P, taken from the training set and used for every other set. */
export interface Standardisation {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
}

/** From products `[rank, samples]`. A constant row keeps the deviation 1. */
export function standardisationOf(products: Float32Array, rank: number): Standardisation {
  arg.checkArguments('standardisationOf', [products, rank], {
    products: arg.typed('a Float32Array', Float32Array),
    rank: arg.number,
  });
  const samples = products.length / rank;
  const means = new Float64Array(rank);
  const deviations = new Float64Array(rank);
  for (let k = 0; k < rank; k++) {
    let [sum, squares] = [0, 0];
    for (let s = 0; s < samples; s++) sum += products[k * samples + s]!;
    const mean = sum / samples;
    for (let s = 0; s < samples; s++) squares += (products[k * samples + s]! - mean) ** 2;
    means[k] = mean;
    deviations[k] = Math.sqrt(squares / samples) || 1;
  }
  return { means, deviations };
}

/** `[rank, samples]` integers to `[samples, rank]` network inputs. */
export function projectedInputs(products: Float32Array, standardisation: Standardisation): Float32Array {
  arg.checkArguments('projectedInputs', [products, standardisation], {
    products: arg.typed('a Float32Array', Float32Array),
    standardisation: arg.like('a Standardisation', 'means', 'deviations'),
  });
  const { means, deviations } = standardisation;
  const rank = means.length;
  const samples = products.length / rank;
  const out = new Float32Array(products.length);
  for (let k = 0; k < rank; k++) {
    for (let s = 0; s < samples; s++)
      out[s * rank + k] = (products[k * samples + s]! - means[k]!) / deviations[k]!;
  }
  return out;
}
