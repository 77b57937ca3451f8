/**
 * Where values stand in the slots of the estimator by categories. Rows of the table are the outer axis of a ciphertext, columns the inner
 * one, so that sums over rows go round the whole vector, need no mask and leave the result in every row.
 *
 * Later each row of slots serves as many rows of the table as there are ciphertexts, for as many categories as fit: the column of slots
 * ({@link CategoryLayout.columnOf}) is then (c1, q, c0), with q a category and (c1, c0) the ciphertext that the row came in.
 */
import { InvalidParamsError } from '../../../base/errors.ts';

const MAX_MERGED = 4;

export interface CategoryShape {
  /** Rows of the table. */
  readonly rows: number;
  /** Columns of the table. */
  readonly features: number;
  /** Columns that are chosen. */
  readonly chosen: number;
}

export class CategoryLayout {
  readonly slots: number;
  /** Columns of slots: a power of two from the columns of the table. */
  readonly width: number;
  /** Rows of slots. */
  readonly height: number;
  /** Ciphertexts of the table. */
  readonly ciphertexts: number;
  /** Of ciphertexts, c = c1 inner + c0: how many c1 and c0 there are, powers of two. */
  readonly outer: number;
  readonly inner: number;
  /** Categories side by side. */
  readonly across: number;
  readonly categories: number;
  /** Vectors of categories: 2^(bits of a category that do not fit side by side). */
  readonly vectors: number;
  /** Rows that hold the choices of one rank each: a power of two from the chosen. */
  readonly ranks: number;
  /** Rows and columns of the square matrix of the system, a power of two: the chosen, the constant, the right-hand side. */
  readonly order: number;

  /** @throws {InvalidParamsError} that says which of the numbers does not fit. */
  constructor(slots: number, { rows, features, chosen }: CategoryShape) {
    const upward = (n: number): number => 2 ** Math.ceil(Math.log2(n));
    this.slots = slots;
    this.order = upward(chosen + 2);
    this.categories = 2 ** chosen;
    this.ranks = upward(chosen);
    let width = Math.max(2, upward(features), this.order ** 2);
    const refuse = (what: string): never => {
      throw new InvalidParamsError(`${what} for ${slots} slots`, { rows, features, chosen });
    };
    for (; ; width *= 2) {
      if (2 * width ** 2 > slots)
        refuse(
          `${features} columns, ${chosen} of them to be chosen from ${rows} rows, are too many (at most ${2 ** Math.floor(Math.log2(slots / 2) / 2)} columns)`,
        );
      const packed = upward(Math.ceil(rows / (slots / width)));
      if (packed <= width && width / packed >= Math.max(2, chosen)) break;
    }
    this.width = width;
    this.height = slots / width;
    this.ciphertexts = Math.ceil(rows / this.height);
    const packed = upward(this.ciphertexts);
    this.outer = Math.min(MAX_MERGED, packed);
    this.inner = packed / this.outer;
    this.across = width / packed;
    this.vectors = Math.max(1, this.categories / this.across);
    // Counts of both classes and of both together stand below one another.
    if (4 * this.categories > this.height) refuse(`${chosen} chosen columns are too many`);
  }

  row(slot: number): number {
    return Math.floor(slot / this.width) % this.height;
  }

  column(slot: number): number {
    return slot % this.width;
  }

  /** The column of slots of category q (or chosen column q) and ciphertext c. */
  columnOf(q: number, c: number): number {
    return Math.floor(c / this.inner) * (this.width / this.outer) + q * this.inner + (c % this.inner);
  }

  /** What stands in a column of slots: the inverse of {@link columnOf}. */
  packedAt(column: number): { readonly q: number; readonly c: number } {
    const span = this.width / this.outer;
    const [c1, rest] = [Math.floor(column / span), column % span];
    return { q: Math.floor(rest / this.inner), c: c1 * this.inner + (rest % this.inner) };
  }

  /** Bits of a category that stand side by side. */
  get bitsAcross(): number {
    return Math.log2(this.categories / this.vectors);
  }
}
