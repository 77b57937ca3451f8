/** What the roles over several plaintext moduli share: a context for each. Knows no role, so that roles may know it. */
import type { Arena } from '../../../ring/arena.ts';
import type { ContextResources } from '../../rlwe/context.ts';
import { BgvContext } from '../context.ts';
import type { BgvCrtParams } from './crt-params.ts';

export class BgvCrtContextBase implements Disposable {
  readonly params: BgvCrtParams;
  /** One context per modulus. What belongs to one of them must not be given to another: their identifiers are the same. */
  readonly components: readonly BgvContext[];
  #resources: ContextResources;
  #isDisposed = false;

  protected constructor(params: BgvCrtParams, resources: ContextResources) {
    this.params = params;
    this.components = BgvContext.openAll(params.components, resources);
    this.#resources = resources;
  }

  /** A fresh owner for what is computed. @throws {DisposedError} */
  arena(): Arena {
    return this.components[0]!.arena();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    for (const component of this.components) component[Symbol.dispose]();
    if (this.#resources.ownsKernel) this.#resources.kernel[Symbol.dispose]();
  }
}
