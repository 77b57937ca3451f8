/**
 * Polynomials of degree up to 4 per element as products and sums of ciphertexts.
 *
 * A quadratic a z^2 + b z + c is a *completed* square a (z + b/2a)^2 + rest where the shift stays near the values: one square, and
 * the shift, the factor and the rest enter the maps around it. Else it is a *product* z (a z + b) + c: a nearly linear one
 * would be the small difference of large squares. Degree 3 is z (a z^2 + b z + c) + d, degree 4 is
 * z^2 (a z^2 + b z + c) + (d z + e); both take two levels.
 */
import { UnsupportedOpError } from '../base/errors.ts';
import type { PolynomialForm } from '../nn/graph/model-graph.ts';
import type { CircuitBuilder, ElementInterval, ElementView } from './circuit-builder.ts';

/** A square is completed when no shift is further away than so many times the largest value. */
const FARTHEST_SHIFT = 1;

type PerElement = (element: number) => number;

export interface PolynomialSubject {
  /** Lowest power first. */
  readonly coefficients: readonly PerElement[];
  /** Elements of the wire. */
  readonly size: number;
  readonly form: PolynomialForm | undefined;
  readonly name: string;
  /** Of the input. */
  readonly range: ElementInterval | undefined;
  /** Of the result. */
  readonly known: ElementInterval | undefined;
}

/** @throws {UnsupportedOpError} above degree 4. */
export function lowerPolynomial(
  builder: CircuitBuilder,
  wire: ElementView,
  subject: PolynomialSubject,
): ElementView {
  const { size, name } = subject;
  const input = isInjective(wire.places) ? wire : builder.materialise(wire, name, subject.range);
  const rows = composed(subject.coefficients, input, size);
  let degree = rows.length - 1;
  while (degree > 0 && rows[degree]!.every((value) => value === 0)) degree--;
  if (degree > 4)
    throw new UnsupportedOpError([
      `a polynomial of degree ${degree} at ${name}: fit one of degree 4 or less`,
    ]);
  const [constant, linear] = [rows[0]!, rows[1] ?? new Float64Array(size)];
  if (degree <= 1) return withView(input, linear, constant);
  if (degree === 2) return quadratic(builder, input, rows, subject);
  return quartic(builder, input, rows.slice(0, degree + 1), subject);
}

/** The coefficients in the ciphertext's own value w, z = factor w + offset, element by element. */
function composed(coefficients: readonly PerElement[], view: ElementView, size: number): Float64Array[] {
  const rows = coefficients.map(() => new Float64Array(size));
  for (let e = 0; e < size; e++) {
    const [f, o] = [view.factor?.[e] ?? 1, view.offset?.[e] ?? 0];
    // Horner's rule in polynomials of w.
    let own: number[] = [];
    for (let k = coefficients.length - 1; k >= 0; k--) {
      const next = new Array<number>(own.length + 1).fill(0);
      own.forEach((value, i) => {
        next[i]! += value * o;
        next[i + 1]! += value * f;
      });
      next[0]! += coefficients[k]!(e);
      own = next;
    }
    own.forEach((value, k) => {
      if (k < rows.length) rows[k]![e] = value;
    });
  }
  return rows;
}

function quadratic(
  builder: CircuitBuilder,
  input: ElementView,
  [c, b, a]: readonly Float64Array[],
  subject: PolynomialSubject,
): ElementView {
  const { form, name, size } = subject;
  const most = builder.trained(input.value);
  const shift = a!.map((value, e) => (b![e] === 0 ? 0 : b![e]! / (2 * value)));
  const isNear = shift.every((value) => Math.abs(value) <= FARTHEST_SHIFT * most);
  const isPossible = shift.every(Number.isFinite);
  if (isPossible && (form === 'completed' || (form === undefined && isNear))) {
    const base = shift.every((value) => value === 0)
      ? input.value
      : builder.combine(
          [{ value: input.value }],
          atPlaces(builder, input, shift),
          name,
          shiftedMax(input, shift, subject),
        );
    const square = builder.product(base, base, name);
    const rest = c!.map((value, e) => value - a![e]! * shift[e]! ** 2);
    return withView({ ...input, value: square }, a!, rest);
  }
  const largest = a!.reduce((sum, value, e) => Math.max(sum, Math.abs(value) * most + Math.abs(b![e]!)), 0);
  const scaled = (row: Float64Array) =>
    atPlaces(
      builder,
      input,
      row.map((value) => value / largest),
    );
  const inner = builder.combine([{ value: input.value, factors: scaled(a!) }], scaled(b!), name);
  const product = builder.product(input.value, inner, name);
  return withView({ ...input, value: product }, new Float64Array(size).fill(largest), c!);
}

/** Degree 3 or 4: the power in front times a quadratic in z whose coefficients are brought below 1. */
function quartic(
  builder: CircuitBuilder,
  input: ElementView,
  rows: readonly Float64Array[],
  { name, size }: PolynomialSubject,
): ElementView {
  const [top, middle, low] = [rows.at(-1)!, rows.at(-2)!, rows.at(-3)!];
  const most = builder.trained(input.value);
  const square = builder.product(input.value, input.value, name);
  const largest = top.reduce(
    (sum, value, e) =>
      Math.max(sum, Math.abs(value) * most ** 2 + Math.abs(middle[e]!) * most + Math.abs(low[e]!)),
    0,
  );
  const scaled = (row: Float64Array) =>
    atPlaces(
      builder,
      input,
      row.map((value) => value / largest),
    );
  const terms = [
    { value: square, factors: scaled(top) },
    { value: input.value, factors: scaled(middle) },
  ];
  const inner = builder.combine(terms, scaled(low), name, 1);
  const factor = new Float64Array(size).fill(largest);
  if (rows.length === 4) {
    const product = builder.product(input.value, inner, name);
    return withView({ ...input, value: product }, factor, rows[0]!);
  }
  const product = builder.product(square, inner, name);
  if (rows[1]!.every((value) => value === 0)) return withView({ ...input, value: product }, factor, rows[0]!);
  const line = [
    { value: product },
    {
      value: input.value,
      factors: atPlaces(
        builder,
        input,
        rows[1]!.map((value) => value / largest),
      ),
    },
  ];
  return withView({ ...input, value: builder.combine(line, undefined, name) }, factor, rows[0]!);
}

/** A row of numbers per element as one per ciphertext; 0 for ciphertexts that hold none. */
function atPlaces(builder: CircuitBuilder, view: ElementView, row: Float64Array): Float64Array {
  const out = new Float64Array(builder.count(view.value));
  row.forEach((value, e) => {
    out[view.places?.[e] ?? e] = value;
  });
  return out;
}

/** The largest |w + shift| over the calibration data, where it is known. */
function shiftedMax(
  view: ElementView,
  shift: Float64Array,
  { range }: PolynomialSubject,
): number | undefined {
  if (range === undefined) return undefined;
  let most = 0;
  shift.forEach((value, e) => {
    const [f, o] = [view.factor?.[e] ?? 1, view.offset?.[e] ?? 0];
    for (const end of [range.low(e), range.high(e)]) most = Math.max(most, Math.abs((end - o) / f + value));
  });
  return Number.isFinite(most) ? most : undefined;
}

function withView({ value, places }: ElementView, factor: Float64Array, offset: Float64Array): ElementView {
  return {
    value,
    ...(places && { places }),
    ...(factor.every((f) => f === 1) ? {} : { factor }),
    ...(offset.every((o) => o === 0) ? {} : { offset }),
  };
}

function isInjective(places: Uint32Array | undefined): boolean {
  return places === undefined || new Set(places).size === places.length;
}
