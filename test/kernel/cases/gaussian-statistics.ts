/** Statistics of samples against the discrete Gaussian of {@link Kernel.wideGaussian}; each is a number of standard deviations. */

/** sigma of a multiplier. */
export const deviationOf = (multiplier: number) => multiplier / Math.sqrt(2 * Math.LN2);

/** A chi-square value as a normal deviate [Wilson and Hilferty 1931]. */
function normalDeviate(chiSquare: number, cells: number): number {
  const freedom = cells - 1;
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(chiSquare / freedom) - (1 - spread)) / Math.sqrt(spread);
}

/** P(X < z) of the normal distribution to 1e-15: the series about zero, beyond 6 its limits. */
export function normalBelow(z: number): number {
  if (z < -8) return 0;
  if (z > 8) return 1;
  let [sum, term] = [z, z];
  for (let i = 3; Math.abs(term) > 1e-18; i += 2) {
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI);
}

/** Chi-square over each integer within three multipliers and two cells for the rest: for narrow distributions. */
export function integerChiSquare(values: Float64Array, multiplier: number): number {
  const reach = 3 * multiplier;
  const weights = Array.from({ length: 24 * multiplier + 1 }, (_, i) => 2 ** -((i / multiplier - 12) ** 2));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const counts = new Float64Array(2 * reach + 3);
  for (const value of values) counts[Math.max(-reach - 1, Math.min(reach + 1, value)) + reach + 1]!++;
  let [chiSquare, inside] = [0, 0];
  for (let x = -reach; x <= reach; x++) {
    const expected = (values.length * weights[x + 12 * multiplier]!) / total;
    inside += expected;
    chiSquare += (counts[x + reach + 1]! - expected) ** 2 / expected;
  }
  const outside = (values.length - inside) / 2;
  for (const got of [counts[0]!, counts[2 * reach + 2]!]) chiSquare += (got - outside) ** 2 / outside;
  return normalDeviate(chiSquare, 2 * reach + 3);
}

const BINS = 256;

/** Chi-square over 256 intervals of a normal distribution, equally probable: for wide distributions. */
export function intervalChiSquare(values: Float64Array, multiplier: number): number {
  const sigma = deviationOf(multiplier);
  const counts = new Float64Array(BINS);
  for (const value of values)
    counts[Math.min(BINS - 1, Math.floor(BINS * normalBelow((value + 0.5) / sigma)))]!++;
  const expected = values.length / BINS;
  return normalDeviate(
    counts.reduce((sum, got) => sum + (got - expected) ** 2 / expected, 0),
    BINS,
  );
}

/** sqrt(n) times the largest distance from the normal distribution [Kolmogorov 1933]; above 2.6 once in a million. */
export function kolmogorovDistance(values: Float64Array, multiplier: number): number {
  const sigma = deviationOf(multiplier);
  const sorted = Float64Array.from(values).sort();
  let largest = 0;
  sorted.forEach((value, i) => {
    const below = normalBelow(value / sigma);
    largest = Math.max(
      largest,
      Math.abs(below - i / sorted.length),
      Math.abs(below - (i + 1) / sorted.length),
    );
  });
  return Math.sqrt(sorted.length) * largest;
}

/** Mean, variance, fourth moment, and the number beyond three and four sigma. */
export function moments(values: Float64Array, multiplier: number): Record<string, number> {
  const sigma = deviationOf(multiplier);
  const n = values.length;
  let [first, second, fourth, three, four] = [0, 0, 0, 0, 0];
  for (const value of values) {
    const z = value / sigma;
    first += z;
    second += z * z;
    fourth += z ** 4;
    if (Math.abs(z) > 3) three++;
    if (Math.abs(z) > 4) four++;
  }
  const beyond = (count: number, z: number) => {
    const expected = 2 * n * normalBelow(-z);
    return (count - expected) / Math.sqrt(expected);
  };
  return {
    mean: first / Math.sqrt(n),
    variance: (second / n - 1) / Math.sqrt(2 / n),
    fourth: (fourth / n - 3) / Math.sqrt(96 / n),
    three: beyond(three, 3),
    four: beyond(four, 4),
  };
}

/** The largest correlation of values 1 to 16 places apart. */
export function lagCorrelation(values: Float64Array, multiplier: number): number {
  const variance = deviationOf(multiplier) ** 2;
  const n = values.length;
  return Math.max(
    ...Array.from({ length: 16 }, (_, lag) => {
      let sum = 0;
      for (let i = lag + 1; i < n; i++) sum += values[i]! * values[i - lag - 1]!;
      return Math.abs(sum / variance) / Math.sqrt(n);
    }),
  );
}
