/**
 * Nesterov iterations of a logistic regression under encryption. A slot is a row and a column, the column minor: z = y (1, x) of
 * {@link LogisticProgram.rowsPerCiphertext} rows in each ciphertext, and the weights once per row, so that their slot vector is periodic
 * in the columns. Sums over rows are cyclic and need no mask; sums over columns are masked and spread again.
 *
 * One iteration, from v at level l (in divisions): margins m = z v (l - 1), masked and spread (l - 2); m^2 and rate c3 z m (l - 3); their
 * product with m^2 + c1/c3 (l - 4), summed over ciphertexts and rows, and c0 times the sum of z, which was made once.
 */
import type { CkksCircuit, CkksOperations } from '../../schemes/ckks/circuit.ts';
import type { CkksEncoder } from '../../schemes/ckks/encoder.ts';
import type { CkksPlaintext } from '../../schemes/ckks/plaintext.ts';
import { INPUT_BOUND, type LogisticProgram, MARGIN_BOUND, SIGMOID_CUBIC } from './logistic-program.ts';
import { type NesterovStep } from './logistic-spec.ts';
import { PlannedOperations, type PlannedTarget, type PlannedValue } from './planned-operations.ts';

/**
 * |c1 m + c3 m^3| for |m| up to the bound of margins: largest at 5.6. The mean over rows of |z_j| times it is no larger, since |z_j| is 1 on
 * average at most: columns are standardised.
 */
const CUBIC_BOUND = 0.57;

/** What an iteration starts from and ends with. `w` is a level below `v`. */
export interface LogisticState<C> {
  readonly v: PlannedValue<C>;
  readonly w: PlannedValue<C>;
}

/** Masks of slots by their index modulo a period, each made once. Plaintexts belong to the encoder's arena. */
export class PeriodicMasks {
  #encoder: CkksEncoder;
  #made = new Map<string, CkksPlaintext>();

  constructor(encoder: CkksEncoder) {
    this.#encoder = encoder;
  }

  /** `value` where from <= slot mod period < to, else 0. */
  at(target: PlannedTarget, period: number, from: number, to: number, value = 1): CkksPlaintext {
    const { level, scale } = target;
    const key = [level, scale, period, from, to, value].join();
    let mask = this.#made.get(key);
    if (mask === undefined) {
      const values = Float64Array.from({ length: period }, (_, j) => (j >= from && j < to ? value : 0));
      mask = this.#encoder.encode(values, { level, scale, slots: period });
      this.#made.set(key, mask);
    }
    return mask;
  }
}

/**
 * The scale of states at this level, above the default one: gradients of single rows are small numbers, and at a larger scale the noise of
 * the products that make them is smaller against them. The lowest levels have less room.
 */
export function stateScaleAt(
  { params, spec, largestRate, stateBits }: LogisticProgram,
  level: number,
): number {
  const largest = Math.max(spec.weightBound, largestRate * (CUBIC_BOUND + Math.abs(SIGMOID_CUBIC.c0)));
  // Half the modulus, and sums of two.
  const room = params.logQAt(level) - 2 - Math.log2(largest * params.defaultScale) - 2 ** -10;
  return params.defaultScale * 2 ** Math.max(0, Math.min(stateBits, Math.floor(room)));
}

/** The circuit on one kind of operations. */
export class LogisticIterations<C> {
  readonly operations: PlannedOperations<C>;
  readonly program: LogisticProgram;
  #masks: PeriodicMasks;
  #rows: readonly PlannedValue<C>[];

  /** `rows` are the encrypted z, borrowed. */
  constructor(on: CkksOperations<C>, program: LogisticProgram, masks: PeriodicMasks, rows: readonly C[]) {
    this.operations = new PlannedOperations(on, program.params, program.primesPerLevel);
    this.program = program;
    this.#masks = masks;
    const { topLevel: level, rowScale: scale } = program;
    this.#rows = rows.map((value) => ({ value, level, scale }));
  }

  get #levels(): number {
    return this.program.primesPerLevel;
  }

  /** The rows that iteration t (from 0) looks at. */
  #batch(t: number): readonly PlannedValue<C>[] {
    const { batches } = this.program;
    const size = this.#rows.length / batches;
    return this.#rows.slice((t % batches) * size, ((t % batches) + 1) * size);
  }

  /** The sum of z over the rows of an iteration, in every row. */
  rowSum(t: number): PlannedValue<C> {
    const { on } = this.operations;
    const batch = this.#batch(t);
    let total: PlannedValue<C> | undefined;
    for (const row of batch) {
      if (total === undefined) total = row;
      else {
        const next = { ...total, value: on.add(total.value, row.value) };
        if (total !== batch[0]) this.operations.free(total);
        total = next;
      }
    }
    const { rowsPerStep, rotations } = this.program;
    // The first rotation makes a value of its own, which may then be used up.
    const own = { ...total!, value: on.declareMaxAbs(total!.value, INPUT_BOUND * batch.length) };
    if (total !== batch[0]) this.operations.free(total!);
    return this.operations.bounded(
      this.operations.rotateSum(own, rotations.overRows),
      INPUT_BOUND * rowsPerStep,
    );
  }

  /** The first step, from weights of zero: every margin is 0, so the gradient is c0 times the sum. */
  first(sum: PlannedValue<C>, step: NesterovStep): LogisticState<C> {
    const { rowsPerStep: rows, spec } = this.program;
    const { weightBound } = spec;
    const level = sum.level - this.#levels;
    const target = { level, scale: stateScaleAt(this.program, level) };
    const weight = -(step.rate * SIGMOID_CUBIC.c0) / rows;
    // Its momentum is zero: both states are the same.
    const v = this.operations.bounded(this.operations.scaled(sum, weight, target), weightBound);
    const w = { ...v, value: this.operations.on.declareMaxAbs(v.value, weightBound) };
    return { v, w };
  }

  /** rate / rows times the gradient of iteration t at v, four divisions below it. */
  #gradient(v: PlannedValue<C>, sum: PlannedValue<C>, rate: number, t: number): PlannedValue<C> {
    const { operations } = this;
    const { rotations, rowsPerStep } = this.program;
    const { c0 } = SIGMOID_CUBIC;
    const factor = rate / rowsPerStep;
    const total = this.program.isPaired
      ? this.#pairedParts(v, factor, t)
      : this.#batch(t).reduce((parts: PlannedValue<C> | undefined, z) => {
          const [margins] = this.#margins(v, z);
          const part = this.#part(z, margins!, factor);
          operations.free(margins!);
          return parts === undefined ? part : operations.sum(parts, part);
        }, undefined);
    const summed = operations.rotateSum(total!, rotations.overRows, rate * CUBIC_BOUND);
    const constant = operations.scaled(sum, factor * c0, { level: summed.level, scale: summed.scale });
    return operations.bounded(operations.sum(summed, constant), rate * (CUBIC_BOUND + Math.abs(c0)));
  }

  #part(z: PlannedValue<C>, margins: PlannedValue<C>, factor: number): PlannedValue<C> {
    return this.program.parties > 1
      ? this.#partInTwo(z, margins, factor)
      : this.#partAtOnce(z, margins, factor);
  }

  /** z v summed over the columns, in every column: of one ciphertext or, as real and imaginary parts of one value, of two. */
  #margins(v: PlannedValue<C>, z: PlannedValue<C>, other?: PlannedValue<C>): PlannedValue<C>[] {
    const { operations } = this;
    const { spec, width, marginScale, rotations, marginBound } = this.program;
    const { overColumns } = rotations;
    const right = overColumns.map((step) => -step);
    const count = other === undefined ? 1 : 2;
    const lowered = (row: PlannedValue<C>) => operations.lowered(row, Math.min(row.level, v.level));
    const [first, second] = other === undefined ? [z, undefined] : [lowered(z), lowered(other)];
    const both = second === undefined ? first : operations.complex(first, second);
    const products = operations.product(both, v, count * INPUT_BOUND * spec.weightBound);
    if (second !== undefined) operations.free(first, second, both);
    const sums = operations.rotateSum(products, overColumns);
    const at = {
      level: sums.level,
      scale: (operations.divisor(sums.level) * marginScale) / sums.scale,
    };
    const mask = this.#masks.at(at, width, 0, 1, 1 / count);
    const margins = operations.maskedAndSpread(sums, mask, right, marginBound);
    operations.free(sums);
    if (second === undefined) return [margins];
    const parts = operations.doubledParts(margins).map((part) => operations.bounded(part, marginBound));
    operations.free(margins);
    return parts;
  }

  /** The sum of factor z (c1 m + c3 m^3) over ciphertexts taken two at a time, relinearised once. */
  #pairedParts(v: PlannedValue<C>, factor: number, t: number): PlannedValue<C> {
    const { operations } = this;
    const batch = this.#batch(t);
    let total: PlannedValue<C> | undefined;
    for (let i = 0; i < batch.length; i += 2) {
      const pair = batch.slice(i, i + 2);
      this.#margins(v, pair[0]!, pair[1]).forEach((margins, j) => {
        const { odd, square } = this.#oddAndSquare(pair[j]!, margins, factor);
        const part = operations.lazyProduct(odd, square);
        operations.free(margins, odd, square);
        total = total === undefined ? part : operations.sum(total, part);
      });
    }
    return operations.reduced(total!, factor * batch.length * INPUT_BOUND * CUBIC_BOUND);
  }

  /** factor c3 z m and m^2 + c1 / c3. */
  #oddAndSquare(z: PlannedValue<C>, margins: PlannedValue<C>, factor: number) {
    const { operations } = this;
    const { c1, c3 } = SIGMOID_CUBIC;
    const { marginBound } = this.program;
    const weighted = operations.scaled(z, factor * c3, this.#weightedTarget(margins));
    const odd = operations.product(weighted, margins, Math.abs(factor * c3) * INPUT_BOUND * marginBound);
    operations.free(weighted);
    const square = operations.plus(operations.product(margins, margins, marginBound ** 2), c1 / c3);
    return { odd, square };
  }

  /** factor z (c1 m + c3 m^3) as (c3 z m) (m^2 + c1 / c3): two products beside the square. */
  #partAtOnce(z: PlannedValue<C>, margins: PlannedValue<C>, factor: number): PlannedValue<C> {
    const { operations } = this;
    const { odd, square } = this.#oddAndSquare(z, margins, factor);
    const part = operations.product(odd, square, factor * INPUT_BOUND * CUBIC_BOUND);
    operations.free(odd, square);
    return part;
  }

  /**
   * The same as c1 z m + (c3 z m) m^2, one product more: the rounding of c3 z m is then multiplied by m^2, and not by c1 / c3 = -94, which
   * would be the largest noise of all. For what is released behind noise as many times as large.
   */
  #partInTwo(z: PlannedValue<C>, margins: PlannedValue<C>, factor: number): PlannedValue<C> {
    const { operations } = this;
    const { c1, c3 } = SIGMOID_CUBIC;
    const target = this.#weightedTarget(margins);
    const bound = (weight: number): number => Math.abs(factor * weight) * INPUT_BOUND * MARGIN_BOUND;
    const weighted = operations.scaled(z, factor * c3, target);
    const odd = operations.product(weighted, margins, bound(c3));
    const square = operations.product(margins, margins, MARGIN_BOUND ** 2);
    const cubic = operations.product(odd, square, bound(c3) * MARGIN_BOUND ** 2);
    const scale = (cubic.scale * operations.divisor(margins.level)) / margins.scale;
    const straight = operations.scaled(z, factor * c1, { level: margins.level, scale });
    const linear = operations.product(straight, margins, bound(c1));
    operations.free(weighted, odd, square, straight);
    return operations.sum(cubic, linear);
  }

  /** Where c3 z must be so that its products with `margins` and the margins' square arrive at the scale of the next state. */
  #weightedTarget({ level, scale }: PlannedValue<C>): PlannedTarget {
    const { operations } = this;
    const below = level - this.#levels;
    const square = scale ** 2 / operations.divisor(level);
    const odd = (stateScaleAt(this.program, below - this.#levels) * operations.divisor(below)) / square;
    return { level, scale: (odd * operations.divisor(level)) / scale };
  }

  /** One iteration; the state is used up. @throws {LevelExhaustedError} */
  iterate(
    state: LogisticState<C>,
    sum: PlannedValue<C>,
    { rate, momentum }: NesterovStep,
    t: number,
  ): LogisticState<C> {
    const { operations } = this;
    const { spec } = this.program;
    const { v, w } = state;
    // (1 - momentum) g is what v needs, and is divided again for w, a level lower.
    const gradient = this.#gradient(v, sum, rate * (1 - momentum), t);
    const { level, scale } = gradient;
    const kept = operations.scaled(v, 1 - momentum, { level, scale });
    const mixed =
      momentum === 0 ? kept : operations.sum(kept, operations.scaled(w, momentum, { level, scale }));
    const below = { level: level - this.#levels, scale: stateScaleAt(this.program, level - this.#levels) };
    const moved = operations.scaled(gradient, 1 / (1 - momentum), below);
    const nextW = operations.difference(operations.scaled(v, 1, below), moved);
    const nextV = operations.difference(mixed, gradient);
    operations.free(v, w);
    return {
      v: operations.bounded(nextV, spec.weightBound),
      w: operations.bounded(nextW, spec.weightBound),
    };
  }

  /** The last iteration, whose only result is w, as high as v would be. The state is used up. */
  last({ v, w }: LogisticState<C>, sum: PlannedValue<C>, { rate }: NesterovStep, t: number): PlannedValue<C> {
    const { operations } = this;
    const gradient = this.#gradient(v, sum, rate, t);
    const { level, scale } = gradient;
    const next = operations.difference(operations.scaled(v, 1, { level, scale }), gradient);
    operations.free(v, w);
    return operations.bounded(next, this.program.spec.weightBound);
  }

  /**
   * Every step, as far as the next state has to be prepared: yields the state before each iteration but the first, which is used up, and
   * goes on with what it is given. Returns the weights. Begins at `from`, a state after so many iterations, where there is one.
   */
  *states(from?: {
    readonly iteration: number;
    readonly state: LogisticState<C>;
  }): Generator<LogisticState<C>, PlannedValue<C>, LogisticState<C>> {
    const { steps } = this.program;
    const { batches } = this.program;
    // Of every batch, made when it is first looked at.
    const made: PlannedValue<C>[] = [];
    const sum = (t: number): PlannedValue<C> => {
      made[t % batches] ??= this.rowSum(t);
      return made[t % batches]!;
    };
    let state = from?.state ?? this.first(sum(0), steps[0]!);
    let weights = state.v;
    for (let t = from?.iteration ?? 1; t < steps.length; t++) {
      state = yield state;
      if (t === steps.length - 1) weights = this.last(state, sum(t), steps[t]!, t);
      else state = this.iterate(state, sum(t), steps[t]!, t);
    }
    this.operations.free(...made.filter((each) => each !== undefined));
    return weights;
  }

  /**
   * Every step. `prepared` makes what a step but the first reads of the state before it; `done` is told the weights after each, and the state
   * where another step follows.
   */
  run(
    prepared: (state: LogisticState<C>) => LogisticState<C> = (state) => state,
    done: (iteration: number, weights: PlannedValue<C>, state?: LogisticState<C>) => void = () => undefined,
    from?: { readonly iteration: number; readonly state: LogisticState<C> },
  ): PlannedValue<C> {
    const states = this.states(from);
    let isResumed = from !== undefined;
    let iteration = from?.iteration ?? 1;
    let next = states.next();
    for (; next.done !== true; iteration++) {
      if (!isResumed) done(iteration, next.value.v, next.value);
      isResumed = false;
      next = states.next(prepared(next.value));
    }
    if (!isResumed) done(iteration, next.value);
    return next.value;
  }
}

/** The whole run of a program without bootstrapping, as what the owner of the key declares before it releases the weights. */
export function logisticCircuit(program: LogisticProgram, encoder: CkksEncoder): CkksCircuit {
  const masks = new PeriodicMasks(encoder);
  const input = { maxAbs: INPUT_BOUND, level: program.topLevel, scale: program.params.defaultScale };
  return {
    inputs: Array.from({ length: program.ciphertexts }, () => input),
    run<C>(on: CkksOperations<C>, inputs: readonly C[]): C {
      return new LogisticIterations(on, program, masks, inputs).run().value;
    },
  };
}
