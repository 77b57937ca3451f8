/**
 * The attack on a model with one square whose scores stay: a client that sees places alone walks from one input to another of another place and halves
 * the way until it stands on the border, where two scores are equal. Each border point is one linear equation on the coefficients of the 1 + n + n (n + 1) / 2
 * monomials of the scores; enough of them give the scores up to one factor and one common polynomial, which no place ever shows.
 *
 * It is what the price of a decision at the server is measured against, as {@link QuadraticCopy} is where scores leave.
 */
import { ShapeError } from '../../base/errors.ts';
import { monomialsOf, quadraticMonomials, solved } from './copy-attack.ts';

/** Halvings of one way: beyond it the levels of the scores, which are all that places depend on, hide the border. */
const HALVINGS = 10;
/** Inverse iterations for the smallest singular vector. */
const ITERATIONS = 30;
/** Keeps the equations solvable; far below what a border point is off by. */
const RIDGE = 1e-9;

export interface LabelCopyOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** How many places are asked for at most. */
  readonly queries: number;
  /** A fresh input, as the attacker guesses them. */
  readonly draw: () => Float64Array;
}

export class LabelCopy {
  readonly queries: number;
  /** Border points that were found. */
  readonly equations: number;
  readonly #inputs: number;
  readonly #outputs: number;
  /** [outputs - 1, monomials]; the last output's are zero. */
  readonly #coefficients: Float64Array;

  private constructor(
    facts: { readonly queries: number; readonly equations: number },
    { inputs, outputs }: LabelCopyOptions,
    coefficients: Float64Array,
  ) {
    this.queries = facts.queries;
    this.equations = facts.equations;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#coefficients = coefficients;
  }

  /** Asks `place` until the queries are spent, and solves for the scores. @throws {ShapeError} when no border was found. */
  static fit(place: (x: Float64Array) => number, options: LabelCopyOptions): LabelCopy {
    const { inputs, outputs, queries, draw } = options;
    const size = (outputs - 1) * quadraticMonomials(inputs);
    const gram = Array.from({ length: size }, (_, k) => {
      const row = new Float64Array(2 * size);
      row[k] = RIDGE;
      return row;
    });
    const known: { readonly x: Float64Array; readonly at: number }[] = [];
    let [asked, equations] = [0, 0];
    while (asked + HALVINGS + 2 <= queries) {
      let [from, to] = [draw(), draw()];
      const [first, last] = [place(from), place(to)];
      asked += 2;
      known.push({ x: from, at: first }, { x: to, at: last });
      if (first === last) continue;
      let end = last;
      for (let i = 0; i < HALVINGS; i++) {
        const middle = between(from, to);
        const at = place(middle);
        if (at === first) from = middle;
        else [to, end] = [middle, at];
      }
      asked += HALVINGS;
      addEquation(gram, monomialsOf(between(from, to)), first, end);
      equations++;
    }
    if (equations === 0) throw new ShapeError('the border points of a copy', 'at least one', 0);
    const found = smallestVector(gram, size);
    const copyOf = (coefficients: Float64Array): LabelCopy =>
      new LabelCopy({ queries: asked, equations }, options, coefficients);
    const [copy, turned] = [copyOf(found), copyOf(found.map((value) => -value))];
    const right = (each: LabelCopy): number => known.filter(({ x, at }) => each.#place(x) === at).length;
    return right(turned) > right(copy) ? turned : copy;
  }

  /** Scores of the copy, `[samples, outputs]`, up to what no place shows. */
  run(x: ArrayLike<number>): Float64Array {
    const samples = x.length / this.#inputs;
    const out = new Float64Array(samples * this.#outputs);
    const size = quadraticMonomials(this.#inputs);
    for (let t = 0; t < samples; t++) {
      const m = monomialsOf(Float64Array.from({ length: this.#inputs }, (_, i) => x[t * this.#inputs + i]!));
      for (let o = 0; o + 1 < this.#outputs; o++)
        out[t * this.#outputs + o] = m.reduce(
          (sum, each, k) => sum + each * this.#coefficients[o * size + k]!,
          0,
        );
    }
    return out;
  }

  #place(x: Float64Array): number {
    const scores = this.run(x);
    return scores.indexOf(Math.max(...scores));
  }
}

function between(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, j) => (value + b[j]!) / 2);
}

/** m (w_first - w_second) = 0; the last output has no coefficients. */
function addEquation(gram: readonly Float64Array[], m: Float64Array, first: number, second: number): void {
  const terms: [number, number][] = [];
  const norm = Math.hypot(...m);
  for (const [output, sign] of [
    [first, 1],
    [second, -1],
  ] as const)
    m.forEach((value, k) => {
      const at = output * m.length + k;
      if (at < gram.length) terms.push([at, (sign * value) / norm]);
    });
  for (const [a, x] of terms) for (const [b, y] of terms) gram[a]![b]! += x * y;
}

/** The vector that a symmetric positive matrix, the left half of `gram`, shortens most. Overwrites it. */
function smallestVector(gram: Float64Array[], size: number): Float64Array {
  gram.forEach((row, k) => {
    row[size + k] = 1;
  });
  const inverse = solved(gram, size);
  let vector = Float64Array.from({ length: size }, (_, k) => Math.sin(1 + k));
  for (let i = 0; i < ITERATIONS; i++) {
    const next = Float64Array.from(inverse, (row) =>
      row.reduce((sum, each, k) => sum + each * vector[k]!, 0),
    );
    const norm = Math.hypot(...next);
    vector = next.map((value) => value / norm);
  }
  return vector;
}
