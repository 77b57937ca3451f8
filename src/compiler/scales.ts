/**
 * The fixed-point plan of a polynomial network under leveled CKKS: which modulus each layer runs at and at which scale.
 *
 * Symbols: L squarings, primes q_0 .. q_L of about `b` bits, s_i the scale of the activations entering layer i,
 * step_i the real value of weight 1, D_i = s_i / step_i the scale of z_i = W_i a_i + h_i. A square and its rescaling give
 * s_{i+1} = D_i^2 / q. Integer weights cost no level; only squares do. The last square is neither relinearised nor
 * rescaled: the output layer runs on its three parts, and the few packed outputs are relinearised and rescaled instead
 * of the many activations (ratio 512 : 15 for the speech models).
 */
import type { LayerBound } from './program.ts';

/** What the plan needs to know about one layer. */
export interface LayerFacts {
  readonly step: number;
  readonly square: boolean;
  /** max |z| over the training data. */
  readonly trained: number;
  /** Largest sum of squared integer weights over the rows. */
  readonly gain: number;
  /** sum_j |W_ij| bound_j + |h_i|, the largest over the rows. */
  readonly proven: number;
}

export interface ScalePlan {
  readonly inputScale: number;
  /** D_i for each layer. */
  readonly scales: readonly number[];
  readonly outputScale: number;
  readonly bounds: readonly LayerBound[];
  /** Standard deviation of a score's error from the scheme's noise, in score units (before flooding). */
  readonly schemeError: number;
}

/** Powers of two between the largest trained value and the modulus: hidden layers, scores. */
const HIDDEN_MARGIN = 2 ** 3;
const OUTPUT_MARGIN = 2 ** 2;

/** The level at which layer `layer` of a network of `squares` squarings runs; the last two layers share one. */
export function layerLevel(layer: number, squares: number): number {
  return Math.max(squares - layer, Math.min(1, squares));
}

/**
 * Follows the scales from a given input scale. `primes` = q_0 .. q_L. The noise estimate counts rounding at each
 * rescaling and key switching noise of the same order, both as the variance of a slot's real part, and propagates
 * it through the largest rows and |2 z| at a third of the trained maximum.
 */
export function followScales(
  layers: readonly LayerFacts[],
  primes: readonly number[],
  n: number,
  inputScale: number,
): ScalePlan {
  const squares = layers.length - 1;
  const rounding = (n / 2) * ((1 + (2 * n) / 3) / 12) * 2;
  let scale = inputScale;
  let variance = n * 10.5;
  const scales: number[] = [];
  const bounds: LayerBound[] = [];
  let outputScale = 0;
  for (let i = 0; i < layers.length; i++) {
    const layer = layers[i]!;
    const d = scale / layer.step;
    scales.push(d);
    const level = layerLevel(i, squares);
    let logQ = 0;
    for (let j = 0; j <= level; j++) logQ += Math.log2(primes[j]!);
    variance *= layer.gain;
    if (layer.square) {
      bounds.push({
        layer: i,
        trained: layer.trained,
        capacity: 2 ** ((logQ - 1) / 2 - Math.log2(d)),
        proven: layer.proven,
      });
      variance *= (2 * d * (layer.trained / 3)) ** 2;
      const lastSquare = i === squares - 1;
      const prime = primes[level]!;
      scale = lastSquare ? d * d : (d * d) / prime;
      if (!lastSquare) variance = variance / prime ** 2 + rounding;
    } else {
      // One prime is left after the final rescaling, so the last word belongs to q_0.
      outputScale = squares > 0 ? d / primes[1]! : d;
      const capacity = 2 ** (Math.log2(primes[0]!) - 1) / outputScale;
      bounds.push({ layer: i, trained: layer.trained, capacity, proven: layer.proven });
      if (squares > 0) variance = variance / primes[1]! ** 2 + rounding;
    }
  }
  return { inputScale, scales, outputScale, bounds, schemeError: Math.sqrt(variance) / outputScale };
}

/** True when every layer keeps its margin to the modulus. */
function fits(plan: ScalePlan): boolean {
  return plan.bounds.every(
    (bound, i) =>
      bound.capacity >= bound.trained * (i === plan.bounds.length - 1 ? OUTPUT_MARGIN : HIDDEN_MARGIN),
  );
}

/**
 * The plan with the largest input scale (in quarter bits) that keeps the margins, or undefined when none does. `isEncodable` says
 * whether inputs within their bound fit the modulus at a scale, which clients insist on.
 */
export function planScales(
  layers: readonly LayerFacts[],
  primes: readonly number[],
  n: number,
  isEncodable: (inputScale: number) => boolean,
): ScalePlan | undefined {
  for (let quarterBits = 48 * 4; quarterBits >= 10 * 4; quarterBits--) {
    const plan = followScales(layers, primes, n, 2 ** (quarterBits / 4));
    if (fits(plan) && isEncodable(plan.inputScale)) return plan;
  }
  return undefined;
}
