/**
 * Runs a compiled program on ciphertexts. One ciphertext per feature, samples in the slots; layers are modular matrix products
 * over whole batches, squares are relinearised and rescaled in the same pass, tile by tile, so that the products of a
 * layer never exist all at once.
 *
 * Memory for the 3 x 512 speech network at N = 2^13: 84 MB inputs + 201 MB activations twice + a tile of 67 MB.
 */
import { ShapeError } from '../base/errors.ts';
import type { Bucket, LinearStep, PackStep, Program, SquareStep } from '../compiler/program.ts';
import { Arena } from '../ring/arena.ts';
import type { CiphertextBatch } from '../schemes/ckks/ciphertext.ts';
import { allocateCiphertext } from '../schemes/rlwe/ciphertext.ts';
import { constantResidues } from '../schemes/ckks/constant-residues.ts';
import type { CkksContext } from '../schemes/ckks/context.ts';
import { CkksEvaluator } from '../schemes/ckks/evaluator.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
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

/** Least rows of a tile, however large a ciphertext is. */
const TILE_ROWS = 8;

/** A linear step ready to run, with the square that follows it. */
interface MachineLayer {
  readonly linear: LinearStep;
  readonly square: SquareStep | undefined;
  readonly prepared: PreparedLayer;
}

/** What one evaluation works with. */
interface Run {
  readonly bucket: Bucket;
  readonly keys: EvaluationKeys;
  /** Owns everything that the evaluation allocates; what is not handed over goes with it, also when it is stopped. */
  readonly arena: Arena;
  readonly evaluator: CkksEvaluator;
  readonly clock: (name: string) => void;
  readonly checkpoint: () => void;
}

export class EncryptedMachine implements Disposable {
  readonly program: Program;
  readonly #context: CkksContext;
  readonly #layers: MachineLayer[] = [];

  /** `context` must have the program's parameters; it is borrowed. @throws {ShapeError} otherwise. */
  constructor(program: Program, context: CkksContext) {
    if (context.params.id !== program.params.id)
      throw new ShapeError('the context', program.params.id, context.params.id);
    this.program = program;
    this.#context = context;
    try {
      this.#prepareLayers();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #prepareLayers(): void {
    const { kernel, params } = this.#context;
    let order = (input: number) => input;
    this.program.network.layers.forEach((layer, i) => {
      const { linear, square } = stepsOf(this.program, i);
      const words = linear.parts * (linear.level + 1) * params.n;
      const tileRows = Math.max(TILE_ROWS, Math.floor(TILE_WORDS / words));
      const prepared = prepareLayer(kernel, layer, { inputOrder: order, tileRows });
      order = prepared.orderOf;
      this.#layers.push({ linear, square, prepared });
    });
  }

  /**
   * `input`: ceil(inputs / interleave) two-part ciphertexts at the highest level, feature i * groups + g as term X^i of group g.
   * Returns ceil(outputs / interleave) two-part ciphertexts at level 0, scores laid out the same way, owned by `arena`. They show
   * how they came about and are not fit to be sent before an encryption of zero was added: {@link CkksEncryptor.encryptZero}.
   *
   * - level: L -> 0; scale: the offer's inputScale -> outputScale
   * - cost: the program's report
   *
   * @throws {MissingKeyError} when the keys do not cover the offer's plan. {@link ShapeError} for other ciphertexts.
   */
  evaluate(
    bucket: Bucket,
    input: CiphertextBatch,
    keys: EvaluationKeys,
    arena: Arena,
    times: StepTime[],
    control: EvaluationControl = {},
  ): CiphertextBatch {
    const groups = Math.ceil(this.program.offer.inputs / bucket.interleave);
    if (input.count !== groups) throw new ShapeError('the input', `${groups} ciphertexts`, input.count);
    if (input.level !== this.#context.params.maxLevel)
      throw new ShapeError('the level of the input', this.#context.params.maxLevel, input.level);
    using own = new Arena(this.#context.kernel);
    const evaluator = this.#context.evaluator(keys, own);
    const checkpoint = () => control.checkpoint?.();
    const run = { bucket, keys, arena: own, evaluator, clock: stopwatch(times), checkpoint };
    return arena.adopt(own.keep(this.#runSteps(input, run)));
  }

  #runSteps(input: CiphertextBatch, run: Run): CiphertextBatch {
    let current = input;
    const replace = (next: CiphertextBatch) => {
      if (current !== input) current[Symbol.dispose]();
      current = next;
    };
    for (const step of this.program.steps) {
      switch (step.op) {
        case 'expand':
          replace(run.evaluator.expandInterleaved(current, run.bucket.interleave));
          run.clock('unpack');
          break;
        case 'linear':
          replace(this.#runLayer(this.#layers[step.layer]!, current, run));
          break;
        case 'square':
          // Done tile by tile with the linear step before it, whose whole result never exists.
          break;
        case 'pack':
          replace(this.#pack(step, current, run));
          run.clock('pack');
          break;
        case 'finish':
          if (step.parts === 3) replace(run.evaluator.relinearize(current));
          if (step.level > 0) replace(run.evaluator.rescale(current));
          run.clock('pack');
      }
    }
    return current;
  }

  #runLayer({ linear, square, prepared }: MachineLayer, input: CiphertextBatch, run: Run): CiphertextBatch {
    const { level, parts, scale } = linear;
    const { kernel, ring } = this.#context;
    const mods = this.#context.qMods(level);
    const name = `layer ${linear.layer + 1}`;
    const count = prepared.outputs;
    // What the plan keeps its margin to: no bound of the operations, which nothing trained would fit under.
    const { trained } = this.program.report.bounds[linear.layer]!;
    const maxAbs = square === undefined ? trained : trained ** 2;
    const out = allocateCiphertext(run.arena, input, { count, ...resultOf(linear, square), maxAbs });
    const largest = Math.max(...prepared.tiles.map((tile) => tile.count));
    const scratch =
      square === undefined
        ? undefined
        : allocateCiphertext(run.arena, input, { count: largest, level, parts, scale });
    for (const tile of prepared.tiles) {
      run.checkpoint();
      const to = out.slice(tile.first, tile.count);
      const product = scratch?.slice(0, tile.count) ?? to;
      const read = tile.rowIndex === undefined ? input.slice(0, tile.weights.cols) : input;
      kernel.gemm(ring.tables, product.words, tile.weights, read.words, parts, mods, tile.rowIndex);
      this.#addOffsets(tile, product);
      run.clock(`${name} linear`);
      if (square === undefined) continue;
      if (square.relinearize) {
        const key = run.keys.relinearizationKey(level);
        const shape = this.#context.keySwitchShape(level, key.maxLevel);
        const { words } = product;
        kernel.multiplyRelinearizeRescale(ring.tables, to.words, words, words, key.words(level), shape);
      } else {
        kernel.tensor(ring.tables, to.words, product.words, product.words, mods);
      }
      run.clock(`${name} square`);
    }
    scratch?.[Symbol.dispose]();
    return out;
  }

  /** Adds round(offset * scale) to every slot: a constant polynomial, added to part 0. */
  #addOffsets(tile: LinearTile, product: CiphertextBatch): void {
    const { kernel, ring, params } = this.#context;
    tile.offsets.forEach((offset, row) => {
      const residues = constantResidues(params, offset * product.scale, product.mods);
      const part = product.part(row, 0).words;
      kernel.addScalar(ring.tables, part, part, residues, product.mods);
    });
  }

  /** sum_i X^i y_(i * groups + g) for each group g: exact, no key, no level. */
  #pack(step: PackStep, scores: CiphertextBatch, { bucket, arena }: Run): CiphertextBatch {
    const { kernel, ring } = this.#context;
    const outputs = this.program.offer.outputs;
    const groups = Math.ceil(outputs / bucket.interleave);
    const order = this.#layers.at(-1)!.prepared.orderOf;
    const packed = allocateCiphertext(arena, scores, { count: groups, scale: step.scale });
    for (let o = 0; o < outputs; o++) {
      const to = packed.at(o % groups).words;
      const monomial = ring.monomial(Math.floor(o / groups)).sub(0, scores.polyWords);
      kernel.mulAdd(ring.tables, to, scores.at(order(o)).words, monomial, scores.mods);
    }
    return packed;
  }

  [Symbol.dispose](): void {
    for (const { prepared } of this.#layers) prepared[Symbol.dispose]();
  }
}

function stepsOf(program: Program, layer: number): { linear: LinearStep; square: SquareStep | undefined } {
  const linear = program.steps.find((step) => step.op === 'linear' && step.layer === layer);
  const square = program.steps.find((step) => step.op === 'square' && step.layer === layer);
  return { linear: linear as LinearStep, square: square as SquareStep | undefined };
}

/** Parts, level and scale of what a layer leaves. */
function resultOf({ parts, level, scale }: LinearStep, square: SquareStep | undefined) {
  if (square === undefined) return { parts, level, scale };
  return square.relinearize
    ? { parts: 2, level: level - 1, scale: square.scale }
    : { parts: 3, level, scale: square.scale };
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
