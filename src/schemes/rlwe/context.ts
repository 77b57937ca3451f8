/** Parameters made ready to compute: kernel, ring tables, randomness. Knows no key. */
import { DisposedError, OutOfRangeError, ParamsMismatchError } from '../../base/errors.ts';
import type { ParamsId } from '../../base/brand.ts';
import type { RandomSource } from '../../base/random.ts';
import type { Kernel, KeySwitchShape } from '../../kernel/kernel.ts';
import { Arena } from '../../ring/arena.ts';
import { Ring } from '../../ring/ring.ts';
import type { RlweParams } from './params.ts';

export class RlweContext<P extends RlweParams = RlweParams> implements Disposable {
  readonly params: P;
  readonly kernel: Kernel;
  readonly ring: Ring;
  readonly random: RandomSource;
  #ownsKernel: boolean;
  #isDisposed = false;

  protected constructor(params: P, kernel: Kernel, ownsKernel: boolean, random: RandomSource) {
    this.params = params;
    this.kernel = kernel;
    this.random = random;
    this.#ownsKernel = ownsKernel;
    this.ring = new Ring(kernel, params.n, params.moduli);
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
    this.ring[Symbol.dispose]();
    if (this.#ownsKernel) this.kernel[Symbol.dispose]();
  }
}
