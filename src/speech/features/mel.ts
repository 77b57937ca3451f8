/** The mel filter bank: triangles that are equally spaced and equally wide on the mel scale. Source: [HTK, ch. 5]. */
import { OutOfRangeError } from '../../base/errors.ts';

/** Mels of a frequency in Hz: 1127 ln(1 + f/700). */
export function hertzToMel(hertz: number): number {
  return 1127 * Math.log1p(hertz / 700);
}

/** Hz of a pitch in mels. */
export function melToHertz(mel: number): number {
  return 700 * Math.expm1(mel / 1127);
}

export interface MelFilter {
  /** The first spectrum bin with a non-zero weight. */
  readonly firstBin: number;
  /** Weights in (0, 1] of consecutive bins; at least one. */
  readonly weights: Float64Array;
}

/**
 * `count` triangular filters between `low` and `high` Hz over the bins of an FFT of `fftSize` samples at `rate` Hz.
 * Filter m rises from edge m to edge m + 1 and falls to edge m + 2, linearly in mels, with peak 1.
 *
 * @throws {OutOfRangeError} when the band is empty or above rate/2, or a filter is too narrow to hold a bin.
 */
export function melFilterBank(
  count: number,
  fftSize: number,
  rate: number,
  low: number,
  high: number,
): readonly MelFilter[] {
  if (!(low >= 0 && low < high && high <= rate / 2)) {
    throw new OutOfRangeError('mel band in Hz', `within [0, ${rate / 2}]`, `[${low}, ${high}]`);
  }
  const lowMel = hertzToMel(low);
  const step = (hertzToMel(high) - lowMel) / (count + 1);
  const filters: MelFilter[] = [];
  for (let m = 0; m < count; m++) {
    const centre = lowMel + (m + 1) * step;
    const weights: number[] = [];
    let firstBin = 0;
    for (let bin = 0; bin <= fftSize / 2; bin++) {
      const weight = 1 - Math.abs(hertzToMel((bin * rate) / fftSize) - centre) / step;
      if (weight <= 0) continue;
      if (weights.length === 0) firstBin = bin;
      weights.push(weight);
    }
    if (weights.length === 0) {
      throw new OutOfRangeError(
        'mel filters',
        `wide enough for an FFT bin at ${rate} Hz`,
        `${count} of them`,
      );
    }
    filters.push({ firstBin, weights: Float64Array.from(weights) });
  }
  return filters;
}
