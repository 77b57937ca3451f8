/**
 * Runs a compiled program on ciphertexts. For batches: one ciphertext per feature, samples in the slots; layers are modular matrix
 * products over whole batches. For one sample: packed-operations.ts. Everything lies where the memory plan puts it: nothing is allocated between query and reply. A map and the
 * square behind it go tile by tile, so that the products of a layer never exist all at once.
 */
import { ShapeError } from '../base/errors.ts';
import { type FusedSteps, planMemory, type MemoryPlan, tileRows } from '../compiler/memory-plan.ts';
import type { Bucket } from '../compiler/offer.ts';
import { countIn, type Program, type Step } from '../compiler/program.ts';
import type { Words } from '../kernel/kernel.ts';
import { copyWords } from '../ring/poly.ts';
import { CiphertextBatch } from '../schemes/ckks/ciphertext.ts';
import { constantResidues } from '../schemes/ckks/constant-residues.ts';
import type { CkksContext } from '../schemes/ckks/context.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { expandInterleavedInto } from '../schemes/ckks/expand-interleaved.ts';
import { dropLimbsInto, relinearizeInto } from '../schemes/rlwe/key-switching.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import { affineInto, layerName, mapTileInto, multiplyRescaleInto, timedBy } from './batch-operations.ts';
import { EvaluationMemory } from './evaluation-memory.ts';
import { PackedOperations } from './packed-operations.ts';
import { type MapTile, PreparedMap } from './prepared-map.ts';
import { type EvaluationControl, runStep, type StepHandlers } from './run-steps.ts';
import { spanRecorder, stopwatch, type StepTime } from './step-times.ts';

/** What one evaluation works with. */
interface Run {
  readonly bucket: Bucket;
  readonly keys: EvaluationKeys;
  readonly memory: Words;
  readonly clock: (name: string) => void;
  readonly checkpoint: () => void;
}

type LinearStep = Extract<Step, { readonly op: 'linear' }>;

export class EncryptedMachine implements Disposable {
  readonly program: Program;
  readonly #context: CkksContext;
  readonly #plan: MemoryPlan;
  readonly #memory: EvaluationMemory;
  /** Per linear step, by the value it makes: how rows are tiled depends on its level. */
  readonly #prepared: PreparedMap[] = [];
  /** Constants as residues, by the value that a step makes: one list of scalars per ciphertext. */
  readonly #factors = new Map<number, number[][]>();
  readonly #offsets = new Map<number, number[][]>();
  readonly #packed: PackedOperations | undefined;

  /**
   * `context` must have the program's parameters. It and the memory are borrowed; machines that run one after another may share the
   * memory. @throws {ShapeError} otherwise. {@link KernelError} when the memory cannot be had.
   */
  constructor(program: Program, context: CkksContext, memory: EvaluationMemory) {
    this.program = program;
    this.#context = context;
    this.#plan = planMemory(program);
    this.#memory = memory;
    try {
      const { id } = CkksParams.create(program.params);
      if (context.params.id !== id) throw new ShapeError('the context', id, context.params.id);
      memory.take(this.#plan.words);
      for (const step of program.steps) if (step.op === 'linear') this.#prepareMap(step);
      if (program.packed !== undefined) this.#packed = new PackedOperations(program, context);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #prepareMap({ map, to }: LinearStep): void {
    const { parts, level } = this.program.values[to]!;
    const rows = tileRows(parts * (level + 1) * this.#context.params.n);
    this.#prepared[to] = new PreparedMap(this.#context.kernel, this.program.maps[map]!, rows);
  }

  /** Where the ciphertexts of a query are to be put before {@link EncryptedMachine.evaluate}; valid until the next call of either. */
  queryWords(bucket: Bucket): Words {
    const { parts, level } = this.program.values[0]!;
    const count = countIn(this.program, 0, bucket);
    const offset = this.#plan.offsets[this.#queryPlace(bucket)]!;
    const words = count * parts * (level + 1) * this.#context.params.n;
    return this.#memory.take(this.#plan.words).sub(offset, words);
  }

  /**
   * `input`: ceil(inputs / interleave) two-part ciphertexts at the highest level, feature i * groups + g as term X^i of group g, in
   * {@link EncryptedMachine.queryWords}. Returns ceil(outputs / interleave) two-part ciphertexts at level 0, scores laid out the
   * same way, as a view of the memory: valid until the next evaluation. They show how they came about and are not fit to
   * be sent before an encryption of zero was added: {@link CkksEncryptor.encryptZero}.
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
    times: StepTime[],
    control: EvaluationControl = {},
  ): CiphertextBatch {
    const groups = countIn(this.program, 0, bucket);
    if (input.count !== groups) throw new ShapeError('the input', `${groups} ciphertexts`, input.count);
    if (input.level !== this.#context.params.maxLevel)
      throw new ShapeError('the level of the input', this.#context.params.maxLevel, input.level);
    const target = this.queryWords(bucket);
    if (input.words.length !== target.length)
      throw new ShapeError('the words of the input', target.length, input.words.length);
    const memory = this.#memory.take(this.#plan.words);
    const clock = stopwatch(times);
    const run: Run = { bucket, keys, memory, clock, checkpoint: () => control.checkpoint?.() };
    const handlers = this.#handlers(run);
    const { steps, values } = this.program;
    const record = spanRecorder(
      { steps, values, n: this.#context.params.n },
      (value) => countIn(this.program, value, bucket),
      control.onSpan,
    );
    for (const group of this.#plan.fused) {
      run.checkpoint();
      if (group.kind === 'single') runStep(this.program.steps[group.first]!, handlers);
      else if (group.kind === 'square-rescale') this.#multiplyRescale(group, run);
      else this.#linearSquare(group, run);
      record(group);
    }
    return this.#view(this.program.steps.length, run);
  }

  #handlers(run: Run): StepHandlers {
    const { kernel, ring } = this.#context;
    const { tables } = ring;
    const timed = timedBy(run.clock);
    return {
      expand: timed('unpack', (step) => this.#expand(step, run)),
      linear: (step) => {
        const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
        for (const tile of this.#prepared[step.to]!.tiles) {
          run.checkpoint();
          this.#product(step, tile, from, to.slice(tile.first, tile.count));
        }
        run.clock(`${layerName(this.program.steps, step.to)} linear`);
      },
      multiply: (step) => {
        const [a, b, to] = [this.#view(step.a, run), this.#view(step.b, run), this.#view(step.to, run)];
        kernel.tensor(tables, to.words, a.words, b.words, a.mods);
        run.clock(`${layerName(this.program.steps, step.a)} product`);
      },
      relinearize: timed('relinearize', (step) =>
        relinearizeInto(this.#view(step.to, run), this.#view(step.from, run), run.keys),
      ),
      rescale: timed('rescale', (step) => {
        const from = this.#view(step.from, run);
        kernel.rescale(tables, this.#view(step.to, run).words, from.words, from.mods);
      }),
      lower: timed('lower', (step) => dropLimbsInto(this.#view(step.to, run), this.#view(step.from, run))),
      add: timed('add', (step) => {
        const [a, b, to] = [this.#view(step.a, run), this.#view(step.b, run), this.#view(step.to, run)];
        kernel.add(tables, to.words, a.words, b.words, a.mods);
      }),
      affine: timed('affine', (step) => this.#affine(step, run)),
      transform: (step) => {
        const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
        const offset = this.#plan.scratch[step.to - 1]!;
        const scratch = offset < 0 ? undefined : run.memory.sub(offset, to.words.length / to.count);
        this.#packed!.transform(step, from, to, scratch, run.keys);
        run.clock(`${layerName(this.program.steps, step.to)} linear`);
      },
      rotateAdd: timed('rotate and add', (step) =>
        this.#packed!.rotateAdd(step, this.#view(step.from, run), this.#view(step.to, run), run.keys),
      ),
      multiplyPlain: timed('factors', (step) =>
        this.#packed!.multiplyPlain(step.to, this.#view(step.from, run), this.#view(step.to, run)),
      ),
      addPlain: timed('offsets', (step) => {
        const to = this.#view(step.to, run);
        copyWords(to.words, this.#view(step.from, run).words);
        this.#packed!.addPlain(step.to, to);
      }),
      trace: timed('trace', (step) =>
        copyWords(this.#view(step.to, run).words, this.#view(step.from, run).words),
      ),
      pack: timed('pack', (step) => {
        const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
        to.words.u32().fill(0);
        const places = this.program.constants[step.places]!;
        places.forEach((place, output) => {
          const monomial = ring.monomial(Math.floor(output / to.count)).sub(0, from.polyWords);
          kernel.mulAdd(tables, to.at(output % to.count).words, from.at(place).words, monomial, from.mods);
        });
      }),
    };
  }

  /** With one feature per ciphertext the query already is where it would be copied to. */
  #expand(step: Extract<Step, { readonly op: 'expand' }>, run: Run): void {
    if (run.bucket.interleave === 1) return;
    const from = this.#view(step.from, run);
    const to = this.#view(step.to, run);
    const scratch = run.memory.sub(this.#plan.scratch[step.to - 1]!, to.words.length / 2);
    expandInterleavedInto(to.words, scratch, run.keys, from, run.bucket.interleave);
  }

  /** A map and the product of its result with itself, tile by tile. */
  #linearSquare({ kind, first, last }: FusedSteps, run: Run): void {
    const { kernel, ring } = this.#context;
    const step = this.program.steps[first] as LinearStep;
    const [from, to] = [this.#view(step.from, run), this.#view(last + 1, run)];
    const { tiles } = this.#prepared[step.to]!;
    const name = layerName(this.program.steps, step.to);
    const scratch = this.#valueAt(
      step.to,
      this.#plan.scratch[first]!,
      Math.max(...tiles.map(({ count }) => count)),
      run,
    );
    for (const tile of tiles) {
      run.checkpoint();
      const product = scratch.slice(0, tile.count);
      this.#product(step, tile, from, product);
      run.clock(`${name} linear`);
      const { words } = product;
      const out = to.slice(tile.first, tile.count).words;
      if (kind === 'linear-square') kernel.tensor(ring.tables, out, words, words, product.mods);
      else
        multiplyRescaleInto(out, [words, words], product.level, { context: this.#context, keys: run.keys });
      run.clock(`${name} square`);
    }
  }

  #multiplyRescale({ first, last }: FusedSteps, run: Run): void {
    const step = this.program.steps[first] as Extract<Step, { readonly op: 'multiply' }>;
    const [a, b, to] = [this.#view(step.a, run), this.#view(step.b, run), this.#view(last + 1, run)];
    multiplyRescaleInto(to.words, [a.words, b.words], a.level, { context: this.#context, keys: run.keys });
    run.clock(`${layerName(this.program.steps, step.a)} product`);
  }

  #product(step: LinearStep, tile: MapTile, from: CiphertextBatch, to: CiphertextBatch): void {
    const map = this.program.maps[step.map]!;
    const offsets = this.#scalarsOf(this.#offsets, step, to, (i) => map.offsets[i]! * to.scale, map.outputs);
    mapTileInto(to, from, tile, offsets);
  }

  #affine(step: Extract<Step, { readonly op: 'affine' }>, run: Run): void {
    const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
    const list = (index: number | undefined) =>
      index === undefined ? undefined : this.program.constants[index]!;
    const [order, multipliers, addends] = [list(step.order), list(step.multipliers), list(step.addends)];
    const factors = multipliers && this.#scalarsOf(this.#factors, step, to, (i) => multipliers[i]!, to.count);
    const offsets =
      addends && this.#scalarsOf(this.#offsets, step, to, (i) => addends[i]! * to.scale, to.count);
    affineInto(to, from, { order, factors, offsets });
  }

  /** Residues of one constant per ciphertext, made at the first use of a step. */
  #scalarsOf(
    made: Map<number, number[][]>,
    step: Step,
    at: CiphertextBatch,
    constant: (i: number) => number,
    count: number,
  ): number[][] {
    let scalars = made.get(step.to);
    if (scalars === undefined) {
      const { params } = this.#context;
      scalars = Array.from({ length: count }, (_, i) => constantResidues(params, constant(i), at.mods));
      made.set(step.to, scalars);
    }
    return scalars;
  }

  /** With one feature per ciphertext the query is read into the place of what it expands to. */
  #queryPlace({ interleave }: Bucket): number {
    return this.program.packed === undefined && interleave === 1 ? 1 : 0;
  }

  #view(value: number, run: Run): CiphertextBatch {
    const place = value === 0 ? this.#queryPlace(run.bucket) : value;
    return this.#valueAt(value, this.#plan.offsets[place]!, countIn(this.program, value, run.bucket), run);
  }

  #valueAt(value: number, offset: number, count: number, { memory, bucket }: Run): CiphertextBatch {
    const { parts, level, scale, trained } = this.program.values[value]!;
    const words = memory.sub(offset, count * parts * (level + 1) * this.#context.params.n);
    // What the plan keeps its margin to: no bound of the operations, which nothing trained would fit under.
    const facts = {
      context: this.#context,
      count,
      parts,
      level,
      maxAbs: Math.max(trained, Number.MIN_VALUE),
    };
    return new CiphertextBatch(words, { ...facts, scale: value === 0 ? scale / bucket.interleave : scale });
  }

  [Symbol.dispose](): void {
    for (const prepared of this.#prepared) prepared?.[Symbol.dispose]();
    this.#packed?.[Symbol.dispose]();
  }
}
