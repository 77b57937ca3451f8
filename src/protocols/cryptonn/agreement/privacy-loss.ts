/**
 * Differential privacy of Gaussian noise: from the ratio of sensitivity to standard deviation to (epsilon, delta).
 *
 * - Discrete Gaussian noise of any dimension is rho-zCDP with rho = ratio^2 / 2 [Canonne, Kamath, Steinke, NeurIPS 2020, theorem 14],
 *   and rho-zCDP gives (epsilon, delta) [the same, corollary 13]. This is what holds for noise on integers.
 * - Continuous Gaussian noise has the exact curve of the analytic mechanism [Balle, Wang, ICML 2018, theorem 8], a little
 *   below it: what wide discrete noise comes close to, for comparison.
 */

/** Bisections: halve the interval beyond the precision of doubles. */
const BISECTIONS = 200;
const GOLDEN = (Math.sqrt(5) - 1) / 2;
/** Below it the series for the normal distribution loses digits, and the continued fraction converges fast. */
const SERIES_FROM = -3;
const FRACTION_TERMS = 200;

/** The least epsilon for which rho-zCDP implies (epsilon, delta) by corollary 13; infinite only for delta 0. */
export function concentratedEpsilon(rho: number, delta: number): number {
  // As a function of log(alpha - 1) this has a single minimum.
  const at = (t: number) => {
    const rest = Math.exp(t);
    const alpha = 1 + rest;
    return alpha * rho - (Math.log(delta) + t - alpha * Math.log(rest / alpha)) / rest;
  };
  let [low, high] = [-40, 40];
  for (let i = 0; i < BISECTIONS; i++) {
    const [a, b] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (at(a) < at(b)) high = b;
    else low = a;
  }
  return Math.max(0, at((low + high) / 2));
}

/** delta of the analytic Gaussian mechanism at epsilon, for sensitivity / sigma = `ratio` > 0. */
export function gaussianDelta(epsilon: number, ratio: number): number {
  const first = logNormalCdf(ratio / 2 - epsilon / ratio);
  const second = epsilon + logNormalCdf(-ratio / 2 - epsilon / ratio);
  return Math.max(0, Math.exp(first) * -Math.expm1(second - first));
}

/** The least epsilon of continuous Gaussian noise for sensitivity / sigma = `ratio`. */
export function analyticGaussianEpsilon(ratio: number, delta: number): number {
  let [low, high] = [0, 1];
  while (gaussianDelta(high, ratio) > delta) high *= 2;
  for (let i = 0; i < BISECTIONS; i++) {
    const middle = (low + high) / 2;
    if (gaussianDelta(middle, ratio) > delta) low = middle;
    else high = middle;
  }
  return high;
}

/** The logarithm of the standard normal distribution function, to about 1e-12, also far out. */
export function logNormalCdf(x: number): number {
  const logDensity = -(x * x) / 2 - Math.log(2 * Math.PI) / 2;
  if (x < SERIES_FROM) {
    // Laplace's continued fraction of the tail: density / (t + 1 / (t + 2 / (t + ...))).
    let denominator = -x;
    for (let k = FRACTION_TERMS; k >= 1; k--) denominator = -x + k / denominator;
    return logDensity - Math.log(denominator);
  }
  if (x > -SERIES_FROM) return Math.log1p(-Math.exp(logNormalCdf(-x)));
  let [term, sum] = [x, x];
  for (let k = 3; Math.abs(term) > Number.EPSILON * Math.abs(sum); k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return Math.log(0.5 + Math.exp(logDensity) * sum);
}

/** Squarings in {@link spectralNormBound}: the bound is at most rows^(1/128) times the norm. */
const SQUARINGS = 6;

/**
 * An upper bound of the largest singular value of an integer matrix `[rows, columns]`: trace(G^64)^(1/128) of its Gram matrix G, for
 * which the trace is at least the largest eigenvalue and at most `rows` times it.
 */
export function spectralNormBound(matrix: Int32Array, rows: number): number {
  const columns = matrix.length / rows;
  let gram = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < columns; k++)
        sum += (matrix[i * columns + k] as number) * (matrix[j * columns + k] as number);
      gram[i * rows + j] = sum;
      gram[j * rows + i] = sum;
    }
  }
  let logScale = 0;
  for (let squaring = 0; squaring < SQUARINGS; squaring++) {
    // Divided by the trace each time, so that powers stay near one.
    const scale = traceOf(gram, rows);
    if (scale === 0) return 0;
    logScale = 2 * (logScale + Math.log(scale));
    gram = squaredSymmetric(
      gram.map((value) => value / scale),
      rows,
    );
  }
  return Math.exp((logScale + Math.log(traceOf(gram, rows))) / 2 ** (SQUARINGS + 1));
}

function traceOf(a: Float64Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += a[i * size + i]!;
  return sum;
}

function squaredSymmetric(a: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const out = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += a[i * size + k]! * a[j * size + k]!;
      out[i * size + j] = sum;
      out[j * size + i] = sum;
    }
  }
  return out;
}
