/**
 * Where everything of a network is in slots. A slot is a sample and a place: the sample is the outermost axis, so that sums over samples
 * are cyclic rotations without a mask, and leave every slot filled.
 *
 * A layer's weights stand over the places as (output, input) or (input, output) in turn: the first layer has the outputs outermost and a
 * few inputs at a time inside; its activations are the outer axis of the next layer, whose outputs are inside, and so on. A product of
 * weights and inputs, summed over the input's axis, is the layer. What does not fit the places at once is in several chunks.
 *
 * Weights that stand over the places, the same for every sample, are leaves; the state holds leaf k at samples k modulo their number.
 */
import { InvalidParamsError } from '../../../base/errors.ts';
import type { PerceptronSpec } from './spec.ts';

export interface SlotAxis {
  readonly stride: number;
  readonly size: number;
}

export interface LayerLayout {
  readonly inputs: number;
  readonly outputs: number;
  /** What is summed over. */
  readonly reduce: SlotAxis;
  readonly out: SlotAxis;
  /** Of inputs; more than one in the first layer alone. */
  readonly inputChunks: number;
  readonly outputChunks: number;
  /** Leaves of its weights and of its constants. */
  readonly firstLeaf: number;
  readonly biasLeaf: number;
}

/** A weight's place: leaf and place of a sample. */
export interface WeightPlace {
  readonly leaf: number;
  readonly at: number;
}

/** Leaves of one ciphertext of state at most: more make the trees that take it apart deeper. */
const MAX_LEAF_BITS = 6;

export function padded(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

export class PerceptronLayout {
  readonly slots: number;
  /** Samples, padded. */
  readonly samples: number;
  /** Places of one sample. */
  readonly places: number;
  readonly layers: readonly LayerLayout[];
  readonly leaves: number;
  /** log2 of the leaves of one ciphertext of state. */
  readonly leafBits: number;
  readonly #weightAt = new Set<number>();
  /** Weights and velocities side by side in one ciphertext, else in ciphertexts of their own. */
  readonly isPacked: boolean;

  /** @throws {InvalidParamsError} when a layer does not fit beside so many samples. */
  constructor({ layers, batch }: Pick<PerceptronSpec, 'layers' | 'batch'>, slots: number) {
    this.slots = slots;
    this.samples = padded(batch);
    this.places = slots / this.samples;
    const made: Omit<LayerLayout, 'firstLeaf' | 'biasLeaf'>[] = [];
    for (let l = 1; l < layers.length; l++) {
      const [inputs, outputs] = [layers[l - 1]!, layers[l]!];
      made.push(this.#layer(l - 1, inputs, outputs, made.at(-1)));
    }
    // Weights that are needed highest come first, the many of the first layer last: neighbours come off the same branch.
    let leaf = 0;
    const withLeaves = made.map((layer) => ({ ...layer, firstLeaf: 0, biasLeaf: 0 }));
    for (const layer of withLeaves.slice(1).reverse()) {
      layer.firstLeaf = leaf;
      leaf += layer.outputChunks;
    }
    for (const layer of withLeaves) layer.biasLeaf = leaf++;
    withLeaves[0]!.firstLeaf = leaf;
    this.leaves = leaf + withLeaves[0]!.inputChunks;
    this.layers = withLeaves;
    const bits = Math.ceil(Math.log2(this.leaves));
    this.isPacked = bits <= MAX_LEAF_BITS && 2 ** (bits + 1) <= this.samples;
    this.leafBits = this.isPacked ? bits : Math.min(MAX_LEAF_BITS, Math.log2(this.samples));
    this.layers.forEach(({ inputs, outputs }, l) => {
      for (let j = 0; j < outputs; j++) {
        const all = Array.from({ length: inputs }, (_, i) => this.weightPlace(l, i, j));
        for (const { leaf: of, at } of [...all, this.biasPlace(l, j)])
          this.#weightAt.add(of * this.places + at);
      }
    });
  }

  /** Whether a leaf has a weight or a constant at a place. */
  hasWeight(leaf: number, at: number): boolean {
    return this.#weightAt.has(leaf * this.places + at);
  }

  #layer(
    index: number,
    inputs: number,
    outputs: number,
    last: Omit<LayerLayout, 'firstLeaf' | 'biasLeaf'> | undefined,
  ): Omit<LayerLayout, 'firstLeaf' | 'biasLeaf'> {
    const { places } = this;
    const tooMany = (): InvalidParamsError =>
      new InvalidParamsError(
        `a layer of ${inputs} to ${outputs} units does not fit beside ${this.samples} samples in ${this.slots} slots: take smaller batches`,
        { inputs, outputs, samples: this.samples, slots: this.slots },
      );
    if (last === undefined) {
      const out = padded(outputs);
      const inner = Math.min(places / out, padded(inputs));
      if (inner < 1) throw tooMany();
      const size = places / inner;
      return {
        inputs,
        outputs,
        reduce: { stride: 1, size: inner },
        out: { stride: inner, size },
        inputChunks: Math.ceil(inputs / inner),
        outputChunks: 1,
      };
    }
    let [reduce, out]: [SlotAxis, SlotAxis] = [
      { stride: 1, size: padded(inputs) },
      { stride: padded(inputs), size: places / padded(inputs) },
    ];
    // Where the last layer left its outputs: apart, or next to each other.
    if (index % 2 === 1) {
      if (last.outputChunks > 1) throw tooMany();
      [reduce, out] = [last.out, last.reduce];
    }
    const outputChunks = Math.ceil(outputs / out.size);
    if (out.size < 1 || outputChunks > reduce.size) throw tooMany();
    return { inputs, outputs, reduce, out, inputChunks: 1, outputChunks };
  }

  /** Which part of the state a leaf is: constants of a layer, or a chunk of its weights. */
  leafOf(leaf: number): { readonly layer: number; readonly isBias: boolean; readonly chunk: number } {
    const bias = this.layers.findIndex(({ biasLeaf }) => biasLeaf === leaf);
    if (bias >= 0) return { layer: bias, isBias: true, chunk: 0 };
    const layer = this.layers.findIndex(
      ({ firstLeaf, inputChunks, outputChunks }) =>
        leaf >= firstLeaf && leaf < firstLeaf + inputChunks * outputChunks,
    );
    return { layer, isBias: false, chunk: leaf - this.layers[layer]!.firstLeaf };
  }

  /** Ciphertexts of state. */
  get states(): number {
    return this.isPacked ? 1 : 2 * this.weightStates;
  }

  get weightStates(): number {
    return Math.ceil(this.leaves / 2 ** this.leafBits);
  }

  /** Ciphertexts of the inputs of a batch. */
  get inputCiphertexts(): number {
    const { inputChunks, out } = this.layers[0]!;
    return Math.ceil(inputChunks / out.size);
  }

  /** Where the output of a layer is, before it is spread. */
  outputPlace(layer: number, output: number): number {
    const { out, reduce } = this.layers[layer]!;
    return (output % out.size) * out.stride + Math.floor(output / out.size) * reduce.stride;
  }

  weightPlace(layer: number, input: number, output: number): WeightPlace {
    const { reduce, out, firstLeaf, inputChunks } = this.layers[layer]!;
    const chunk = inputChunks > 1 ? Math.floor(input / reduce.size) : Math.floor(output / out.size);
    const at = (output % out.size) * out.stride + (input % reduce.size) * reduce.stride;
    return { leaf: firstLeaf + chunk, at };
  }

  biasPlace(layer: number, output: number): WeightPlace {
    return { leaf: this.layers[layer]!.biasLeaf, at: this.outputPlace(layer, output) };
  }

  /**
   * Places of an input in the ciphertexts of a batch: chunk c at output c, repeated, and taken apart by the trainer. [ciphertext, first
   * place, distance of repetitions in places].
   */
  inputPlace(input: number): { readonly ciphertext: number; readonly at: number; readonly every: number } {
    const { reduce, out, inputChunks } = this.layers[0]!;
    const chunk = Math.floor(input / reduce.size);
    const each = Math.min(out.size, padded(inputChunks));
    const at = (chunk % out.size) * out.stride + (input % reduce.size) * reduce.stride;
    return { ciphertext: Math.floor(chunk / out.size), at, every: each * out.stride };
  }
}
