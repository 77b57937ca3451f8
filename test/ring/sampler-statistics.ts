/**
 * Goodness of fit for the samplers: chi-square over cells, second and fourth moments, correlation at lags and between streams.
 * The tolerances are given for ten million samples and widen with the square root of fewer.
 */

/** log Gamma(x), x > 0 [Lanczos, g = 7]. */
function logGamma(x: number): number {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const series = coefficients.reduce((sum, c, i) => sum + c / (x + i), 0.99999999999980993);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

/** Q(a, x), the regularised upper incomplete gamma function: power series below a + 1, continued fraction above. */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let k = 1; term > sum * 1e-16; k++) sum += term *= x / (a + k);
    return 1 - front * sum;
  }
  // Lentz's algorithm.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * h;
}

/** Probability of a worse fit than `counts` when the cells have `probabilities`; cells with less than ten expected are merged. */
export function chiSquareP(
  counts: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  total: number,
): number {
  let statistic = 0;
  let cells = 0;
  let [seen, expected] = [0, 0];
  for (let i = 0; i < counts.length; i++) {
    seen += counts[i]!;
    expected += total * probabilities[i]!;
    if (expected < 10 && i + 1 < counts.length) continue;
    if (expected > 0) statistic += (seen - expected) ** 2 / expected;
    else if (seen > 0) return 0;
    cells++;
    [seen, expected] = [0, 0];
  }
  return upperGamma((cells - 1) / 2, statistic / 2);
}

/** Probability that uniform values lie at least as far from the diagonal as `pValues` [Kolmogorov's series, Stephens' correction]. */
export function kolmogorovP(pValues: readonly number[]): number {
  const sorted = [...pValues].sort((a, b) => a - b);
  const n = sorted.length;
  const distance = Math.max(...sorted.map((p, i) => Math.max((i + 1) / n - p, p - i / n)));
  const x = (Math.sqrt(n) + 0.12 + 0.11 / Math.sqrt(n)) * distance;
  let sum = 0;
  for (let k = 1; k < 100; k++) sum += 2 * (-1) ** (k - 1) * Math.exp(-2 * (k * x) ** 2);
  return Math.min(1, Math.max(0, sum));
}

/** A distribution with the cells that its samples are counted in. */
export interface Distribution {
  readonly name: string;
  readonly probabilities: ArrayLike<number>;
  /** One or more ways to count: coarse bits and fine bits of wide values. Values outside give -1. */
  readonly cells: readonly ((value: number) => number)[];
  readonly variance: number;
  readonly fourthMoment: number;
}

type Sample = ArrayLike<number>;

function binomialCoefficient(n: number, k: number): number {
  let product = 1;
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i;
  return product;
}

/** Difference of two sums of `k` fair bits: 2k fair bits less k. */
export function centredBinomialDistribution(k: number): Distribution {
  return {
    name: `centred binomial, k = ${k}`,
    probabilities: Array.from({ length: 2 * k + 1 }, (_, i) => binomialCoefficient(2 * k, i) / 2 ** (2 * k)),
    cells: [(value) => (Math.abs(value) <= k ? value + k : -1)],
    variance: k / 2,
    fourthMoment: (3 * k * k) / 4 - k / 4,
  };
}

export const TERNARY_DISTRIBUTION: Distribution = {
  name: 'ternary',
  probabilities: [1 / 3, 1 / 3, 1 / 3],
  cells: [(value) => (Math.abs(value) <= 1 ? value + 1 : -1)],
  variance: 2 / 3,
  fourthMoment: 2 / 3,
};

const WIDE_CELLS = 256;

/** Integers uniform in [-bound, bound) or, for residues, moved there; bound large: cells by the leading and by the lowest bits. */
export function wideUniformDistribution(name: string, bound: number): Distribution {
  const leading = (value: number): number => Math.floor(((value + bound) / (2 * bound)) * WIDE_CELLS);
  const lowest = (value: number): number => ((value % WIDE_CELLS) + WIDE_CELLS) % WIDE_CELLS;
  return {
    name,
    probabilities: new Float64Array(WIDE_CELLS).fill(1 / WIDE_CELLS),
    cells: [leading, lowest].map((cell) => (value) => (value >= -bound && value < bound ? cell(value) : -1)),
    variance: bound ** 2 / 3,
    fourthMoment: bound ** 4 / 5,
  };
}

export interface SampleReport {
  readonly chiSquare: readonly number[];
  readonly outside: number;
  readonly variance: number;
  readonly fourthMoment: number;
  /** Largest |r| at lags 1 .. 16. */
  readonly correlation: number;
  readonly count: number;
}

/** Pearson's r of a sample with zero expectation and itself or another, shifted by `lag`. */
export function correlationOf(a: Sample, b: Sample, lag: number, variances: number): number {
  let sum = 0;
  const count = Math.min(a.length, b.length) - lag;
  for (let i = 0; i < count; i++) sum += a[i]! * b[i + lag]!;
  return sum / count / variances;
}

const LAGS = 16;

/** `variance` and `fourthMoment` are ratios to the distribution's. */
export function examineSample(sample: Sample, distribution: Distribution): SampleReport {
  const count = sample.length;
  const chiSquare: number[] = [];
  let outside = 0;
  for (const cell of distribution.cells) {
    const counts = new Float64Array(distribution.probabilities.length);
    outside = 0;
    for (let i = 0; i < count; i++) {
      const at = cell(sample[i]!);
      if (at < 0) outside++;
      else counts[at]!++;
    }
    chiSquare.push(chiSquareP(counts, distribution.probabilities, count));
  }
  let [second, fourth] = [0, 0];
  for (let i = 0; i < count; i++) {
    const square = sample[i]! ** 2;
    second += square;
    fourth += square ** 2;
  }
  let correlation = 0;
  for (let lag = 1; lag <= LAGS; lag++) {
    correlation = Math.max(correlation, Math.abs(correlationOf(sample, sample, lag, distribution.variance)));
  }
  return {
    chiSquare,
    outside,
    variance: second / count / distribution.variance,
    fourthMoment: fourth / count / distribution.fourthMoment,
    correlation,
    count,
  };
}

/** What is wrong with a sample; empty for a good one. */
export function sampleFaults(report: SampleReport): string[] {
  const widened = Math.sqrt(1e7 / report.count);
  const faults: string[] = [];
  if (report.outside > 0) faults.push(`${report.outside} values outside the distribution`);
  for (const p of report.chiSquare) if (!(p >= 1e-6 && p <= 1 - 1e-6)) faults.push(`chi-square p = ${p}`);
  if (!(Math.abs(report.variance - 1) <= 0.0025 * widened))
    faults.push(`variance off by ${report.variance - 1}`);
  if (!(Math.abs(report.fourthMoment - 1) <= 0.005 * widened)) {
    faults.push(`fourth moment off by ${report.fourthMoment - 1}`);
  }
  if (!(report.correlation < 5 / Math.sqrt(report.count)))
    faults.push(`correlation with itself ${report.correlation}`);
  return faults;
}
