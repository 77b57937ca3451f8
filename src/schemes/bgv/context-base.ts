/** What the roles of BGV share: parameters, kernel and the two rings. Knows no role, so that roles may know it. */
import type { ParamsId } from '../../base/brand.ts';
import { ParamsMismatchError } from '../../base/errors.ts';
import { modulusOf, Ring } from '../../ring/ring.ts';
import { type ContextResources, RlweContext } from '../rlwe/context.ts';
import { type BgvModulusBits, bgvModulusBits } from './noise-bound.ts';
import type { BgvParams } from './params.ts';

export class BgvContextBase extends RlweContext<BgvParams> {
  /** Z_t[X]/(X^N + 1), whose transform makes the slots. */
  readonly plainRing: Ring;
  /** The parameters as the noise bounds need them. */
  readonly modulusBits: BgvModulusBits;

  protected constructor(params: BgvParams, resources: ContextResources) {
    super(params, resources);
    this.modulusBits = bgvModulusBits(params);
    try {
      this.plainRing = new Ring(this.kernel, params.n, [modulusOf(params.t)]);
    } catch (error) {
      this.disposeRing();
      throw error;
    }
  }

  /** Moduli of one family share the identifier, for their keys; what is encoded under one is not the other's. */
  override assertOwn(what: string, object: { readonly paramsId: ParamsId; readonly context?: object }): void {
    super.assertOwn(what, object);
    const { context } = object;
    if (context instanceof BgvContextBase && context.params.t !== this.params.t) {
      throw new ParamsMismatchError(what, `t = ${this.params.t}`, `t = ${context.params.t}`);
    }
  }

  override [Symbol.dispose](): void {
    this.plainRing[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
