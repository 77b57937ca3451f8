/** Rows of numbers by their entries that are not zero, one after another. */

/** Differences are looked at in blocks of so many, since nearly all of them are zero. */
const BLOCK = 4;

export class SparseRows {
  #columns = new Uint32Array(64);
  #values = new Float64Array(64);
  #ends: number[] = [];
  #used = 0;

  get count(): number {
    return this.#ends.length;
  }

  /** Of all rows. */
  get columns(): Uint32Array {
    return this.#columns;
  }

  get values(): Float64Array {
    return this.#values;
  }

  start(row: number): number {
    return row === 0 ? 0 : (this.#ends[row - 1] as number);
  }

  end(row: number): number {
    return this.#ends[row] as number;
  }

  push(vector: ArrayLike<number>): void {
    this.#reserve(vector.length);
    const [columns, values] = [this.#columns, this.#values];
    let used = this.#used;
    for (let j = 0; j < vector.length; j++) {
      const value = vector[j] as number;
      if (value === 0) continue;
      columns[used] = j;
      values[used++] = value;
    }
    this.#end(used);
  }

  /** The row at `start` of `vectors` or its difference from the one there in `known`, whichever has more zeros. */
  pushChange(vectors: Int32Array, known: Int32Array, start: number, length: number): void {
    this.#reserve(length);
    const [columns, values, first] = [this.#columns, this.#values, this.#used];
    let used = first;
    for (let j = 0; j < length; j += BLOCK) {
      const at = start + j;
      // Beyond the end of the row they are looked at once more, below.
      const any =
        (vectors[at] ^ known[at]) |
        (vectors[at + 1] ^ known[at + 1]) |
        (vectors[at + 2] ^ known[at + 2]) |
        (vectors[at + 3] ^ known[at + 3]);
      if (any === 0) continue;
      const end = Math.min(j + BLOCK, length);
      for (let k = j; k < end; k++) {
        const change = vectors[start + k] - known[start + k];
        if (change === 0) continue;
        columns[used] = k;
        values[used++] = change;
      }
    }
    const row = vectors.subarray(start, start + length);
    // Where half of a row changed the row itself may have more zeros.
    if (2 * (used - first) > length && used - first > nonzeroCount(row)) this.push(row);
    else this.#end(used);
  }

  #end(used: number): void {
    this.#used = used;
    this.#ends.push(used);
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#columns.length) return;
    const capacity = 2 * (this.#used + more);
    const [columns, values] = [new Uint32Array(capacity), new Float64Array(capacity)];
    columns.set(this.#columns);
    values.set(this.#values);
    [this.#columns, this.#values] = [columns, values];
  }
}

function nonzeroCount(values: Int32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) count++;
  return count;
}
