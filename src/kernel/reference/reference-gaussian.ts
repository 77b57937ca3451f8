/**
 * The wide Gaussian sampler of the reference kernel; here the constants of all kernels are derived. Follows the layout in
 * {@link Kernel.wideGaussian}.
 */
import { chacha20Stream } from './chacha20.ts';

/** Terms of the tail sums; 2^(-20^2) is far below the last bit of a threshold. */
const BASE_TERMS = 20;
const LAST_TERM = 20;
const WORD = 64n;

/** floor(2^128 * P(X >= j)), j = 1 .. 11, for P(X = j) proportional to 2^(-j^2) on j >= 0. */
export function baseThresholds(): readonly bigint[] {
  const scale = BigInt(BASE_TERMS ** 2);
  const tail = (from: number) => {
    let sum = 0n;
    for (let j = from; j < BASE_TERMS; j++) sum += 1n << (scale - BigInt(j * j));
    return sum;
  };
  return Array.from({ length: 11 }, (_, i) => (tail(i + 1) << 128n) / tail(0));
}

/** floor(2^63 * ln(2)^j / j!), j = 0 .. 20: the series of 2^-z on [0, 1), cut below 2^-72. */
export function exponentialSeries(): readonly bigint[] {
  const precision = 256n;
  let ln2 = 0n;
  for (let n = 1n; n < 260n; n++) ln2 += (1n << precision) / (n << n);
  const terms: bigint[] = [];
  for (let j = 0n, term = 1n << precision; j <= BigInt(LAST_TERM); j++) {
    terms.push(term >> (precision - 63n));
    term = (term * ln2) / ((j + 1n) << precision);
  }
  return terms;
}

const THRESHOLDS = baseThresholds();
const SERIES = exponentialSeries();

/** 2^63 * 2^(-z / 2^64), each step rounded down. */
function powerOfHalf(z: bigint): bigint {
  return SERIES.slice(0, -1).reduceRight((p, term) => term - ((z * p) >> WORD), SERIES[LAST_TERM] as bigint);
}

export function sampleWideGaussian(
  out: Float64Array,
  multiplier: number,
  key: Uint8Array,
  nonce: number,
): void {
  const stream = chacha20Stream(key, nonce);
  const k = BigInt(multiplier);
  const bits = BigInt(k.toString(2).length);
  const quotient = (1n << (63n + bits)) / k;
  const reciprocal = quotient < 1n << WORD ? quotient : (1n << WORD) - 1n;
  for (let i = 0; i < out.length; ) {
    const bytes = stream(48);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const [w0, w1, w2] = [0, 8, 16].map((at) => view.getBigUint64(at, true)) as [bigint, bigint, bigint];
    const [w3, w4, w5] = [24, 32, 40].map((at) => view.getBigUint64(at, true)) as [bigint, bigint, bigint];
    const uniform = (w1 << WORD) | w0;
    const base = BigInt(THRESHOLDS.filter((threshold) => uniform < threshold).length);
    const offset = (k * w3 + ((k * w2) >> WORD)) >> WORD;
    const f = (((offset << (WORD - bits)) * reciprocal) >> WORD) << 1n;
    const exponent = 2n * base * f + ((f * f) >> WORD);
    const threshold = powerOfHalf(BigInt.asUintN(64, exponent)) >> (exponent >> WORD);
    const magnitude = base * k + offset;
    if (w4 >> 1n >= threshold || (magnitude === 0n && (w5 & 1n) === 1n)) continue;
    out[i++] = Number(w5 & 1n ? -magnitude : magnitude);
  }
}
