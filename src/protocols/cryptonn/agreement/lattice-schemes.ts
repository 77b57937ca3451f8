/** The lattice scheme for each axis of a data set. Owners, trainer and authority get the same parameters from the same specification. */
import type { InnerProductSpec } from '../../../fe/inner-product-scheme.ts';
import { LatticeParams } from '../../../fe/lattice/params.ts';
import { LatticeInnerProduct } from '../../../fe/lattice/scheme.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { axisSizes } from './axis-sizes.ts';
import { type AxisName, type DatasetSpec, datasetDigest } from './dataset-spec.ts';

/** Candidates for the vectors per ciphertext, the ring degree d. */
const PACKINGS = Array.from({ length: 10 }, (_, i) => 2 ** (i + 3));

/** Products of an encryption that take as long as sampling one word of noise; measured with AVX2. */
const PRODUCTS_PER_WORD = 256;

/**
 * The packing under which `vectors` vectors take the least work. Every ciphertext has n / d masks and `length` entries, each of d
 * words, the unused ones included: so many words are sampled, sent, and multiplied by each key. Making each mask or entry takes n
 * products besides, which counts where d is small.
 * @throws {InvalidParamsError} {@link InsecureParamsError} when the bounds are too large for every packing.
 */
export function fittingPacking(sizes: InnerProductSpec, vectors: number): number {
  const { dimension } = new LatticeParams({ ...sizes, packing: PACKINGS[0] as number });
  const work = PACKINGS.map((d) => {
    const entries = Math.ceil(vectors / d) * (dimension / d + sizes.length);
    return entries * (d + dimension / PRODUCTS_PER_WORD);
  });
  return PACKINGS[work.indexOf(Math.min(...work))] as number;
}

export class LatticeSchemes implements Disposable {
  readonly #kernel: Kernel;
  readonly #schemes = new Map<string, LatticeInnerProduct>();
  /** Digests of the specifications that were asked for: every request does. */
  readonly #digests = new WeakMap<DatasetSpec, string>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Made at first need, kept until disposal. @throws {InvalidParamsError} {@link InsecureParamsError} */
  readonly schemeFor = (spec: DatasetSpec, axis: AxisName): LatticeInnerProduct => {
    const digest = this.#digests.get(spec) ?? datasetDigest(spec);
    this.#digests.set(spec, digest);
    const name = `${digest} ${axis}`;
    let scheme = this.#schemes.get(name);
    if (scheme === undefined) {
      const sizes = axisSizes(spec, axis);
      const packing = fittingPacking(sizes, sizes.vectors);
      scheme = new LatticeInnerProduct(this.#kernel, { ...sizes, packing });
      this.#schemes.set(name, scheme);
    }
    return scheme;
  };

  [Symbol.dispose](): void {
    for (const scheme of this.#schemes.values()) scheme[Symbol.dispose]();
    this.#schemes.clear();
  }
}
