/**
 * Runs an exact program on BGV ciphertexts, one plaintext modulus at a time: the steps, tiles and places of the approximate machine, with
 * whole numbers for constants and modulus switching for rescaling. Words are those of ../schemes/bgv/ciphertext.ts: v / t modulo Q.
 */
import { ShapeError } from '../base/errors.ts';
import { exactNoiseOf, exactParams } from '../compiler/exact/validate-exact.ts';
import type { ExactProgram } from '../compiler/exact/exact-program.ts';
import { scaledInteger } from '../compiler/exact/integer-intervals.ts';
import { type FusedSteps, type MemoryPlan, planMemory, tileRows } from '../compiler/memory-plan.ts';
import type { Step } from '../compiler/program.ts';
import type { Words } from '../kernel/kernel.ts';
import { copyWords } from '../ring/poly.ts';
import { BgvCiphertextBatch } from '../schemes/bgv/ciphertext.ts';
import type { BgvContext } from '../schemes/bgv/context.ts';
import type { BgvCrtContext } from '../schemes/bgv/crt/crt-context.ts';
import { relinearizeInto } from '../schemes/rlwe/key-switching.ts';
import type { EvaluationKeys } from '../schemes/rlwe/keys/evaluation-keys.ts';
import { affineInto, layerName, mapTileInto, multiplyRescaleInto, timedBy } from './batch-operations.ts';
import { EvaluationMemory } from './evaluation-memory.ts';
import { type MapTile, PreparedMap } from './prepared-map.ts';
import {
  type EvaluationControl,
  misplaced,
  NO_PACKED_STEPS,
  runStep,
  type StepHandlers,
} from './run-steps.ts';
import { spanRecorder, stopwatch, type StepTime } from './step-times.ts';

type LinearStep = Extract<Step, { readonly op: 'linear' }>;

/** What one evaluation works with. */
interface ExactRun {
  readonly context: BgvContext;
  readonly channel: number;
  readonly keys: EvaluationKeys;
  readonly memory: Words;
  readonly clock: (name: string) => void;
  readonly checkpoint: () => void;
}

export class ExactMachine implements Disposable {
  readonly program: ExactProgram;
  readonly #context: BgvCrtContext;
  readonly #plan: MemoryPlan;
  readonly #memory: EvaluationMemory;
  /** Of the factors of a product, times t. */
  readonly #scaled: EvaluationMemory;
  /** log2 bounds of v / t, per value. */
  readonly #noise: readonly number[];
  /** Per channel and value: the correction factor of its ciphertexts. */
  readonly #factors: readonly (readonly number[])[];
  readonly #prepared: PreparedMap[] = [];
  /** Constants as residues: per channel and value that a step makes, one list of scalars per ciphertext. */
  readonly #constants = new Map<string, number[][]>();

  /**
   * `context` must have the program's parameters. It and the memory are borrowed; machines that run one after another may share the
   * memory. @throws {ShapeError} otherwise. {@link KernelError} when the memory cannot be had.
   */
  constructor(program: ExactProgram, context: BgvCrtContext, memory: EvaluationMemory) {
    this.program = program;
    this.#context = context;
    this.#plan = planMemory(program);
    this.#memory = memory;
    this.#scaled = new EvaluationMemory(context.components[0]!.kernel);
    this.#noise = exactNoiseOf(program).noise;
    this.#factors = context.components.map((each) => factorsOf(program, each));
    try {
      const { id } = exactParams(program);
      if (context.params.id !== id) throw new ShapeError('the context', id, context.params.id);
      memory.take(this.#plan.words);
      const { kernel } = context.components[0]!;
      for (const step of program.steps) {
        if (step.op !== 'linear') continue;
        const rows = tileRows(this.#wordsEach(step.to));
        this.#prepared[step.to] = new PreparedMap(kernel, program.maps[step.map]!, rows);
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Where the ciphertexts of a query are to be put before {@link ExactMachine.evaluate}; valid until the next call of either. */
  queryWords(): Words {
    const words = this.program.values[0]!.count * this.#wordsEach(0);
    return this.#memory.take(this.#plan.words).sub(this.#plan.offsets[1]!, words);
  }

  /**
   * `input`: one two-part ciphertext per feature at the highest level, fresh, in {@link ExactMachine.queryWords}, modulo plaintext modulus
   * `channel`. Returns one ciphertext per output as a view of the memory: valid until the next evaluation. They show how they came
   * about and are not fit to be sent before an encryption of zero and flooding were added.
   *
   * - level, noise: as the program says; factor: by the switches on the way
   *
   * @throws {MissingKeyError} when the keys do not cover the offer's plan. {@link ShapeError} for other ciphertexts.
   */
  evaluate(
    channel: number,
    input: BgvCiphertextBatch,
    keys: EvaluationKeys,
    times: StepTime[],
    control: EvaluationControl = {},
  ): BgvCiphertextBatch {
    const context = this.#context.components[channel];
    if (context === undefined)
      throw new ShapeError('the channel', `below ${this.#context.components.length}`, channel);
    context.assertOwn('the input', input);
    const target = this.queryWords();
    if (input.words.length !== target.length)
      throw new ShapeError('the words of the input', target.length, input.words.length);
    const memory = this.#memory.take(this.#plan.words);
    const run: ExactRun = {
      ...{ context, channel, keys, memory },
      clock: stopwatch(times),
      checkpoint: () => control.checkpoint?.(),
    };
    const handlers = this.#handlers(run);
    const { steps, values } = this.program;
    const record = spanRecorder(
      { steps, values, n: context.params.n },
      (value) => values[value]!.count,
      control.onSpan,
    );
    for (const group of this.#plan.fused) {
      run.checkpoint();
      if (group.kind === 'single') runStep(this.program.steps[group.first]!, handlers);
      else if (group.kind === 'square-rescale') this.#squareRescale(group, run);
      else this.#linearSquare(group, run);
      record(group);
    }
    return this.#view(this.program.steps.length, run);
  }

  #handlers(run: ExactRun): StepHandlers {
    const { kernel, ring } = run.context;
    const { tables } = ring;
    const timed = timedBy(run.clock);
    return {
      ...NO_PACKED_STEPS,
      lower: misplaced,
      add: misplaced,
      // The query already is where it would be copied to.
      expand: () => undefined,
      linear: (step) => {
        const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
        for (const tile of this.#prepared[step.to]!.tiles) {
          run.checkpoint();
          this.#product(step, tile, from, to.slice(tile.first, tile.count), run);
        }
        run.clock(`${layerName(this.program.steps, step.to)} linear`);
      },
      multiply: (step) => {
        const [a, b, to] = [this.#view(step.a, run), this.#view(step.b, run), this.#view(step.to, run)];
        this.#inTiles(a, run, (scaled, first, count) => {
          const words = to.slice(first, count).words;
          kernel.tensor(tables, words, scaled, b.slice(first, count).words, a.mods);
        });
        run.clock(`${layerName(this.program.steps, step.a)} product`);
      },
      relinearize: timed('relinearize', (step) =>
        relinearizeInto(this.#view(step.to, run), this.#view(step.from, run), run.keys),
      ),
      rescale: timed('rescale', (step) => {
        const from = this.#view(step.from, run);
        kernel.rescale(tables, this.#view(step.to, run).words, from.words, from.mods);
      }),
      affine: timed('affine', (step) => this.#affine(step, run)),
      pack: timed('pack', (step) => {
        const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
        this.program.constants[step.places]!.forEach((place, output) => {
          copyWords(to.at(output).words, from.at(place).words);
        });
      }),
    };
  }

  /** A map and the product of its result with itself, tile by tile. */
  #linearSquare({ kind, first, last }: FusedSteps, run: ExactRun): void {
    const { kernel, ring } = run.context;
    const step = this.program.steps[first] as LinearStep;
    const [from, to] = [this.#view(step.from, run), this.#view(last + 1, run)];
    const { tiles } = this.#prepared[step.to]!;
    const name = layerName(this.program.steps, step.to);
    const most = Math.max(...tiles.map(({ count }) => count));
    const scratch = this.#valueAt(step.to, this.#plan.scratch[first]!, most, run);
    for (const tile of tiles) {
      run.checkpoint();
      const product = scratch.slice(0, tile.count);
      this.#product(step, tile, from, product, run);
      run.clock(`${name} linear`);
      this.#inTiles(product, run, (scaled, start, count) => {
        const out = to.slice(tile.first + start, count).words;
        const { words } = product.slice(start, count);
        if (kind === 'linear-square') kernel.tensor(ring.tables, out, scaled, words, product.mods);
        else multiplyRescaleInto(out, [scaled, words], product.level, run);
      });
      run.clock(`${name} square`);
    }
  }

  #squareRescale({ first, last }: FusedSteps, run: ExactRun): void {
    const step = this.program.steps[first] as Extract<Step, { readonly op: 'multiply' }>;
    const [a, b, to] = [this.#view(step.a, run), this.#view(step.b, run), this.#view(last + 1, run)];
    this.#inTiles(a, run, (scaled, start, count) =>
      multiplyRescaleInto(to.slice(start, count).words, [scaled, b.slice(start, count).words], a.level, run),
    );
    run.clock(`${layerName(this.program.steps, step.a)} product`);
  }

  /** c_a c_b = v_a v_b / t^2 has one t too many in its denominator: hands out t times the ciphertexts of `from`, some at a time. */
  #inTiles(
    from: BgvCiphertextBatch,
    { context }: ExactRun,
    work: (scaled: Words, first: number, count: number) => void,
  ): void {
    const { kernel, ring, params } = context;
    const each = from.parts * from.polyWords;
    const rows = Math.min(from.count, tileRows(each));
    const by = params.residues(params.t, from.level);
    const scaled = this.#scaled.take(rows * each);
    for (let first = 0; first < from.count; first += rows) {
      const count = Math.min(rows, from.count - first);
      const words = scaled.sub(0, count * each);
      kernel.mulScalar(ring.tables, words, from.slice(first, count).words, by, from.mods);
      work(words, first, count);
    }
  }

  #product(
    { to: value, map }: LinearStep,
    tile: MapTile,
    from: BgvCiphertextBatch,
    to: BgvCiphertextBatch,
    run: ExactRun,
  ): void {
    mapTileInto(to, from, tile, this.#addendsOf(value, this.program.maps[map]!.offsets, run));
  }

  #affine(step: Extract<Step, { readonly op: 'affine' }>, run: ExactRun): void {
    const { params } = run.context;
    const [from, to] = [this.#view(step.from, run), this.#view(step.to, run)];
    const list = (index: number | undefined) =>
      index === undefined ? undefined : this.program.constants[index]!;
    const [order, multipliers, addends] = [list(step.order), list(step.multipliers), list(step.addends)];
    const factors = multipliers && Array.from(multipliers, (each) => params.residues(each, to.level));
    affineInto(to, from, { order, factors, offsets: addends && this.#addendsOf(step.to, addends, run) });
  }

  /** What constants add to part 0: [factor m]_t / t modulo each prime, made at the first use of a step. */
  #addendsOf(value: number, constants: Float64Array, { channel, context }: ExactRun): number[][] {
    const key = `${channel}:${value}`;
    let made = this.#constants.get(key);
    if (made === undefined) {
      const { params } = context;
      const { scale, level } = this.program.values[value]!;
      const t = BigInt(params.t);
      const factor = BigInt(this.#factors[channel]![value]!);
      const inverses = params.inverseResidues(level).map(BigInt);
      made = Array.from(constants, (constant) => {
        const residue = (((scaledInteger(constant, scale) * factor) % t) + t) % t;
        const message = 2n * residue > t ? residue - t : residue;
        return inverses.map((inverse, i) => {
          const q = BigInt(params.q[i]!.q);
          return Number((((message * inverse) % q) + q) % q);
        });
      });
      this.#constants.set(key, made);
    }
    return made;
  }

  #wordsEach(value: number): number {
    const { parts, level } = this.program.values[value]!;
    return parts * (level + 1) * 2 ** this.program.params.logN;
  }

  #view(value: number, run: ExactRun): BgvCiphertextBatch {
    const { count } = this.program.values[value]!;
    return this.#valueAt(value, this.#plan.offsets[Math.max(1, value)]!, count, run);
  }

  #valueAt(
    value: number,
    offset: number,
    count: number,
    { memory, context, channel }: ExactRun,
  ): BgvCiphertextBatch {
    const { parts, level } = this.program.values[value]!;
    const words = memory.sub(offset, count * this.#wordsEach(value));
    const [noiseBits, factor] = [this.#noise[value]!, this.#factors[channel]![value]!];
    return new BgvCiphertextBatch(words, { context, count, parts, level, noiseBits, factor });
  }

  [Symbol.dispose](): void {
    for (const prepared of this.#prepared) prepared?.[Symbol.dispose]();
    this.#scaled[Symbol.dispose]();
  }
}

/** Products multiply them, a switch divides by its prime. */
function factorsOf({ steps, values }: ExactProgram, { params }: BgvContext): number[] {
  const factors = [1];
  for (const step of steps) {
    const { level } = values[step.to]!;
    if (step.op === 'multiply') factors.push(params.mulModT(factors[step.a]!, factors[step.b]!));
    else if (step.op === 'rescale')
      factors.push(params.mulModT(factors[step.from]!, params.inverseModT(params.q[level + 1]!.q)));
    else factors.push(factors[step.op === 'add' ? step.a : step.from]!);
  }
  return factors;
}
