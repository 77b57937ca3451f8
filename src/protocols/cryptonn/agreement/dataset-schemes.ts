/** The scheme that a data set names, for each of its axes; owners, trainer and authority make the same from the same specification. */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { DdhInnerProduct } from '../../../fe/ddh/scheme.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { axisSizes } from './axis-sizes.ts';
import type { InnerProductScheme } from '../../../fe/inner-product-scheme.ts';
import { type AxisName, type DatasetSpec, datasetDigest } from './dataset-spec.ts';
import { LatticeSchemes } from './lattice-schemes.ts';

/** The scheme for one axis of a data set; the same parameters for everybody who calls it. */
export type SchemeFor = (spec: DatasetSpec, axis: AxisName) => InnerProductScheme;

export class DatasetSchemes implements Disposable {
  readonly #kernel: Kernel;
  readonly #lattice: LatticeSchemes;
  readonly #ddh = new Map<string, DdhInnerProduct>();

  constructor(kernel: Kernel) {
    arg.checkArguments('new DatasetSchemes', [kernel], {
      kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
    });
    this.#kernel = kernel;
    this.#lattice = new LatticeSchemes(kernel);
  }

  /** Made at first need, kept until disposal. @throws {InvalidParamsError} {@link InsecureParamsError} */
  readonly schemeFor: SchemeFor = (spec, axis) => {
    if (spec.scheme === 'lattice') return this.#lattice.schemeFor(spec, axis);
    const name = `${datasetDigest(spec)} ${axis}`;
    let scheme = this.#ddh.get(name);
    if (scheme === undefined) {
      const form = spec.scheme === 'ddh' ? 'adaptive' : 'selective';
      scheme = new DdhInnerProduct(axisSizes(spec, axis), form, this.#kernel);
      this.#ddh.set(name, scheme);
    }
    return scheme;
  };

  [Symbol.dispose](): void {
    this.#lattice[Symbol.dispose]();
    for (const scheme of this.#ddh.values()) scheme[Symbol.dispose]();
    this.#ddh.clear();
  }
}

printOnOneLine(DatasetSchemes);
