/**
 * Linear transforms of a ciphertext by double hoisting [BMTH21]: one decomposition for all rotations, and the products with keys and
 * weights summed modulo Q P, so that P is divided away once per sum instead of once per rotation. The work is
 * {@link Kernel.linearTransform}.
 */
import type { TransformRotation, Words } from '../../kernel/kernel.ts';
import type { RlweCiphertexts } from './ciphertext.ts';
import type { EvaluationKeys } from './keys/evaluation-keys.ts';
import { rotationElement } from './keys/key-plan.ts';

/** Polynomials over q_0 .. q_level, then p, NTT domain: what rotations by `step` of inner sums are made of. */
export interface WeightedGiantStep {
  readonly step: number;
  readonly babies: readonly { readonly step: number; readonly weight: Words }[];
}

/**
 * out = the sum over giant steps g and their baby steps b of rotate(weight * rotate(a, b), g), for one ciphertext of two parts.
 *
 * - noise: see `linearTransformNoise`
 * - cost: a decomposition; per rotation the products with the key; per giant step but 0 a decomposition and half a division by P; one
 *   division by P. Every key and every weight is read once; the sums of all giant steps are in memory at once
 *
 * @throws {MissingKeyError} before any work.
 */
export function linearTransformInto(
  out: RlweCiphertexts,
  a: RlweCiphertexts,
  giants: readonly WeightedGiantStep[],
  keys: EvaluationKeys,
): void {
  const { context, level } = a;
  const rotation = (step: number): TransformRotation => {
    if (step === 0) return { galois: 1 };
    const galois = rotationElement(context.params.n, step);
    const key = keys.galoisKey(galois, level);
    const { keyLimbs } = context.keySwitchShape(level, key.maxLevel);
    return { galois, key: { words: key.words(level), limbs: keyLimbs } };
  };
  const steps = [...new Set(giants.flatMap(({ babies }) => babies.map(({ step }) => step)))];
  const plan = {
    babies: steps.map((step) => rotation(step)),
    giants: giants.map(({ step, babies }) => {
      const weights = new Map(babies.map((baby) => [baby.step, baby.weight]));
      return { ...rotation(step), weights: steps.map((baby) => weights.get(baby)) };
    }),
  };
  context.kernel.linearTransform(
    context.ring.tables,
    out.words,
    a.words,
    plan,
    context.keySwitchShape(level, level),
  );
}
