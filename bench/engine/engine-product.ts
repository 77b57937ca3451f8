/** A product of two ciphertexts that loses its level at once: in two steps and in one. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { type EngineParams, type EngineWork, openCkks } from './engine-ckks.ts';

export async function productWork(kernel: Kernel, spec: EngineParams): Promise<EngineWork> {
  const work = await openCkks(kernel, spec, { relinearize: true });
  const { evaluator } = work;
  const [a, b] = work.ciphertexts;
  return {
    run: {
      'multiply-relinearize, then rescale': () => {
        using product = evaluator.mul(a, b);
        evaluator.rescale(product)[Symbol.dispose]();
      },
      'multiply-relinearize-rescale': () => evaluator.multiplyRelinearizeRescale(a, b)[Symbol.dispose](),
      square: () => evaluator.squareRelinearizeRescale(a)[Symbol.dispose](),
    },
    [Symbol.dispose]: () => work[Symbol.dispose](),
  };
}
