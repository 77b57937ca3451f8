/** Cepstra with their first and second differences, what the Gaussian mixtures of the aligner look at. */
import type { FeatureMatrix } from './features.ts';
import { subtractMean } from './features.ts';

const CEPSTRA = 13;
/** Weights of the regression over two frames on either side, [HTK, ch. 5]. */
const DELTA_REACH = 2;
const DELTA_NORM = 10;

/** [frames, 39] from [frames, filters] log-mels: 13 DCT-II coefficients with mean removed, deltas, delta-deltas. */
export function cepstralFeatures(logMels: FeatureMatrix): FeatureMatrix {
  const { frames, dim } = logMels;
  const basis = cosineBasis(dim);
  const cepstra = { data: new Float32Array(frames * CEPSTRA), frames, dim: CEPSTRA };
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < CEPSTRA; k++) {
      let sum = 0;
      for (let m = 0; m < dim; m++) sum += basis[k * dim + m] * logMels.data[t * dim + m];
      cepstra.data[t * CEPSTRA + k] = sum;
    }
  }
  subtractMean(cepstra);
  const deltas = differences(cepstra);
  const accelerations = differences(deltas);
  const data = new Float32Array(frames * CEPSTRA * 3);
  for (let t = 0; t < frames; t++) {
    for (let k = 0; k < CEPSTRA; k++) {
      const source = t * CEPSTRA + k;
      const target = t * CEPSTRA * 3 + k;
      data[target] = cepstra.data[source];
      data[target + CEPSTRA] = deltas.data[source];
      data[target + 2 * CEPSTRA] = accelerations.data[source];
    }
  }
  return { data, frames, dim: CEPSTRA * 3 };
}

function cosineBasis(dim: number): Float64Array {
  const basis = new Float64Array(CEPSTRA * dim);
  for (let k = 0; k < CEPSTRA; k++) {
    for (let m = 0; m < dim; m++) {
      basis[k * dim + m] = Math.sqrt((k === 0 ? 1 : 2) / dim) * Math.cos((Math.PI * k * (m + 0.5)) / dim);
    }
  }
  return basis;
}

function differences(features: FeatureMatrix): FeatureMatrix {
  const { data, frames, dim } = features;
  const out = new Float32Array(data.length);
  for (let t = 0; t < frames; t++) {
    for (let reach = 1; reach <= DELTA_REACH; reach++) {
      const after = Math.min(frames - 1, t + reach) * dim;
      const before = Math.max(0, t - reach) * dim;
      const weight = reach / DELTA_NORM;
      for (let d = 0; d < dim; d++) out[t * dim + d] += weight * (data[after + d] - data[before + d]);
    }
  }
  return { data: out, frames, dim };
}
