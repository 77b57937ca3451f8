/**
 * Packed circuit -> steps with the level, parts and exact scale of every value. Encoded weights multiply the scale by 2^bits; products are
 * relinearised at once, since rotations work on two parts; a value is rescaled as soon as what is left of its scale is at least the
 * waterline (EVA, Dathathri et al. 2020), before anything else is done with it.
 */
import { SCALE_TOLERANCE } from '../../schemes/ckks/message-bound.ts';
import type { IntegerMap } from '../integer-map.ts';
import type { ProgramValue, Step, StepList } from '../program.ts';
import { ciphertextsOf, type Layout, layoutText } from './layout.ts';
import type { PackedCircuit, PackedOp } from './packed-circuit.ts';
import { cheapestWidth, type TransformPlace } from './rotations.ts';

export interface PackedScales {
  readonly inputScale: number;
  /** Bits of the weights of transforms and factors; the last transform may have others. */
  readonly weightBits: number;
  readonly lastBits: number;
  /** Log2 of the least scale that a rescaling may leave. */
  readonly waterline: number;
}

export interface PackedSteps extends StepList {
  readonly layouts: readonly Layout[];
}

/** Where a circuit is planned, whatever the level. */
export type PlanPlace = Pick<TransformPlace, 'logN' | 'specials' | 'plan'>;

/** Symbols: primes q_0 .. q_L; the query is at level L. Undefined when the reply would not fit q_0. */
export function planPackedSteps(
  circuit: PackedCircuit,
  primes: readonly number[],
  scales: PackedScales,
  place: PlanPlace,
): PackedSteps | undefined {
  return new PackedPlanner(circuit, primes, scales, place).run();
}

interface Planned extends ProgramValue {
  readonly id: number;
}

/** Bits between two terms of a sum that a factor of one brings together. */
const LEAST_FACTOR_BITS = 12;
/** Log2 of the least scale of a reply. */
const LEAST_REPLY_BITS = 16;
/** Between the scores and the modulus of the reply. */
const REPLY_MARGIN = 4;

class PackedPlanner {
  readonly #circuit: PackedCircuit;
  readonly #primes: readonly number[];
  readonly #scales: PackedScales;
  readonly #values: ProgramValue[] = [];
  readonly #steps: Step[] = [];
  readonly #maps: IntegerMap[] = [];
  readonly #constants: Float64Array[] = [];
  readonly #layouts: Layout[] = [];
  readonly #planned = new Map<number, Planned>();

  readonly #place: PlanPlace;

  constructor(circuit: PackedCircuit, primes: readonly number[], scales: PackedScales, place: PlanPlace) {
    this.#place = place;
    this.#circuit = circuit;
    this.#primes = primes;
    this.#scales = scales;
  }

  run(): PackedSteps | undefined {
    const { values, ops, output, isTraced, outputRange } = this.#circuit;
    const query = this.#value({
      ...{ name: 'query', parts: 2, level: this.#primes.length - 1, scale: this.#scales.inputScale },
      ...this.#placed(values[0]!.layout),
      trained: values[0]!.trained,
    });
    this.#planned.set(0, query);
    const last = ops.findLastIndex((op) => op.op === 'transform');
    ops.forEach((op, i) => {
      const made = this.#operation(op, i === last ? this.#scales.lastBits : this.#scales.weightBits);
      this.#planned.set(op.to, this.#settled(made));
    });
    const largest = Math.max(...outputRange.map(Math.abs));
    let reply = this.#planned.get(output)!;
    // Of a traced reply, what must fit are the coefficients of the mean.
    const { sums } = this.#layoutOf(reply);
    while (reply.level > 0) {
      const scale = reply.scale / sums;
      const fits = 2 * REPLY_MARGIN * largest * scale <= this.#modulus(reply.level - 1);
      if (!fits && Math.log2(scale / this.#primes[reply.level]!) < LEAST_REPLY_BITS) return undefined;
      reply = fits ? this.#lowered(reply, reply.level - 1) : this.#rescaled(reply);
    }
    if (isTraced) reply = this.#traced(reply, sums);
    if (!(reply.scale > 1) || 2 * REPLY_MARGIN * largest * reply.scale > this.#primes[0]!) return undefined;
    return {
      ...{ values: this.#values, maps: this.#maps, constants: this.#constants, steps: this.#steps },
      layouts: this.#layouts,
    };
  }

  #modulus(level: number): number {
    return this.#primes.slice(0, level + 1).reduce((product, prime) => product * prime, 1);
  }

  #operation(op: PackedOp, bits: number): Planned {
    const { name, layout, trained } = this.#circuit.values[op.to]!;
    const facts = { name, ...this.#placed(layout), trained };
    if (op.op === 'transform') {
      const from = this.#at(op.from);
      this.#maps.push(op.map);
      const to = this.#value({ ...from, ...facts, scale: from.scale * 2 ** bits });
      const place = { ...this.#place, level: from.level, top: this.#primes.length - 1 };
      const { width } = cheapestWidth(op.map, this.#layoutOf(from), layout, place);
      this.#steps.push({ op: 'transform', map: this.#maps.length - 1, from: from.id, to: to.id, width });
      return to;
    }
    if (op.op === 'rotateAdd') {
      const from = this.#at(op.from);
      const to = this.#value({ ...from, ...facts });
      this.#steps.push({ op: 'rotateAdd', from: from.id, to: to.id, step: op.step });
      return to;
    }
    if (op.op === 'multiply') {
      const level = Math.min(this.#at(op.a).level, this.#at(op.b).level);
      const a = this.#lowered(this.#at(op.a), level);
      const b = op.a === op.b ? a : this.#lowered(this.#at(op.b), level);
      const product = this.#value({ ...a, ...facts, parts: 3, scale: a.scale * b.scale });
      this.#steps.push({ op: 'multiply', a: a.id, b: b.id, to: product.id });
      const to = this.#value({ ...product, parts: 2 });
      this.#steps.push({ op: 'relinearize', from: product.id, to: to.id });
      return to;
    }
    return this.#combine(op, facts.trained);
  }

  #combine(op: Extract<PackedOp, { readonly op: 'combine' }>, trained: number): Planned {
    const { name } = this.#circuit.values[op.to]!;
    let made = op.terms.map(({ value, factors }) => {
      const from = this.#at(value);
      return factors === undefined
        ? from
        : this.#settled(this.#weighted(from, factors, this.#scales.weightBits));
    });
    if (made.length > 1) {
      const level = Math.min(...made.map((each) => each.level));
      made = made.map((each) => this.#lowered(each, level));
      const largest = Math.max(...made.map(({ scale }) => scale));
      const ratios = made.map(({ scale }) => Math.log2(largest / scale));
      if (ratios.some((ratio) => ratio > SCALE_TOLERANCE)) {
        const more = ratios.some((ratio) => ratio > SCALE_TOLERANCE && ratio < LEAST_FACTOR_BITS)
          ? LEAST_FACTOR_BITS
          : 0;
        made = made.map((each, i) => {
          const bits = ratios[i]! + more;
          return bits <= SCALE_TOLERANCE
            ? each
            : this.#weighted(each, new Float64Array(this.#layoutOf(each).count).fill(1), bits);
        });
      }
    }
    let sum = made[0] as Planned;
    for (const term of made.slice(1)) {
      const to = this.#value({ ...sum, name, trained });
      this.#steps.push({ op: 'add', a: sum.id, b: term.id, to: to.id });
      sum = to;
    }
    if (op.constants?.some((constant) => constant !== 0) === true) {
      const to = this.#value({ ...sum, name, trained });
      this.#steps.push({ op: 'addPlain', from: sum.id, to: to.id, addends: this.#constant(op.constants) });
      sum = to;
    }
    return sum;
  }

  #weighted(from: Planned, factors: Float64Array, bits: number): Planned {
    const most = factors.reduce((sum, factor) => Math.max(sum, Math.abs(factor)), 0);
    const to = this.#value({ ...from, scale: from.scale * 2 ** bits, trained: from.trained * most });
    this.#steps.push({ op: 'multiplyPlain', from: from.id, to: to.id, factors: this.#constant(factors) });
    return to;
  }

  #settled(value: Planned): Planned {
    let at = value;
    while (at.level > 0 && Math.log2(at.scale / this.#primes[at.level]!) >= this.#scales.waterline)
      at = this.#rescaled(at);
    return at;
  }

  #rescaled(from: Planned): Planned {
    const prime = this.#primes[from.level]!;
    const to = this.#value({ ...from, level: from.level - 1, scale: from.scale / prime });
    this.#steps.push({ op: 'rescale', from: from.id, to: to.id });
    return to;
  }

  #lowered(from: Planned, level: number): Planned {
    if (from.level === level) return from;
    const to = this.#value({ ...from, level });
    this.#steps.push({ op: 'lower', from: from.id, to: to.id });
    return to;
  }

  #traced(from: Planned, sums: number): Planned {
    const placed = this.#placed({ ...this.#layoutOf(from), sums: 1 });
    const to = this.#value({ ...from, ...placed, scale: from.scale / sums });
    this.#steps.push({ op: 'trace', from: from.id, to: to.id });
    return to;
  }

  #at(value: number): Planned {
    return this.#planned.get(value) as Planned;
  }

  #layoutOf({ layout }: ProgramValue): Layout {
    return this.#layouts[layout as number] as Layout;
  }

  #placed(layout: Layout): { layout: number; count: number } {
    const text = layoutText(layout);
    let index = this.#layouts.findIndex(
      (known) => known.count === layout.count && layoutText(known) === text,
    );
    if (index < 0) {
      index = this.#layouts.length;
      this.#layouts.push(layout);
    }
    return { layout: index, count: ciphertextsOf(layout) };
  }

  #constant(values: Float64Array): number {
    this.#constants.push(values);
    return this.#constants.length - 1;
  }

  #value(facts: Omit<Planned, 'id'>): Planned {
    const { name, count, parts, level, scale, trained, layout } = facts;
    this.#values.push({ name, count, parts, level, scale, trained, layout: layout as number });
    return { ...facts, id: this.#values.length - 1 };
  }
}
