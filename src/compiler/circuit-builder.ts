/** Puts a circuit together operation by operation and follows the bounds of its values. */
import type { Circuit, CircuitOp, CircuitValue, CombinedTerm } from './circuit.ts';
import { type IntegerMap, largestOf, mapBounds } from './integer-map.ts';
import type { WireView } from './quantise-map.ts';

/** The elements of a wire as factor * (ciphertext of `value`) + offset. */
export interface ElementView extends WireView {
  readonly value: number;
}

/** Interval of the elements of a wire over the calibration data. */
export interface ElementInterval {
  readonly low: (element: number) => number;
  readonly high: (element: number) => number;
}

export class CircuitBuilder {
  readonly #values: CircuitValue[] = [];
  readonly #ops: CircuitOp[] = [];
  readonly #inputBound: number;

  constructor(inputs: number, inputBound: number) {
    this.#inputBound = inputBound;
    const proven = new Float64Array(inputs).fill(inputBound);
    this.#values.push({ name: 'input', count: inputs, trained: inputBound, proven });
  }

  /** Ciphertexts of a value. */
  count(value: number): number {
    return this.#values[value]!.count;
  }

  trained(value: number): number {
    return this.#values[value]!.trained;
  }

  linear(from: number, map: IntegerMap, known: ElementInterval | undefined, anchors?: Uint32Array): number {
    const proven = mapBounds(map, this.#values[from]!.proven);
    const to = this.#value(map.name, proven, rangeMax(known, map.outputs) ?? largestOf(proven));
    this.#ops.push({ op: 'linear', from, to, map, ...(anchors && { anchors }) });
    return to;
  }

  /** The product of two values, ciphertext by ciphertext. */
  product(a: number, b: number, name: string): number {
    const [x, y] = [this.#values[a]!, this.#values[b]!];
    const proven = x.proven.map((bound, i) => bound * y.proven[i]!);
    const to = this.#value(name, proven, x.trained * y.trained);
    this.#ops.push({ op: 'multiply', a, b, to });
    return to;
  }

  /** `trained`: the largest |value|, where the sum of the terms' would be too much. */
  combine(
    terms: readonly CombinedTerm[],
    constants: Float64Array | undefined,
    name: string,
    trained?: number,
  ): number {
    const first = terms[0] as CombinedTerm;
    const count = first.order?.length ?? this.count(first.value);
    const proven = Float64Array.from({ length: count }, (_, i) =>
      terms.reduce(
        (sum, { value, factors, order }) => {
          const bound = this.#values[value]!.proven[order?.[i] ?? i]!;
          return sum + Math.abs(factors?.[i] ?? 1) * bound;
        },
        Math.abs(constants?.[i] ?? 0),
      ),
    );
    const sum = terms.reduce(
      (total, { value, factors }) =>
        total + this.trained(value) * (factors === undefined ? 1 : largestOf(factors)),
      constants === undefined ? 0 : largestOf(constants),
    );
    const to = this.#value(name, proven, Math.min(trained ?? sum, largestOf(proven)));
    this.#ops.push({ op: 'combine', terms, to, ...(constants === undefined ? {} : { constants }) });
    return to;
  }

  /** A view without factors and offsets, at most one element per ciphertext. */
  materialise(view: ElementView, name: string, known?: ElementInterval): ElementView {
    const { value, places, factor, offset } = view;
    const isPlain = (factor?.every((f) => f === 1) ?? true) && (offset?.every((o) => o === 0) ?? true);
    const isInjective = places === undefined || new Set(places).size === places.length;
    if (isPlain && isInjective) return places === undefined ? { value } : { value, places };
    const term = { value, ...(places && { order: places }), ...(factor && { factors: factor }) };
    const size = places?.length ?? factor?.length ?? offset?.length ?? this.count(value);
    return { value: this.combine([term], offset, name, rangeMax(known, size)) };
  }

  /** Element by element; factors of both go into the view of the result. */
  multiply(a: ElementView, b: ElementView, name: string, known?: ElementInterval): ElementView {
    const x = a.offset === undefined ? a : this.materialise(a, name);
    const y = b.offset === undefined ? b : this.materialise(b, name);
    const size = x.places?.length ?? y.places?.length ?? this.count(x.value);
    const [p, q] = [this.#inOrder(x, size, name), this.#inOrder(y, size, name)];
    const value = this.product(p.value, q.value, name);
    const trained = rangeMax(known, size);
    if (p.factor === undefined && q.factor === undefined) {
      if (trained !== undefined) this.#values[value] = { ...this.#values[value]!, trained };
      return { value };
    }
    const factor = Float64Array.from({ length: size }, (_, i) => (p.factor?.[i] ?? 1) * (q.factor?.[i] ?? 1));
    return { value, factor };
  }

  add(a: ElementView, b: ElementView, size: number, name: string, known?: ElementInterval): ElementView {
    const terms = [a, b].map(({ value, places, factor }) => ({
      value,
      ...(isIdentity(places) && this.count(value) === size ? {} : { order: places ?? identity(size) }),
      ...(factor && { factors: factor }),
    }));
    const hasOffset = a.offset !== undefined || b.offset !== undefined;
    const offset = Float64Array.from({ length: size }, (_, i) => (a.offset?.[i] ?? 0) + (b.offset?.[i] ?? 0));
    return { value: this.combine(terms, hasOffset ? offset : undefined, name, rangeMax(known, size)) };
  }

  finish(output: Circuit['output'], range: readonly [number, number] | undefined): Circuit {
    const proven = largestOf(this.#values[output.value]!.proven);
    return {
      values: this.#values,
      ops: mergeShifts(this.#ops),
      output,
      outputRange: range ?? [-proven, proven],
      inputBound: this.#inputBound,
    };
  }

  /** One ciphertext per element, element e in ciphertext e. */
  #inOrder(view: ElementView, size: number, name: string): ElementView {
    if (isIdentity(view.places) && this.count(view.value) === size) return view;
    const order = view.places ?? identity(size);
    return {
      value: this.combine([{ value: view.value, order }], undefined, name),
      ...(view.factor && { factor: view.factor }),
    };
  }

  #value(name: string, proven: Float64Array, trained: number): number {
    this.#values.push({ name, count: proven.length, trained, proven });
    return this.#values.length - 1;
  }
}

/** A constant that is added to the only use of a linear map's result becomes part of its offsets. */
function mergeShifts(ops: readonly CircuitOp[]): CircuitOp[] {
  const uses = new Map<number, number>();
  const use = (value: number) => uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const op of ops) {
    if (op.op === 'linear') use(op.from);
    else if (op.op === 'multiply') [op.a, op.b].forEach(use);
    else for (const { value } of op.terms) use(value);
  }
  const merged: CircuitOp[] = [];
  for (const op of ops) {
    const term = op.op === 'combine' && op.terms.length === 1 ? op.terms[0] : undefined;
    const at = term === undefined ? -1 : merged.findIndex((other) => other.to === term.value);
    const source = merged[at];
    const isShift = term !== undefined && term.factors === undefined && term.order === undefined;
    if (op.op === 'combine' && isShift && source?.op === 'linear' && uses.get(source.to) === 1) {
      const offsets = source.map.offsets.map((offset, i) => offset + (op.constants?.[i] ?? 0));
      merged[at] = { ...source, to: op.to, map: { ...source.map, offsets } };
    } else merged.push(op);
  }
  return merged;
}

function identity(size: number): Uint32Array {
  return Uint32Array.from({ length: size }, (_, i) => i);
}

function isIdentity(places: Uint32Array | undefined): boolean {
  return places?.every((place, i) => place === i) ?? true;
}

function rangeMax(known: ElementInterval | undefined, size: number): number | undefined {
  if (known === undefined) return undefined;
  let most = 0;
  for (let i = 0; i < size; i++) most = Math.max(most, Math.abs(known.low(i)), Math.abs(known.high(i)));
  return most;
}
