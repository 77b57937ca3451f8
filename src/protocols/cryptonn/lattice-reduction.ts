/**
 * Lattice reduction in exact integers, for attacks of small dimension: Lenstra, Lenstra and Lovasz (1982) in the all-integer form of
 * de Weger (1989) [Cohen, A Course in Computational Algebraic Number Theory, algorithm 2.6.7].
 */

/** Lovasz' constant is 3/4. */
const [DELTA_NUMERATOR, DELTA_DENOMINATOR] = [3n, 4n];

const abs = (x: bigint) => (x < 0n ? -x : x);

/** The integer closest to a / b for b > 0. */
function quotient(a: bigint, b: bigint): bigint {
  const doubled = 2n * a + b;
  const whole = doubled / (2n * b);
  return doubled < 0n && whole * 2n * b !== doubled ? whole - 1n : whole;
}

function inner(a: readonly bigint[], b: readonly bigint[]): bigint {
  let sum = 0n;
  for (let i = 0; i < a.length; i++) sum += (a[i] as bigint) * (b[i] as bigint);
  return sum;
}

/**
 * A reduced basis of the lattice that linearly independent rows span. Rows are short: the first is at most 2^((n-1)/2) times the
 * shortest vector, in practice far less.
 */
export function reduceBasis(basis: readonly (readonly bigint[])[]): bigint[][] {
  const state = new IntegralGramSchmidt(basis);
  const { rows } = state;
  for (let k = 1; k < rows.length; ) {
    state.shorten(k, k - 1);
    if (state.isOutOfOrder(k)) {
      state.swap(k);
      k = Math.max(1, k - 1);
    } else {
      for (let l = k - 2; l >= 0; l--) state.shorten(k, l);
      k++;
    }
  }
  return rows;
}

/** Gram-Schmidt without fractions: minors d_i of the Gram matrix, and lambda_ij = d_j mu_ij. */
class IntegralGramSchmidt {
  readonly rows: bigint[][];
  /** `minors[i + 1]` is d_i; `minors[0]` is 1. */
  readonly #minors: bigint[] = [1n];
  readonly #lambda: bigint[][];

  constructor(basis: readonly (readonly bigint[])[]) {
    this.rows = basis.map((row) => [...row]);
    this.#lambda = this.rows.map(() => []);
    for (let k = 0; k < this.rows.length; k++) {
      const own = this.#lambda[k] as bigint[];
      for (let j = 0; j <= k; j++) {
        const other = this.#lambda[j] as bigint[];
        let u = inner(this.rows[k] as bigint[], this.rows[j] as bigint[]);
        for (let i = 0; i < j; i++)
          u = (this.#minor(i) * u - (own[i] as bigint) * (other[i] as bigint)) / this.#minor(i - 1);
        if (j < k) own.push(u);
        else this.#minors.push(u);
      }
      if (this.#minor(k) === 0n) throw new RangeError('the rows of a basis are linearly dependent');
    }
  }

  #minor(i: number): bigint {
    return this.#minors[i + 1] as bigint;
  }

  /** Subtracts from row k the multiple of row l that brings |mu_kl| to at most 1/2. */
  shorten(k: number, l: number): void {
    const [own, other] = [this.#lambda[k] as bigint[], this.#lambda[l] as bigint[]];
    const d = this.#minor(l);
    if (2n * abs(own[l] as bigint) <= d) return;
    const q = quotient(own[l] as bigint, d);
    const [target, source] = [this.rows[k] as bigint[], this.rows[l] as bigint[]];
    for (let i = 0; i < target.length; i++) target[i] = (target[i] as bigint) - q * (source[i] as bigint);
    own[l] = (own[l] as bigint) - q * d;
    for (let i = 0; i < l; i++) own[i] = (own[i] as bigint) - q * (other[i] as bigint);
  }

  /** True where Lovasz' condition fails between rows k - 1 and k. */
  isOutOfOrder(k: number): boolean {
    const d = this.#minor(k - 1);
    const lambda = (this.#lambda[k] as bigint[])[k - 1] as bigint;
    const left = DELTA_DENOMINATOR * (this.#minor(k) * this.#minor(k - 2) + lambda * lambda);
    return left < DELTA_NUMERATOR * d * d;
  }

  swap(k: number): void {
    const { rows } = this;
    [rows[k - 1], rows[k]] = [rows[k] as bigint[], rows[k - 1] as bigint[]];
    const [upper, lower] = [this.#lambda[k] as bigint[], this.#lambda[k - 1] as bigint[]];
    for (let j = 0; j < k - 1; j++) [upper[j], lower[j]] = [lower[j] as bigint, upper[j] as bigint];
    const lambda = upper[k - 1] as bigint;
    const [before, d] = [this.#minor(k - 1), this.#minor(k)];
    const after = (this.#minor(k - 2) * d + lambda * lambda) / before;
    for (let i = k + 1; i < rows.length; i++) {
      const row = this.#lambda[i] as bigint[];
      const t = row[k] as bigint;
      const moved = (d * (row[k - 1] as bigint) - lambda * t) / before;
      row[k] = moved;
      row[k - 1] = (after * t + lambda * moved) / d;
    }
    this.#minors[k] = after;
  }
}
