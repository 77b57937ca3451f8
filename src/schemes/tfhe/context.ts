/** Parameters made ready to compute: kernel, ring tables, randomness. Knows no key. */
import type { ParamsId } from '../../base/brand.ts';
import { ParamsMismatchError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { modulusOf, Ring } from '../../ring/ring.ts';
import { type ContextOptions, type ContextResources, openContext } from '../rlwe/context.ts';
import type { TfheParams } from './params.ts';

/** The only prime. */
export const FIRST: readonly number[] = [0];

export class TfheContext implements Disposable {
  readonly params: TfheParams;
  readonly kernel: Kernel;
  readonly ring: Ring;
  readonly random: RandomSource;
  readonly #ownsKernel: boolean;

  private constructor(params: TfheParams, resources: ContextResources) {
    this.params = params;
    this.kernel = resources.kernel;
    this.random = resources.random;
    this.#ownsKernel = resources.ownsKernel;
    this.ring = new Ring(this.kernel, params.n, [modulusOf(params.q)]);
  }

  /** @throws {KernelError} when no kernel can be loaded. */
  static open(params: TfheParams, options: ContextOptions = {}): Promise<TfheContext> {
    return openContext(options, (resources) => new TfheContext(params, resources));
  }

  /** @throws {ParamsMismatchError} when `object` was made for other parameters. */
  assertOwn(what: string, object: { readonly paramsId: ParamsId }): void {
    if (object.paramsId !== this.params.id)
      throw new ParamsMismatchError(what, this.params.id, object.paramsId);
  }

  /** Closes the kernel, too, when the context opened it. */
  [Symbol.dispose](): void {
    this.ring[Symbol.dispose]();
    if (this.#ownsKernel) this.kernel[Symbol.dispose]();
  }
}
