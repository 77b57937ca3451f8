/** Circuit and placement -> steps, with the level, parts and exact scale of every value. */
import { LevelExhaustedError, ScaleMismatchError } from '../base/errors.ts';
import { SCALE_TOLERANCE } from '../schemes/ckks/message-bound.ts';
import type { Circuit, CircuitOp, CombinedTerm } from './circuit.ts';
import { type IntegerMap, largestOf } from './integer-map.ts';
import { depthsOf, type FactorForm, type Placement, productChains, spendsLevel } from './placement.ts';
import type { ProgramValue, Step, StepList } from './program.ts';

/** Relative precision of the whole numbers that bring two summands to one scale. */
const ALIGNMENT_PRECISION = 2 ** -16;
/** Bits of the constants of a polynomial, relative to the largest. */
const CONSTANT_BITS = 12;
const MAX_ALIGNMENT_BITS = 40;

interface PlanningSubject {
  readonly circuit: Circuit;
  readonly placement: Placement;
  /** q_0 .. q_L. */
  readonly primes: readonly number[];
  readonly inputScale: number;
  readonly form: FactorForm;
}

/** Symbols: primes q_0 .. q_L. A linear map turns scale s into s / step, a product multiplies scales, a rescaling divides by the prime. */
export function planSteps(subject: PlanningSubject): StepList {
  return new StepPlanner(subject).run();
}

/** A value of the program and its number. */
interface Planned extends ProgramValue {
  readonly id: number;
}

class StepPlanner {
  readonly #subject: PlanningSubject;
  readonly #values: ProgramValue[] = [];
  readonly #maps: IntegerMap[] = [];
  readonly #constants: Float64Array[] = [];
  readonly #steps: Step[] = [];
  /** By value of the circuit. */
  readonly #planned = new Map<number, Planned>();

  constructor(subject: PlanningSubject) {
    this.#subject = subject;
  }

  run(): StepList {
    const { circuit, placement, inputScale, form } = this.#subject;
    const { name, count, trained } = circuit.values[0]!;
    const level = Math.max(...depthsOf(circuit, form));
    const shared = { parts: 2, level, scale: inputScale, trained, count } as const;
    const query = this.#value({ name: 'query', ...shared });
    const expanded = this.#value({ name, ...shared });
    this.#steps.push({ op: 'expand', from: query.id, to: expanded.id });
    this.#planned.set(0, expanded);
    const pending = this.#pendingSteps(placement);
    circuit.ops.forEach((op, i) => {
      const made = this.#operation(op);
      this.#planned.set(op.to, this.#settle(made, pending.get(i) ?? NOTHING));
    });
    const packed = this.#pack(this.#planned.get(circuit.output.value) as Planned);
    const reply = this.#settle(packed, pending.get(circuit.ops.length) ?? NOTHING);
    if (reply.level !== 0 || reply.parts !== 2) throw new LevelExhaustedError('the reply', reply.level, 0);
    return { values: this.#values, maps: this.#maps, constants: this.#constants, steps: this.#steps };
  }

  /** What to do behind which operation; behind the packing for the number of operations. */
  #pendingSteps(placement: Placement): Map<number, Pending> {
    const { circuit } = this.#subject;
    const pending = new Map<number, Pending>();
    const add = (at: number, what: keyof Pending) =>
      pending.set(at, { ...NOTHING, ...pending.get(at), [what]: true });
    productChains(circuit).forEach(({ product, linear }, i) => {
      const places = [product, ...linear, circuit.ops.length];
      const choice = placement[i]!;
      add(places[choice.relinearize]!, 'relinearize');
      add(places[choice.rescale]!, 'rescale');
    });
    return pending;
  }

  #settle(value: Planned, { relinearize, rescale }: Pending): Planned {
    let at = value;
    if (relinearize) at = this.#relinearized(at);
    if (rescale) at = this.#rescaled(at);
    return at;
  }

  #relinearized(from: Planned): Planned {
    const to = this.#value({ ...from, parts: 2 });
    this.#steps.push({ op: 'relinearize', from: from.id, to: to.id });
    return to;
  }

  #rescaled(from: Planned): Planned {
    const prime = this.#subject.primes[from.level]!;
    const to = this.#value({ ...from, level: from.level - 1, scale: from.scale / prime });
    this.#steps.push({ op: 'rescale', from: from.id, to: to.id });
    return to;
  }

  #operation(op: CircuitOp): Planned {
    if (op.op === 'linear') return this.#linear(op);
    if (op.op === 'multiply') return this.#multiply(op);
    return this.#combine(op);
  }

  #linear(op: CircuitOp & { op: 'linear' }): Planned {
    const from = this.#at(op.from);
    const { trained } = this.#subject.circuit.values[op.to]!;
    const { map } = op;
    const scale = from.scale / map.step;
    const to = this.#value({ ...from, name: map.name, count: map.outputs, trained, scale });
    this.#maps.push(map);
    this.#steps.push({ op: 'linear', map: this.#maps.length - 1, from: from.id, to: to.id });
    return to;
  }

  #multiply(op: CircuitOp & { op: 'multiply' }): Planned {
    const { circuit } = this.#subject;
    const level = Math.min(this.#at(op.a).level, this.#at(op.b).level);
    const a = this.#lowered(this.#at(op.a), level);
    const b = op.a === op.b ? a : this.#lowered(this.#at(op.b), level);
    const { name, trained, count } = circuit.values[op.to]!;
    const scale = a.scale * b.scale;
    const to = this.#value({ ...a, name, parts: 3, count, scale, trained });
    this.#steps.push({ op: 'multiply', a: a.id, b: b.id, to: to.id });
    return to;
  }

  /**
   * Brings the terms to one level and scale and adds them. A term above the level of the sum gets its factor as a whole number of
   * about the prime that it is then rescaled by, which is exact to that prime; the others get theirs at a larger scale.
   */
  #combine(op: CircuitOp & { op: 'combine' }): Planned {
    const { name, trained } = this.#subject.circuit.values[op.to]!;
    const { terms } = op;
    const levelOf = (value: number): number => this.#at(value).level;
    const lowest = Math.min(...terms.map(({ value }) => levelOf(value)));
    const level = lowest - (spendsLevel(terms, (value) => -levelOf(value), this.#subject.form) ? 1 : 0);
    const bottom = terms.filter(({ value }) => levelOf(value) === level);
    const scale =
      bottom.length > 0
        ? this.#commonScale(bottom)
        : Math.max(...terms.map(({ value }) => this.#at(value).scale));
    const made = terms.map((term, i) => {
      const addends = i === 0 ? op.constants : undefined;
      const isAbove = levelOf(term.value) > level;
      const from = this.#at(term.value);
      if (!isAbove || (terms.length === 1 && term.factors === undefined))
        return this.#affine(this.#lowered(from, level), { term, scale, addends, name });
      const prime = this.#subject.primes[level + 1]!;
      const lifted = this.#affine(this.#lowered(from, level + 1), {
        term,
        scale: scale * prime,
        addends,
        name,
      });
      return this.#rescaled(lifted);
    });
    let sum = made[0] as Planned;
    for (const term of made.slice(1)) {
      const to = this.#value({ ...sum, name, trained });
      this.#steps.push({ op: 'add', a: sum.id, b: term.id, to: to.id });
      sum = to;
    }
    this.#values[sum.id] = { ...this.#values[sum.id]!, trained };
    return { ...sum, trained };
  }

  /**
   * The least scale, a power of two times the largest, at which every term's whole numbers are precise enough. A plan whose scales
   * have left the doubles does not keep its margins either: the search drops it.
   */
  #commonScale(terms: readonly CombinedTerm[]): number {
    const scales = terms.map(({ value }) => this.#at(value).scale);
    const largest = Math.max(...scales);
    for (let bits = 0; bits <= MAX_ALIGNMENT_BITS; bits++) {
      const scale = largest * 2 ** bits;
      const isPrecise = terms.every(({ factors }, i) => {
        const ratio = scale / scales[i]!;
        if (factors !== undefined)
          return largestOf(factors) === 0 || largestOf(factors) * ratio >= 2 ** CONSTANT_BITS;
        return Math.abs(Math.round(ratio) - ratio) <= ALIGNMENT_PRECISION * ratio;
      });
      if (isPrecise) return scale;
    }
    if (!Number.isFinite(largest)) return largest;
    throw new ScaleMismatchError('a sum', scales[0]!, scales.at(-1)!);
  }

  /** Multipliers round(factor * scale / own scale), at the level of `from`. */
  #affine(
    from: Planned,
    to: {
      readonly term: CombinedTerm;
      readonly scale: number;
      readonly addends: Float64Array | undefined;
      readonly name: string;
    },
  ): Planned {
    const { term, scale, addends, name } = to;
    const ratio = scale / from.scale;
    const count = term.order?.length ?? from.count;
    const isUnit = term.factors === undefined && Math.abs(ratio - 1) <= SCALE_TOLERANCE;
    if (isUnit && term.order === undefined && addends === undefined) return from;
    const multipliers = isUnit
      ? undefined
      : Float64Array.from({ length: count }, (_, i) => Math.round((term.factors?.[i] ?? 1) * ratio));
    const trained =
      from.trained * (term.factors === undefined ? 1 : largestOf(term.factors)) +
      (addends === undefined ? 0 : largestOf(addends));
    const made = this.#value({ ...from, name, count, scale: isUnit ? from.scale : scale, trained });
    this.#steps.push({
      op: 'affine',
      from: from.id,
      to: made.id,
      ...(term.order && { order: this.#constant(Float64Array.from(term.order)) }),
      ...(multipliers && { multipliers: this.#constant(multipliers) }),
      ...(addends && { addends: this.#constant(addends) }),
    });
    return made;
  }

  #lowered(from: Planned, level: number): Planned {
    if (from.level === level) return from;
    const to = this.#value({ ...from, level });
    this.#steps.push({ op: 'lower', from: from.id, to: to.id });
    return to;
  }

  #pack(from: Planned): Planned {
    const { places } = this.#subject.circuit.output;
    const to = this.#value({ ...from, name: 'reply', count: places.length });
    this.#steps.push({
      op: 'pack',
      from: from.id,
      to: to.id,
      places: this.#constant(Float64Array.from(places)),
    });
    return to;
  }

  #at(value: number): Planned {
    return this.#planned.get(value) as Planned;
  }

  #constant(values: Float64Array): number {
    this.#constants.push(values);
    return this.#constants.length - 1;
  }

  #value(facts: Omit<Planned, 'id'>): Planned {
    const { name, count, parts, level, scale, trained } = facts;
    this.#values.push({ name, count, parts, level, scale, trained });
    return { ...facts, id: this.#values.length - 1 };
  }
}

interface Pending {
  readonly relinearize: boolean;
  readonly rescale: boolean;
}

const NOTHING: Pending = { relinearize: false, rescale: false };
