/** The lattice scheme for each axis of a data set. Owners, trainer and authority get the same parameters from the same specification. */
import { InvalidParamsError } from '../../base/errors.ts';
import type { InnerProductSpec } from '../../fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../../fe/lattice/scheme.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type AxisName, type DatasetSpec, datasetDigest } from './dataset-spec.ts';
import { COMBINATION_BOUND } from './key-policy.ts';

/** Vectors per ciphertext: all samples of a batch where they fit, since each ciphertext costs one product with every key. */
const [LEAST_PACKING, MOST_PACKING] = [8, 4096];
/** Features per ciphertext along the batch; 784 features fill 24.5 of them. */
const GRADIENT_PACKING = 32;

/** Lengths and bounds of the vectors on one axis. @throws {InvalidParamsError} for an axis that the data set does not have. */
export function axisSizes(spec: DatasetSpec, axis: AxisName): InnerProductSpec {
  const { features, batch, inputBound, faithful, projection } = spec;
  if (axis === 'projection' && projection !== undefined)
    return { length: features, inputBound, weightBound: COMBINATION_BOUND };
  if (axis === 'forward' && faithful !== undefined)
    return { length: features, inputBound, weightBound: faithful.weightBound };
  if (axis === 'gradient' && faithful !== undefined)
    return { length: batch, inputBound, weightBound: faithful.gradientBound };
  throw new InvalidParamsError(`"${spec.id}" has no axis ${axis}`, {});
}

export class LatticeSchemes implements Disposable {
  readonly #kernel: Kernel;
  readonly #schemes = new Map<string, LatticeInnerProduct>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Made at first need, kept until disposal. @throws {InvalidParamsError} {@link InsecureParamsError} */
  readonly schemeFor = (spec: DatasetSpec, axis: AxisName): LatticeInnerProduct => {
    const name = `${datasetDigest(spec)} ${axis}`;
    let scheme = this.#schemes.get(name);
    if (scheme === undefined) {
      const fitting = 2 ** Math.ceil(Math.log2(spec.batch));
      const packing =
        axis === 'gradient' ? GRADIENT_PACKING : Math.max(LEAST_PACKING, Math.min(MOST_PACKING, fitting));
      scheme = new LatticeInnerProduct(this.#kernel, { ...axisSizes(spec, axis), packing });
      this.#schemes.set(name, scheme);
    }
    return scheme;
  };

  [Symbol.dispose](): void {
    for (const scheme of this.#schemes.values()) scheme[Symbol.dispose]();
    this.#schemes.clear();
  }
}
