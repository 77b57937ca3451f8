/** Parameters made ready to compute: kernel, ring tables, randomness. Knows no key. */
import { DisposedError, OutOfRangeError, ParamsMismatchError } from '../../base/errors.ts';
import type { ParamsId } from '../../base/brand.ts';
import type { RandomSource } from '../../base/random.ts';
import { systemRandom } from '../../base/random.ts';
import type { Kernel, KernelOptions, KeySwitchShape } from '../../kernel/kernel.ts';
import { openKernel } from '../../kernel/open.ts';
import { Arena } from '../../ring/arena.ts';
import { Ring } from '../../ring/ring.ts';
import type { RlweParams } from './params.ts';

/** Where the words live and where randomness comes from. */
export interface ContextOptions {
  /** A kernel is borrowed; with options, one is opened and closed with the context. */
  readonly kernel?: Kernel | KernelOptions;
  /** The operating system's unless a test says otherwise. */
  readonly random?: RandomSource;
}

/** What {@link ContextOptions} came to. */
export interface ContextResources {
  readonly kernel: Kernel;
  readonly ownsKernel: boolean;
  readonly random: RandomSource;
  /** Tables of the same primes, borrowed; without them the context makes its own. */
  readonly ring?: Ring;
}

async function openResources(options: ContextOptions): Promise<ContextResources> {
  const random = options.random ?? systemRandom;
  if (options.kernel !== undefined && 'allocate' in options.kernel) {
    return { kernel: options.kernel, ownsKernel: false, random };
  }
  return { kernel: await openKernel(options.kernel ?? {}), ownsKernel: true, random };
}

/**
 * The context that `build` makes of the resources; when it throws, a kernel of its own is closed.
 *
 * @throws {KernelError} when no kernel can be loaded.
 */
export async function openContext<C>(
  options: ContextOptions,
  build: (resources: ContextResources) => C,
): Promise<C> {
  const resources = await openResources(options);
  try {
    return build(resources);
  } catch (error) {
    if (resources.ownsKernel) resources.kernel[Symbol.dispose]();
    throw error;
  }
}

export class RlweContext<P extends RlweParams = RlweParams> implements Disposable {
  readonly params: P;
  readonly kernel: Kernel;
  readonly ring: Ring;
  readonly random: RandomSource;
  #ownsKernel: boolean;
  #ownsRing: boolean;
  #isDisposed = false;

  protected constructor(params: P, resources: ContextResources) {
    this.params = params;
    this.kernel = resources.kernel;
    this.random = resources.random;
    this.#ownsKernel = resources.ownsKernel;
    this.#ownsRing = resources.ring === undefined;
    this.ring = resources.ring ?? new Ring(this.kernel, params.n, params.moduli);
  }

  protected disposeRing(): void {
    if (this.#ownsRing) this.ring[Symbol.dispose]();
  }

  /** A fresh owner for what is computed. @throws {DisposedError} */
  arena(): Arena {
    if (this.#isDisposed) throw new DisposedError('a context');
    return new Arena(this.kernel);
  }

  /** {@link RlweParams.qMods} */
  qMods(level: number): readonly number[] {
    return this.params.qMods(level);
  }

  /** {@link RlweParams.pMods} */
  get pMods(): readonly number[] {
    return this.params.pMods;
  }

  /** {@link RlweParams.keyLimbs} */
  keyLimbs(maxLevel: number): readonly number[] {
    return this.params.keyLimbs(maxLevel);
  }

  /** {@link RlweParams.digits} */
  digits(level: number): number {
    return this.params.digits(level);
  }

  /** The shape of a key switch at `level` with a key made for `keyLevel` >= level. */
  keySwitchShape(level: number, keyLevel: number): KeySwitchShape {
    return {
      q: this.qMods(level),
      p: this.pMods,
      alpha: this.params.alpha,
      keyLimbs: this.keyLimbs(keyLevel),
    };
  }

  /** @throws {ParamsMismatchError} when `object` was made for other parameters. */
  assertOwn(what: string, object: { readonly paramsId: ParamsId }): void {
    if (object.paramsId !== this.params.id)
      throw new ParamsMismatchError(what, this.params.id, object.paramsId);
  }

  /** @throws {OutOfRangeError} unless `level` is an integer in [0, L]. */
  assertLevel(level: number): void {
    if (!Number.isInteger(level) || level < 0 || level > this.params.maxLevel) {
      throw new OutOfRangeError('level', `an integer from 0 to ${this.params.maxLevel}`, level);
    }
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.disposeRing();
    if (this.#ownsKernel) this.kernel[Symbol.dispose]();
  }
}
