/**
 * What homomorphic work takes, predicted from few measured figures: key switches by the limbs that they work on, and diagonals of linear
 * maps. The figures below are of one machine; `bench -- bootstrap` measures those of another and prints predictions beside measurements.
 */

/** Work by the limbs of the ciphertexts that it is done on. */
export interface HomomorphicWork {
  readonly keySwitches: readonly number[];
  readonly diagonals: readonly number[];
}

/** Milliseconds on one thread. */
export interface MachineCosts {
  /** A product with relinearisation, or a rotation, at so many limbs. */
  keySwitch(limbs: number): number;
  /** A diagonal of a linear map: a product with a plaintext over the limbs and the special primes, added to a sum. */
  diagonal(limbs: number): number;
}

/** A measured key switch: limbs of the ciphertext, milliseconds. */
export type MeasuredKeySwitch = readonly [limbs: number, milliseconds: number];

/** Straight lines between measurements, and on beyond them. */
export function costsFrom(
  measured: readonly MeasuredKeySwitch[],
  perDiagonalLimb: number,
  specialPrimes: number,
): MachineCosts {
  const points = [...measured].sort(([a], [b]) => a - b);
  return {
    keySwitch(limbs) {
      if (points.length === 1) return (points[0]![1] * limbs) / points[0]![0];
      const above = points.findIndex(([at]) => at >= limbs);
      const i = above < 0 ? points.length - 1 : Math.max(1, above);
      const [[x0, y0], [x1, y1]] = [points[i - 1]!, points[i]!];
      return Math.max(0, y0 + ((y1 - y0) * (limbs - x0)) / (x1 - x0));
    },
    diagonal: (limbs) => perDiagonalLimb * (limbs + specialPrimes),
  };
}

export function predictedSeconds(work: HomomorphicWork, costs: MachineCosts): number {
  const keySwitches = work.keySwitches.reduce((sum, limbs) => sum + costs.keySwitch(limbs), 0);
  return (keySwitches + work.diagonals.reduce((sum, limbs) => sum + costs.diagonal(limbs), 0)) / 1000;
}

/** Measured at N = 2^16 with eight special primes: AMD Zen 5 (EPYC, AVX-512 IFMA), one thread, processor time of a busy machine. */
const REFERENCE_KEY_SWITCHES: readonly MeasuredKeySwitch[] = [
  [10, 18],
  [17, 36],
  [24, 58],
  [27, 68],
];
const [REFERENCE_LOG_N, REFERENCE_DIAGONAL_LIMB] = [16, 0.1];

/** Those figures for another ring degree: transforms take N log N. */
export function referenceCosts(logN: number, specialPrimes: number): MachineCosts {
  const factor = (2 ** (logN - REFERENCE_LOG_N) * logN) / REFERENCE_LOG_N;
  const measured = REFERENCE_KEY_SWITCHES.map(([limbs, time]): MeasuredKeySwitch => [limbs, time * factor]);
  return costsFrom(measured, REFERENCE_DIAGONAL_LIMB * factor, specialPrimes);
}
