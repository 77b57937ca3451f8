/**
 * The noise of weights that several owners trained, as it must be declared before they are released: a bound on its Euclidean norm, over the
 * coefficients that are released. It is a prediction of what each iteration adds and how the momentum amplifies it, with room above; the
 * tests measure the same with several sets of keys, and a run above the declaration fails there. Symbols: N ring degree, k parties.
 *
 * The norm over the released coefficients is the root mean square over slots.
 */
import { collectivePublicKeyNoise, collectiveRoundingNoise } from '../../schemes/rlwe/collective/noise.ts';
import { type LogisticProgram, SIGMOID_CUBIC } from './logistic-program.ts';
import { type NesterovStep } from './logistic-spec.ts';

/** Bits of room above the prediction. */
const ROOM_BITS = 1.5;
/** Square and third power of a margin, in the root mean square over rows: as measured on standardised columns, with room. */
const [SQUARED_MARGIN, CUBED_MARGIN] = [2, 4];
/** Curvatures of the loss that are considered, of standardised columns. */
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
  const { params, parties, spec, steps, rowScale, marginScale, releaseScale } = program;
  const { n, defaultScale } = params;
  // In slots: one rounding of both parts, and the noise of the rows.
  const rounding = Math.sqrt(n * collectiveRoundingNoise(n, parties));
  const row = Math.sqrt(n * collectivePublicKeyNoise(n, parties)) / rowScale;
  const sums = Math.sqrt(program.ciphertexts * program.rowsPerCiphertext);
  const rate = program.largestRate;
  const { c1 } = SIGMOID_CUBIC;
  // Margins, whose errors are averaged over the rows; c3 z, times m^3; c3 z m, times m^2; c1 z m and the sum.
  const margins = (rate * c1 * (rounding / marginScale)) / Math.sqrt(spec.rows);
  const oddScale = releaseScale * (defaultScale / marginScale) ** 2;
  const weightedScale = oddScale * (defaultScale / marginScale);
  const products =
    sums * rounding * Math.hypot(CUBED_MARGIN / weightedScale, SQUARED_MARGIN / oddScale, 1 / releaseScale);
  const { fresh, common } = amplification(steps);
  // Values of rows are 1 on average, and so are the residuals that they are multiplied with, at most.
  const ofRows = (common * row) / Math.sqrt(spec.rows);
  const total = Math.hypot(fresh * margins, fresh * products, ofRows);
  return Math.log2(total * releaseScale) + ROOM_BITS;
}
