/**
 * Runs a compiled program on ciphertexts. One ciphertext per feature, samples in the slots; layers are modular matrix products
 * over whole batches, squares are relinearised and rescaled in the same pass, tile by tile, so that the products of a
 * layer never exist all at once.
 *
 * Memory for the 3 x 512 speech network at N = 2^13: 84 MB inputs + 201 MB activations twice + a tile of 67 MB.
 */
import { performance } from 'node:perf_hooks';
import type { GaloisElement } from '../base/brand.ts';
import { ShapeError } from '../base/errors.ts';
import type { Program } from '../compiler/compile.ts';
import type { Bucket } from '../compiler/program.ts';
import type { Kernel, RingTables, Words } from '../kernel/kernel.ts';
import type { CkksContext } from '../schemes/ckks/context.ts';
import type { EvaluationKeys } from '../schemes/rlwe/evaluation-keys.ts';
import { type LinearTile, type PreparedLayer, prepareLayer } from './linear-layer.ts';

/** One line of the latency table: what ran, and how long. Public: shapes and times, no values. */
export interface StepTime {
  readonly name: string;
  readonly ms: number;
}

export interface EvaluationControl {
  /** Called between tiles; throws to stop the evaluation (a client that left). */
  readonly checkpoint?: () => void;
}

/** Words of one tile between product and square: 2^23 words are 64 MiB. */
const TILE_WORDS = 2 ** 23;

export class EncryptedMachine implements Disposable {
  readonly program: Program;
  /** What the evaluation under way has allocated and not yet freed: freed as a whole when it is stopped. */
  readonly #live = new Set<Words>();
  readonly #context: CkksContext;
  readonly #kernel: Kernel;
  readonly #tables: RingTables;
  readonly #layers: readonly PreparedLayer[];

  /** `context` must have the program's parameters; it is borrowed. @throws {ShapeError} otherwise. */
  constructor(program: Program, context: CkksContext) {
    if (context.params.id !== program.params.id)
      throw new ShapeError('the context', program.params.id, context.params.id);
    this.program = program;
    this.#context = context;
    this.#kernel = context.kernel;
    this.#tables = context.ring.tables;
    const layers: PreparedLayer[] = [];
    let order = (input: number) => input;
    program.network.layers.forEach((layer, i) => {
      const words = this.#partsOf(i) * this.#limbsOf(i) * context.params.n;
      const prepared = prepareLayer(this.#kernel, layer, order, Math.max(8, Math.floor(TILE_WORDS / words)));
      order = prepared.orderOf;
      layers.push(prepared);
    });
    this.#layers = layers;
  }

  /**
   * `input`: ceil(inputs / interleave) two-part ciphertexts at the highest level, feature i * groups + g as term X^i of group g.
   * Returns ceil(outputs / interleave) two-part ciphertexts at level 0, scores laid out the same way, in memory that the caller
   * frees. Not yet fit to be sent: see {@link concealReply}.
   *
   * - level: L -> 0; scale: the offer's inputScale -> outputScale
   * - cost: the program's report
   *
   * @throws {MissingKeyError} when the keys do not cover the offer's plan. {@link ShapeError} for a wrong number of ciphertexts.
   */
  evaluate(
    bucket: Bucket,
    input: Words,
    keys: EvaluationKeys,
    times: StepTime[],
    control: EvaluationControl = {},
  ): Words {
    try {
      const result = this.#run(bucket, input, keys, times, control);
      this.#live.delete(result);
      return result;
    } finally {
      for (const words of [...this.#live]) this.#free(words);
    }
  }

  #allocate(words: number): Words {
    const made = this.#kernel.allocate(words);
    this.#live.add(made);
    return made;
  }

  #free(words: Words): void {
    this.#live.delete(words);
    words[Symbol.dispose]();
  }

  #run(
    bucket: Bucket,
    input: Words,
    keys: EvaluationKeys,
    times: StepTime[],
    control: EvaluationControl,
  ): Words {
    const clock = stopwatch(times);
    let current = this.#expand(bucket, input, keys);
    clock('unpack');
    const last = this.program.network.layers.length - 1;
    for (let i = 0; i <= last; i++) {
      const next = this.#layer(i, current, keys, clock, control);
      this.#free(current);
      current = next;
    }
    const packed = this.#pack(bucket, current);
    this.#free(current);
    const result = this.#finish(packed, keys);
    clock('pack');
    return result;
  }

  /** Limbs of the ciphertexts that layer i works on. */
  #limbsOf(i: number): number {
    const squares = this.program.network.layers.length - 1;
    return Math.max(squares - i, Math.min(1, squares)) + 1;
  }

  /** Parts of the ciphertexts that layer i reads: the last layer reads squares that are not relinearised. */
  #partsOf(i: number): number {
    const last = this.program.network.layers.length - 1;
    return i === last && last > 0 ? 3 : 2;
  }

  /** Takes interleaved groups apart: for each j, (c + sigma c) and X^(-2^j) (c - sigma c) with sigma: X -> X^(1 + N/2^j). */
  #expand(bucket: Bucket, input: Words, keys: EvaluationKeys): Words {
    const kernel = this.#kernel;
    const { n, maxLevel } = this.#context.params;
    const mods = this.#context.qMods(maxLevel);
    const size = 2 * mods.length * n;
    const groups = Math.ceil(this.program.offer.inputs / bucket.interleave);
    if (input.length !== groups * size)
      throw new ShapeError('the input', `${groups} ciphertexts`, `${input.length / size}`);
    let current = this.#allocate(input.length);
    current.u64().set(input.u64());
    for (let j = 0, count = groups; 2 ** j < bucket.interleave; j++, count *= 2) {
      const element = (1 + n / 2 ** j) as GaloisElement;
      const key = keys.galoisKey(element, maxLevel).words(maxLevel);
      const next = this.#allocate(2 * count * size);
      const even = next.sub(0, count * size);
      const odd = next.sub(count * size, count * size);
      kernel.rotate(
        this.#tables,
        even,
        current,
        key,
        element,
        this.#context.keySwitchShape(maxLevel, maxLevel),
      );
      kernel.sub(this.#tables, odd, current, even, mods);
      kernel.add(this.#tables, even, even, current, mods);
      const monomial = this.#context.ring.monomial(-(2 ** j)).sub(0, mods.length * n);
      kernel.mul(this.#tables, odd, odd, monomial, mods);
      this.#free(current);
      current = next;
    }
    return current;
  }

  #layer(
    i: number,
    input: Words,
    keys: EvaluationKeys,
    clock: (name: string) => void,
    control: EvaluationControl,
  ): Words {
    const kernel = this.#kernel;
    const n = this.#context.params.n;
    const prepared = this.#layers[i]!;
    const last = this.#layers.length - 1;
    const limbs = this.#limbsOf(i);
    const mods = this.#context.qMods(limbs - 1);
    const parts = this.#partsOf(i);
    const size = parts * limbs * n;
    const isSquared = i < last;
    const relinearizes = i < last - 1;
    const outSize = !isSquared ? size : relinearizes ? 2 * (limbs - 1) * n : 3 * limbs * n;
    const out = this.#allocate(prepared.outputs * outSize);
    const largest = Math.max(...prepared.tiles.map((tile) => tile.count));
    const scratch = isSquared ? this.#allocate(largest * size) : undefined;
    for (const tile of prepared.tiles) {
      control.checkpoint?.();
      const to = out.sub(tile.first * outSize, tile.count * outSize);
      const product = scratch === undefined ? to : scratch.sub(0, tile.count * size);
      const read = tile.rowIndex === undefined ? input.sub(0, tile.weights.cols * size) : input;
      kernel.gemm(this.#tables, product, tile.weights, read, parts, mods, tile.rowIndex);
      this.#addOffsets(i, tile, product, size, mods);
      clock(`layer ${i + 1} linear`);
      if (!isSquared) continue;
      if (relinearizes) {
        const shape = this.#context.keySwitchShape(limbs - 1, this.#context.params.maxLevel);
        const key = keys.relinearizationKey(limbs - 1).words(limbs - 1);
        kernel.squareRelinearizeRescale(this.#tables, to, product, key, shape);
      } else {
        kernel.tensor(this.#tables, to, product, product, mods);
      }
      clock(`layer ${i + 1} square`);
    }
    if (scratch !== undefined) this.#free(scratch);
    return out;
  }

  /** Adds round(offset * scale) to every slot: a constant polynomial, so the same residue in each word of part 0. */
  #addOffsets(i: number, tile: LinearTile, product: Words, size: number, mods: readonly number[]): void {
    const scale = this.program.plan.scales[i]!;
    const n = this.#context.params.n;
    const moduli = this.#context.params.q;
    for (let row = 0; row < tile.count; row++) {
      const value = BigInt(Math.round(tile.offsets[row]! * scale));
      const residues = mods.map((limb) => {
        const q = BigInt(moduli[limb]!.q);
        return Number(((value % q) + q) % q);
      });
      const part = product.sub(row * size, mods.length * n);
      this.#kernel.addScalar(this.#tables, part, part, residues, mods);
    }
  }

  /** sum_i X^i y_(i * groups + g) for each group g: exact, no key, no level. */
  #pack(bucket: Bucket, scores: Words): Words {
    const kernel = this.#kernel;
    const n = this.#context.params.n;
    const last = this.#layers.length - 1;
    const mods = this.#context.qMods(this.#limbsOf(last) - 1);
    const size = this.#partsOf(last) * mods.length * n;
    const outputs = this.program.offer.outputs;
    const groups = Math.ceil(outputs / bucket.interleave);
    const order = this.#layers[last]!.orderOf;
    const packed = this.#allocate(groups * size);
    for (let o = 0; o < outputs; o++) {
      const to = packed.sub((o % groups) * size, size);
      const monomial = this.#context.ring.monomial(Math.floor(o / groups)).sub(0, mods.length * n);
      kernel.mulAdd(this.#tables, to, scores.sub(order(o) * size, size), monomial, mods);
    }
    return packed;
  }

  /** Relinearises and rescales the packed scores down to one prime. Frees `packed`. */
  #finish(packed: Words, keys: EvaluationKeys): Words {
    const last = this.#layers.length - 1;
    if (last === 0) return packed;
    const kernel = this.#kernel;
    const n = this.#context.params.n;
    const mods = this.#context.qMods(1);
    const poly = mods.length * n;
    const count = packed.length / (3 * poly);
    const shape = this.#context.keySwitchShape(1, this.#context.params.maxLevel);
    const key = keys.relinearizationKey(1).words(1);
    const out = this.#allocate(count * 2 * n);
    const switched = this.#allocate(2 * poly);
    for (let c = 0; c < count; c++) {
      const ciphertext = packed.sub(c * 3 * poly, 3 * poly);
      kernel.keySwitch(this.#tables, switched, ciphertext.sub(2 * poly, poly), key, 1, shape);
      kernel.add(this.#tables, switched, switched, ciphertext.sub(0, 2 * poly), mods);
      kernel.rescale(this.#tables, out.sub(c * 2 * n, 2 * n), switched, mods);
    }
    this.#free(switched);
    this.#free(packed);
    return out;
  }

  [Symbol.dispose](): void {
    for (const layer of this.#layers) layer[Symbol.dispose]();
  }
}

/** Adds the time since the last call to the line of that name. */
function stopwatch(times: StepTime[]): (name: string) => void {
  let since = performance.now();
  return (name) => {
    const now = performance.now();
    const line = times.find((time) => time.name === name) as { name: string; ms: number } | undefined;
    if (line === undefined) times.push({ name, ms: now - since });
    else line.ms += now - since;
    since = now;
  };
}
