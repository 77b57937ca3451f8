/** A linear map on slots: hoisted rotations times plaintexts, against double hoisting without and with giant steps. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { linearTransformRotations } from '../../src/schemes/rlwe/giant-steps.ts';
import { benchValues, type EngineParams, type EngineWork, openCkks } from './engine-ckks.ts';

/** A band of the matrix. Giant steps of four need six keys, none need fifteen. */
export const DIAGONALS = 16;
const BABY_STEPS = 4;

export async function linearTransformWork(kernel: Kernel, spec: EngineParams): Promise<EngineWork> {
  const steps = Array.from({ length: DIAGONALS }, (_, step) => step);
  const rotations = [...steps, ...linearTransformRotations(steps, BABY_STEPS, 2 ** (spec.logN - 1))];
  const { evaluator, encoder, ciphertexts, values, ...work } = await openCkks(kernel, spec, { rotations });
  const [a] = ciphertexts;
  const plaintexts = steps.map(() => encoder.encode(values));
  const diagonals = new Map(steps.map((step) => [step, benchValues(values.length)]));
  const flat = encoder.encodeLinearTransform(diagonals);
  const giant = encoder.encodeLinearTransform(diagonals, { babySteps: BABY_STEPS });
  const singly = (): void => {
    const rotated = evaluator.rotateMany(a, steps);
    let sum = evaluator.mul(rotated[0]!, plaintexts[0]!);
    for (let i = 1; i < rotated.length; i++) {
      using product = evaluator.mul(rotated[i]!, plaintexts[i]!);
      const next = evaluator.add(sum, product);
      sum[Symbol.dispose]();
      sum = next;
    }
    for (const owned of [...rotated, sum]) owned[Symbol.dispose]();
  };
  return {
    run: {
      'single-hoisted': singly,
      'double-hoisted': () => evaluator.linearTransform(a, flat)[Symbol.dispose](),
      'giant-steps': () => evaluator.linearTransform(a, giant)[Symbol.dispose](),
    },
    [Symbol.dispose]: () => work[Symbol.dispose](),
  };
}
