/**
 * Layouts for a circuit: a beam search over the operations in their order. Every choice is priced by the rotations and diagonals that it
 * takes on the reference processor; the level of an operation is guessed from what follows it. Deterministic.
 */
import { UnsupportedOpError } from '../../base/errors.ts';
import { type Circuit, type CircuitOp, valuesOf } from '../circuit.ts';
import { fusedSquareCost, keySwitchCost, passCost } from '../reference-costs.ts';
import { ciphertextsOf, type Layout, layoutText } from './layout.ts';
import {
  hybridLayout,
  inputLayouts,
  type LinearReader,
  powerOfTwo,
  skewedPeriod,
  windowLayouts,
} from './layout-candidates.ts';
import {
  afterRotateAdd,
  orderMap,
  type PackedCircuit,
  type PackedOp,
  type PackedValue,
} from './packed-circuit.ts';
import type { KeyPlanName } from './key-plans.ts';
import { cheapestWidth, plannedTransform, rotationPath } from './rotations.ts';

/** Plans that are followed at a time. */
const BEAM = 12;
/** Copies of a value that is not the input cost a rotation each time they double; more than this never paid. */
const MAX_MADE_COPIES = 8;
/** No plan has more products of diagonals: their residues would not fit memory. */
const MAX_DIAGONALS = 2 ** 13;

interface Plan {
  readonly values: readonly PackedValue[];
  readonly ops: readonly PackedOp[];
  /** By value of the circuit. */
  readonly where: ReadonlyMap<number, number>;
  readonly cost: number;
  readonly diagonals: number;
}

type LinearOp = Extract<CircuitOp, { readonly op: 'linear' }>;

/** @throws {UnsupportedOpError} when the circuit has no layouts in a ring of `2 slots`: its values are too large. */
export function searchLayouts(circuit: Circuit, logN: number, plan: KeyPlanName = 'tailored'): PackedCircuit {
  return new LayoutSearch(circuit, logN, plan).run();
}

class LayoutSearch {
  readonly #circuit: Circuit;
  readonly #logN: number;
  readonly #slots: number;

  readonly #plan: KeyPlanName;

  constructor(circuit: Circuit, logN: number, plan: KeyPlanName) {
    this.#plan = plan;
    this.#circuit = circuit;
    this.#logN = logN;
    this.#slots = 2 ** (logN - 1);
  }

  run(): PackedCircuit {
    const { values, ops, output, outputRange, inputBound } = this.#circuit;
    const readers = ops.flatMap((op) => (op.op === 'linear' && op.from === 0 ? [readerOf(op)] : []));
    const { name, count, trained } = values[0]!;
    let plans: Plan[] = inputLayouts(count, this.#slots, readers).map((layout) => ({
      values: [{ name, layout, trained }],
      ops: [],
      where: new Map([[0, 0]]),
      cost: 0,
      diagonals: 0,
    }));
    ops.forEach((op, i) => {
      const next = plans.flatMap((plan) => this.#after(plan, op, i));
      plans = this.#best(next, i + 1, values[op.to]!.name);
    });
    // Output o is element o.
    const isInOrder = output.places.every((place, i) => place === i);
    const { count: last } = values[output.value]!;
    const isPlain = isInOrder && output.places.length === last;
    if (!isPlain) {
      const map = orderMap('output', output.places, last);
      plans = this.#best(
        plans.flatMap((plan) => this.#linear(plan, { map, rows: map.outputs }, output.value, -1, ops.length)),
        ops.length + 1,
        map.name,
      );
    }
    const [plan] = plans as [Plan];
    const at = plan.where.get(isPlain ? output.value : -1)!;
    return { values: plan.values, ops: plan.ops, output: at, isTraced: false, outputRange, inputBound };
  }

  /** Of plans with equal layouts of what is still to be read the cheapest. @throws {UnsupportedOpError} when none places `name`. */
  #best(plans: readonly Plan[], next: number, name: string): Plan[] {
    const { ops, output } = this.#circuit;
    const live = new Set(ops.slice(next).flatMap(valuesOf));
    if (next <= ops.length) live.add(output.value);
    else live.add(-1);
    const seen = new Map<string, Plan>();
    for (const made of plans) {
      if (made.diagonals > MAX_DIAGONALS) continue;
      const plan = { ...made, where: new Map([...made.where].filter(([value]) => live.has(value))) };
      const key = [...plan.where]
        .map(([value, at]) => `${value}:${layoutText(plan.values[at]!.layout)}`)
        .join();
      const known = seen.get(key);
      if (known === undefined || plan.cost < known.cost) seen.set(key, plan);
    }
    if (seen.size === 0)
      throw new UnsupportedOpError([`${name}: it has no layout for one sample in a ring of 2^${this.#logN}`]);
    return [...seen.values()].sort((a, b) => a.cost - b.cost).slice(0, BEAM);
  }

  #after(plan: Plan, op: CircuitOp, index: number): Plan[] {
    if (op.op === 'linear') return this.#linear(plan, readerOf(op), op.from, op.to, index);
    if (op.op === 'multiply') return this.#multiply(plan, op, index);
    return this.#combine(plan, op, index);
  }

  /** What is left to do says how high the level is: a product takes one, a map about half of one. */
  #level(index: number): number {
    const left = this.#circuit.ops.slice(index + 1).filter(({ op }) => op !== 'combine').length;
    return 1 + Math.ceil(left / 2);
  }

  #linear(plan: Plan, reader: LinearReader, from: number, to: number, index: number): Plan[] {
    const start = plan.where.get(from)!;
    const source = plan.values[start]!.layout;
    const rows = powerOfTwo(reader.map.outputs);
    const found: Plan[] = [];
    for (const target of windowLayouts(source, reader))
      found.push(this.#transformed(plan, reader, { start, to, target, index }));
    const prepared: { plan: Plan; at: number }[] = [{ plan, at: start }];
    if (source.rest === 'zero' && source.copies === 1 && from !== 0) {
      for (let copies = 2; copies <= MAX_MADE_COPIES; copies *= 2) {
        const period = skewedPeriod(source, copies, rows);
        if (period !== undefined) prepared.push(this.#copied(plan, start, copies, period, index));
      }
    }
    for (const { plan: ready, at } of prepared) {
      const target = hybridLayout(ready.values[at]!.layout, reader.map.outputs);
      if (target !== undefined)
        found.push(this.#transformed(ready, reader, { start: at, to, target, index }));
    }
    return found;
  }

  /** Doubles the copies of a value until there are so many. */
  #copied(
    plan: Plan,
    start: number,
    copies: number,
    period: number,
    index: number,
  ): { plan: Plan; at: number } {
    let [made, at] = [plan, start];
    for (let have = 1; have < copies; have *= 2) {
      const step = this.#slots - have * period;
      [made, at] = this.#rotatedAdd(made, at, step, index);
    }
    return { plan: made, at };
  }

  #rotatedAdd(plan: Plan, from: number, step: number, index: number): [Plan, number] {
    const value = plan.values[from]!;
    const layout = afterRotateAdd(value.layout, step)!;
    const to = plan.values.length;
    const place = { logN: this.#logN, level: this.#level(index), parts: 2 };
    const turns = rotationPath(step, this.#slots, this.#plan).length;
    const cost = ciphertextsOf(layout) * (turns * keySwitchCost(place) + passCost(place));
    return [
      {
        ...plan,
        values: [...plan.values, { ...value, layout }],
        ops: [...plan.ops, { op: 'rotateAdd', from, to, step }],
        cost: plan.cost + cost,
      },
      to,
    ];
  }

  #transformed(
    plan: Plan,
    { map }: LinearReader,
    { start, to, target, index }: { start: number; to: number; target: Layout; index: number },
  ): Plan {
    const source = plan.values[start]!;
    const place = { logN: this.#logN, level: this.#level(index), plan: this.#plan };
    const { width, withKeys: cost } = cheapestWidth(map, source.layout, target, place);
    const parts = plannedTransform(map, source.layout, target, { ...place, width });
    const diagonals = parts.reduce((sum, part) => sum + part.diagonals, 0);
    const { name, trained } = this.#circuit.values[to] ?? { name: map.name, trained: source.trained };
    const at = plan.values.length;
    // Partial sums may be larger than the whole, but what must fit the modulus are coefficients, which are means over all slots.
    const value = { name, layout: target, trained };
    const hasOffsets = map.offsets.some((offset) => offset !== 0);
    let made: Plan = {
      ...plan,
      values: [...plan.values, value],
      ops: [
        ...plan.ops,
        { op: 'transform', from: start, to: at, map: { ...map, offsets: new Float64Array(map.outputs) } },
      ],
      cost: plan.cost + cost,
      diagonals: plan.diagonals + diagonals,
    };
    let last = at;
    for (let layout = target; layout.sums > 1; layout = made.values[last]!.layout)
      [made, last] = this.#rotatedAdd(made, last, (layout.sums / 2) * layout.period, index + 1);
    const whole = made.values[last]!;
    if (hasOffsets) {
      const end = made.values.length;
      made = {
        ...made,
        values: [...made.values, { name, layout: whole.layout, trained }],
        ops: [...made.ops, { op: 'combine', terms: [{ value: last }], constants: map.offsets, to: end }],
      };
      last = end;
    }
    return { ...made, where: new Map([...plan.where, [to, last]]) };
  }

  #multiply(plan: Plan, op: Extract<CircuitOp, { readonly op: 'multiply' }>, index: number): Plan[] {
    return this.#alike(plan, op.a, op.b, index).map(({ plan: ready, a, b }) => {
      const { layout } = ready.values[a]!;
      const { name, trained } = this.#circuit.values[op.to]!;
      const to = ready.values.length;
      const place = { logN: this.#logN, level: this.#level(index), parts: 2 };
      return {
        ...ready,
        values: [...ready.values, { name, layout, trained }],
        ops: [...ready.ops, { op: 'multiply', a, b, to }],
        where: new Map([...ready.where, [op.to, to]]),
        cost: ready.cost + ciphertextsOf(layout) * fusedSquareCost(place),
      };
    });
  }

  /** Both values in one layout; where they are not, one is brought to the other's. */
  #alike(plan: Plan, a: number, b: number, index: number): { plan: Plan; a: number; b: number }[] {
    const [x, y] = [plan.where.get(a)!, plan.where.get(b)!];
    const [first, second] = [plan.values[x]!.layout, plan.values[y]!.layout];
    if (layoutText(first) === layoutText(second)) return [{ plan, a: x, b: y }];
    const move = (value: number, target: Layout): { plan: Plan; at: number } => {
      const { count } = plan.values[plan.where.get(value)!]!.layout;
      const map = orderMap(
        'order',
        Uint32Array.from({ length: count }, (_, i) => i),
        count,
      );
      const moved = this.#transformed(
        plan,
        { map, rows: count },
        { start: plan.where.get(value)!, to: -2, target, index },
      );
      return { plan: moved, at: moved.where.get(-2)! };
    };
    const [left, right] = [move(b, first), move(a, second)];
    return [
      { plan: left.plan, a: x, b: left.at },
      { plan: right.plan, a: right.at, b: y },
    ];
  }

  #combine(plan: Plan, op: Extract<CircuitOp, { readonly op: 'combine' }>, index: number): Plan[] {
    const { name, trained } = this.#circuit.values[op.to]!;
    // Terms in another order are moved first; they are then values of their own.
    let starts: Plan[] = [plan];
    const sources = op.terms.map((term, i) => {
      const { order, value } = term;
      const { count } = this.#circuit.values[value]!;
      if (order === undefined || (order.length === count && order.every((from, at) => from === at)))
        return value;
      const own = -10 - i;
      const map = orderMap(name, order, count);
      starts = starts.flatMap((each) => this.#linear(each, { map, rows: map.outputs }, value, own, index));
      return own;
    });
    return starts.flatMap((ready) => {
      const [first, second] = sources as [number, number?];
      const joined =
        second === undefined
          ? [{ plan: ready, a: ready.where.get(first)!, b: undefined as number | undefined }]
          : this.#alike(ready, first, second, index);
      return joined.map(({ plan: own, a, b }) => {
        const to = own.values.length;
        const terms = [a, ...(b === undefined ? [] : [b])].map((value, i) => {
          const { factors } = op.terms[i]!;
          return { value, ...(factors && { factors }) };
        });
        const { layout } = own.values[a]!;
        return {
          ...own,
          values: [...own.values, { name, layout, trained }],
          ops: [
            ...own.ops,
            { op: 'combine' as const, terms, to, ...(op.constants && { constants: op.constants }) },
          ],
          where: new Map([...own.where, [op.to, to]]),
          cost: own.cost + terms.length * passCost({ logN: this.#logN, level: this.#level(index), parts: 2 }),
        };
      });
    });
  }
}

function readerOf({ map, anchors }: LinearOp): LinearReader {
  if (anchors === undefined) return { map, rows: map.outputs };
  return { map, anchors, rows: map.outputs / anchors.length };
}
