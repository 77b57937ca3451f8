/**
 * A circuit as the steps of an exact program at given primes: where the modulus is switched, and what every value's integers stand for.
 * Products are relinearised at once. Before a product both factors are switched down as long as that leaves the product more room.
 */
import { InvalidParamsError, UnsupportedOpError } from '../../base/errors.ts';
import { dividedBits } from '../../schemes/rlwe/noise-bound.ts';
import { bestForProduct, type BgvModulusBits, freshBits, noiseRoom } from '../../schemes/bgv/noise-bound.ts';
import type { Circuit, CombineOp } from '../circuit.ts';
import type { IntegerMap } from '../integer-map.ts';
import type { ProgramValue, Step, StepList } from '../program.ts';
import { noiseAfter } from './exact-noise.ts';

/** When the modulus is switched: `early`, once right behind every product, where the ciphertexts are most and the switch is cheap. */
export type SwitchRule = 'early' | 'late';

export interface ExactPlanOptions {
  readonly bits: BgvModulusBits;
  readonly inputScale: number;
  /** Bits of a factor, sign included, where an operation multiplies by real numbers. */
  readonly weightBits: number;
  readonly rule: SwitchRule;
}

export interface ExactPlan {
  readonly list: StepList;
  /** log2 bounds of v / t, per value. */
  readonly noise: readonly number[];
}

type Unplaced<S> = S extends Step ? Omit<S, 'to'> : never;

/** Scales are finite doubles far from their ends. */
const LARGEST_SCALE = 2 ** 900;

/** Undefined when a value does not fit its modulus. @throws {UnsupportedOpError} for what has no exact form. {@link InvalidParamsError} */
export function planExact(circuit: Circuit, options: ExactPlanOptions): ExactPlan | undefined {
  const planner = new ExactPlanner(circuit, options);
  /** Value of the program that holds a value of the circuit. */
  const at = new Map<number, number>([[0, planner.expand()]]);
  for (const op of circuit.ops) {
    if (op.op === 'linear') at.set(op.to, planner.linear(at.get(op.from)!, op.map));
    else if (op.op === 'multiply') at.set(op.to, planner.multiply(at.get(op.a)!, at.get(op.b)!));
    else at.set(op.to, planner.combine(op, at, circuit.values[op.to]!.name));
  }
  planner.pack(at.get(circuit.output.value)!, circuit.output.places);
  return planner.finish();
}

class ExactPlanner {
  readonly #options: ExactPlanOptions;
  readonly #values: ProgramValue[] = [];
  readonly #steps: Step[] = [];
  readonly #maps: IntegerMap[] = [];
  readonly #constants: Float64Array[] = [];
  readonly #noise: number[] = [];
  #fits = true;

  constructor(circuit: Circuit, options: ExactPlanOptions) {
    this.#options = options;
    const { bits, inputScale } = options;
    const { count, trained } = circuit.values[0]!;
    const level = bits.logQ.length - 1;
    this.#values.push({ name: 'input', count, parts: 2, level, scale: inputScale, trained });
    this.#noise.push(freshBits(bits.n));
  }

  expand(): number {
    return this.#add({ op: 'expand', from: 0 }, {});
  }

  linear(from: number, map: IntegerMap): number {
    this.#maps.push(map);
    const { scale } = this.#values[from]!;
    return this.#add(
      { op: 'linear', from, map: this.#maps.length - 1 },
      { name: map.name, count: map.outputs, scale: scale / map.step },
    );
  }

  multiply(a: number, b: number): number {
    const x = this.#readied(a);
    const y = a === b ? x : this.#readied(b);
    const level = Math.min(this.#values[x]!.level, this.#values[y]!.level);
    const p = this.#switchedTo(x, level);
    const q = x === y ? p : this.#switchedTo(y, level);
    const [one, other] = [this.#values[p]!, this.#values[q]!];
    const product = this.#add(
      { op: 'multiply', a: p, b: q },
      { parts: 3, scale: one.scale * other.scale, trained: one.trained * other.trained },
    );
    const relinearized = this.#add({ op: 'relinearize', from: product }, { parts: 2 });
    if (this.#options.rule === 'late' || level === 0) return relinearized;
    const { bits } = this.#options;
    const quieter = dividedBits(bits.n, this.#noise[relinearized]!, bits.logQ[level]!);
    // A switch that reaches the floor of rounding would waste room.
    const isUseful = quieter <= this.#noise[relinearized]! - bits.logQ[level]! + 1;
    return isUseful ? this.#switchedTo(relinearized, level - 1) : relinearized;
  }

  combine(op: CombineOp, at: ReadonlyMap<number, number>, name: string): number {
    const [term, ...others] = op.terms;
    if (term === undefined || others.length > 0)
      throw new UnsupportedOpError([
        `the sum of two branches at ${name}: exact programs run chains of linear layers and squares`,
      ]);
    const from = at.get(term.value)!;
    const source = this.#values[from]!;
    const count = term.order?.length ?? source.count;
    const unit = term.factors === undefined ? 1 : this.#unitOf(term.factors);
    const constant = (values: Float64Array | Uint32Array): number => {
      this.#constants.push(Float64Array.from(values));
      return this.#constants.length - 1;
    };
    const multipliers = term.factors?.map((factor) => Math.round(factor / unit));
    return this.#add(
      {
        op: 'affine',
        from,
        ...(term.order && { order: constant(term.order) }),
        ...(multipliers && { multipliers: constant(multipliers) }),
        ...(op.constants && { addends: constant(op.constants) }),
      },
      { name, count, scale: source.scale / unit },
    );
  }

  pack(from: number, places: Uint32Array): void {
    this.#constants.push(Float64Array.from(places));
    this.#add(
      { op: 'pack', from, places: this.#constants.length - 1 },
      { name: 'scores', count: places.length },
    );
  }

  finish(): ExactPlan | undefined {
    if (!this.#fits) return undefined;
    const list = {
      values: this.#values,
      steps: this.#steps,
      maps: this.#maps,
      constants: this.#constants,
    };
    return { list, noise: this.#noise };
  }

  /** What integer 1 stands for, where values are multiplied by real numbers. */
  #unitOf(factors: Float64Array): number {
    const most = factors.reduce((largest, factor) => Math.max(largest, Math.abs(factor)), 0);
    if (factors.every((factor) => Math.abs(factor) === most)) return most === 0 ? 1 : most;
    return most / (2 ** (this.#options.weightBits - 1) - 1);
  }

  /** Where a product with its like has most room. */
  #readied(value: number): number {
    const { bits } = this.#options;
    const { level } = this.#values[value]!;
    return this.#switchedTo(value, bestForProduct(bits, { level, noiseBits: this.#noise[value]! }).level);
  }

  #switchedTo(value: number, level: number): number {
    let at = value;
    while (this.#values[at]!.level > level)
      at = this.#add({ op: 'rescale', from: at }, { level: this.#values[at]!.level - 1 });
    return at;
  }

  #add(step: Unplaced<Step>, changes: Partial<ProgramValue>): number {
    const from = this.#values[step.op === 'multiply' || step.op === 'add' ? step.a : step.from]!;
    const made = { ...from, ...changes };
    if (!(made.scale < LARGEST_SCALE))
      throw new InvalidParamsError(
        `the integers of ${made.name} need more than ${Math.log2(LARGEST_SCALE)} bits: use fewer bits for weights or inputs, or fewer layers`,
        { wire: made.name },
      );
    const to = this.#values.length;
    const placed = { ...step, to } as Step;
    const { bits } = this.#options;
    const facts = { noise: this.#noise, maps: this.#maps, constants: this.#constants, bits };
    const noise = noiseAfter(placed, { ...facts, level: made.level });
    this.#fits &&= noise <= noiseRoom(bits, made.level);
    this.#values.push(made);
    this.#steps.push(placed);
    this.#noise.push(noise);
    return to;
  }
}
