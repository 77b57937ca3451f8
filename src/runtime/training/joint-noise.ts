/**
 * The noise of weights that several owners trained, as it must be declared before they are released: a bound on its Euclidean norm, over the
 * coefficients that are released. It is a prediction of what each iteration adds and how the momentum amplifies it, with room above; the
 * tests measure the same with several sets of keys, and a run above the declaration fails there. Symbols: N ring degree, k parties.
 *
 * The norm over the released coefficients is the root mean square over slots.
 */
import { collectivePublicKeyNoise, collectiveRoundingNoise } from '../../schemes/rlwe/collective/noise.ts';
import { type LogisticProgram, MARGIN_BOUND, type NesterovStep, SIGMOID_CUBIC } from './logistic-program.ts';

/** Bits of room above the prediction. */
const ROOM_BITS = 2;
/** Largest curvature of the loss that is considered, of standardised columns. */
const CURVATURES = [0, 0.001, 0.01, 0.1, 0.25, 1];

/** How much of a unit error in the gradient step of each iteration is in the weights at the end: Nesterov's recurrence on one direction. */
function gains(steps: readonly NesterovStep[], curvature: number): number[] {
  return steps.map((_, at) => {
    let [v, w] = [0, 0];
    steps.forEach(({ rate, momentum }, t) => {
      const next = v - rate * curvature * v + (t === at ? 1 : 0);
      v = (1 - momentum) * next + momentum * w;
      w = next;
    });
    return w;
  });
}

/** Of independent errors in each iteration, and of one error that all iterations have in common, times the step sizes. */
function amplification(steps: readonly NesterovStep[]): { readonly fresh: number; readonly common: number } {
  const each = CURVATURES.map((curvature) => gains(steps, curvature));
  return {
    fresh: Math.max(...each.map((list) => Math.sqrt(list.reduce((sum, gain) => sum + gain ** 2, 0)))),
    common: Math.max(
      ...each.map((list) => Math.abs(list.reduce((sum, gain, t) => sum + gain * steps[t]!.rate, 0))),
    ),
  };
}

/** log2 of the bound, in units of one as the noise is. */
export function jointNoiseBits(program: LogisticProgram): number {
  const { params, parties, spec, steps, stateBits, rowScale, ciphertexts, rowsPerCiphertext } = program;
  const { n, defaultScale } = params;
  const state = defaultScale * 2 ** stateBits;
  // In slots: one rounding of both parts, and the noise of the rows.
  const rounding = Math.sqrt(n * collectiveRoundingNoise(n, parties));
  const row = Math.sqrt(n * collectivePublicKeyNoise(n, parties)) / rowScale;
  const sums = Math.sqrt(ciphertexts * rowsPerCiphertext);
  const rate = program.largestRate;
  const { c1 } = SIGMOID_CUBIC;
  // Margins, whose errors are averaged over the rows; the sums of products; each again where it is rotated and divided.
  const margins = (2 * rate * c1 * (rounding / defaultScale)) / Math.sqrt(spec.rows);
  const products = (MARGIN_BOUND * rounding * sums) / state;
  const { fresh, common } = amplification(steps);
  const ofRows = (common * row) / Math.sqrt(spec.rows);
  const total = Math.hypot(fresh * margins, fresh * products, ofRows);
  return Math.log2(total * state) + ROOM_BITS;
}
