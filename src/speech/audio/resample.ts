/**
 * Sample-rate conversion by any rational ratio: a Kaiser-windowed sinc, evaluated per polyphase branch.
 *
 * With from/to = M/L in lowest terms, output k stands at input time k*M/L, so its fractional position takes L
 * values only and each needs one set of taps. Source: [OS10, ch. 4.6 and 7.6].
 */
import { AudioError } from '../../base/errors.ts';
import { MAX_SAMPLE_RATE, MIN_SAMPLE_RATE } from './sample-rates.ts';

/** Zero crossings of the sinc on either side: 32 with beta 9 gives 90 dB stop band, transition 18 % of Nyquist. */
const ZERO_CROSSINGS = 32;
const KAISER_BETA = 9;
/** The cut-off relative to the lower Nyquist rate: pass band up to 0.85, images down by 90 dB from 1.04 on. */
const CUTOFF = 0.945;
/** Branches are kept while all of them fit in this many taps; odd ratios beyond it recompute theirs. */
const MAX_CACHED_TAPS = 1 << 22;

/** The exact length of the result of `resample`: the number of output instants k/to in [0, length/from). */
export function resampledLength(length: number, from: number, to: number): number {
  return Number((BigInt(length) * BigInt(to) + BigInt(from) - 1n) / BigInt(from));
}

/**
 * Converts `samples` from `from` Hz to `to` Hz (integers). No delay: output k is the signal at time k/to; outside the
 * clip the signal is taken as zero. Equal rates return `samples` itself.
 *
 * @throws {AudioError} when a rate is not an integer in the supported interval.
 */
export function resample(samples: Float32Array, from: number, to: number): Float32Array {
  for (const rate of [from, to]) {
    if (!Number.isInteger(rate) || rate < MIN_SAMPLE_RATE || rate > MAX_SAMPLE_RATE) {
      throw new AudioError(
        `sample rate is ${rate} Hz; ${MIN_SAMPLE_RATE} to ${MAX_SAMPLE_RATE} are supported`,
      );
    }
  }
  if (from === to) return samples;
  const divisor = greatestCommonDivisor(from, to);
  const up = to / divisor;
  const down = from / divisor;
  const bandwidth = CUTOFF * Math.min(1, up / down);
  const reach = Math.ceil(ZERO_CROSSINGS / Math.min(1, up / down));
  const isCached = up * 2 * reach <= MAX_CACHED_TAPS;
  const branches: (Float64Array | undefined)[] = [];
  const scratch = new Float64Array(2 * reach);

  const output = new Float32Array(resampledLength(samples.length, from, to));
  let phase = 0;
  let position = 0;
  for (let k = 0; k < output.length; k++) {
    let taps = isCached ? branches[phase] : undefined;
    if (taps === undefined) {
      taps = isCached ? new Float64Array(2 * reach) : scratch;
      branchTapsInto(taps, phase / up, bandwidth);
      if (isCached) branches[phase] = taps;
    }
    // Tap i belongs to input sample position - reach + 1 + i.
    const first = position - reach + 1;
    const begin = Math.max(0, -first);
    const end = Math.min(2 * reach, samples.length - first);
    output[k] = dotProduct(taps, samples, begin, end, first);
    phase += down;
    position += Math.floor(phase / up);
    phase %= up;
  }
  return output;
}

/** Sum of taps[i] * samples[first + i] over [begin, end); four sums, as one alone waits for every addition. */
function dotProduct(
  taps: Float64Array,
  samples: Float32Array,
  begin: number,
  end: number,
  first: number,
): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    a += taps[i] * samples[first + i];
    b += taps[i + 1] * samples[first + i + 1];
    c += taps[i + 2] * samples[first + i + 2];
    d += taps[i + 3] * samples[first + i + 3];
  }
  for (; i < end; i++) a += taps[i] * samples[first + i];
  return a + b + (c + d);
}

/** Taps for a point `fraction` in [0, 1) after input sample reach - 1 of the branch, scaled to unit gain at 0 Hz. */
function branchTapsInto(taps: Float64Array, fraction: number, bandwidth: number): void {
  const reach = taps.length / 2;
  let sum = 0;
  for (let i = 0; i < taps.length; i++) {
    const x = i - (reach - 1) - fraction;
    const inside = 1 - (x / reach) ** 2;
    const angle = Math.PI * bandwidth * x;
    const sinc = x === 0 ? 1 : Math.sin(angle) / angle;
    taps[i] = inside <= 0 ? 0 : sinc * besselI0(KAISER_BETA * Math.sqrt(inside));
    sum += taps[i];
  }
  for (let i = 0; i < taps.length; i++) taps[i] /= sum;
}

/** The modified Bessel function of order zero by its power series; |x| <= 9 here, so 40 terms exceed a double. */
function besselI0(x: number): number {
  const quarter = (x * x) / 4;
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17 && k < 40; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
