/**
 * Writes WebAssembly functions that run one expression over arrays of float32, four lanes at a time (the SIMD
 * instructions of WebAssembly 2.0). V8 reloads the pointer and length of a typed array at every access, which makes the same
 * loops in JavaScript three to ten times slower than these.
 *
 * The function walks `rows` x `rowBytes`: streams advance through all of it, columns start again with every row, totals are
 * kept in registers and stored at the end.
 */

/** A value of four lanes inside a loop body: the instructions that leave it on the stack. */
export type Lanes = readonly number[];

const MEMORY_IMPORT = 0x02;
const I32 = 0x7f;
const F32 = 0x7d;
const V128 = 0x7b;

function leb(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  do {
    out.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return out;
}

function vectorOp(code: number): number[] {
  return [0xfd, ...leb(code)];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function text(value: string): number[] {
  return [...leb(value.length), ...Array.from(value, (character) => character.charCodeAt(0))];
}

const localGet = (index: number): number[] => [0x20, ...leb(index)];
const localSet = (index: number): number[] => [0x21, ...leb(index)];
const load = [...vectorOp(0), 4, 0];
const store = [...vectorOp(11), 4, 0];

/** How many arrays and numbers a loop works on. */
export interface LoopShape {
  /** Arrays of rows x cols. */
  readonly streams: number;
  /** Arrays of cols, the same for every row. */
  readonly columns?: number;
  readonly scalars?: number;
  /** Sums over everything. */
  readonly totals?: number;
}

/** Collects the body of a loop. Locals: rows, rowBytes, streams, columns, totals' address, scalars; then v128 ones. */
export class LoopBody {
  readonly #shape: Required<LoopShape>;
  readonly #code: number[] = [];
  #locals: number;

  constructor(shape: Required<LoopShape>) {
    this.#shape = shape;
    this.#locals = this.firstVector + shape.scalars + shape.totals;
  }

  /** Index of the first v128 local: splatted scalars, then totals, then what `keep` makes. */
  get firstVector(): number {
    return 3 + this.#shape.streams + this.#shape.columns + this.#shape.scalars + 1;
  }

  get code(): readonly number[] {
    return this.#code;
  }

  get vectorLocals(): number {
    return this.#locals - this.firstVector;
  }

  #columnAddress(index: number): number[] {
    const { streams, columns, scalars } = this.#shape;
    const offset = localGet(3 + streams + columns + scalars);
    return [...localGet(2 + streams + index), ...offset, 0x6a];
  }

  stream(index: number): Lanes {
    return this.keep([...localGet(2 + index), ...load]);
  }

  column(index: number): Lanes {
    return this.keep([...this.#columnAddress(index), ...load]);
  }

  scalar(index: number): Lanes {
    return localGet(this.firstVector + index);
  }

  zero(): Lanes {
    return [...vectorOp(12), ...new Array<number>(16).fill(0)];
  }

  /** Evaluates once; the result may be used many times. */
  keep(value: Lanes): Lanes {
    const index = this.#locals++;
    this.#code.push(...value, ...localSet(index));
    return localGet(index);
  }

  setStream(index: number, value: Lanes): void {
    this.#code.push(...localGet(2 + index), ...value, ...store);
  }

  addToColumn(index: number, value: Lanes): void {
    const address = this.#columnAddress(index);
    this.#code.push(...address, ...address, ...load, ...value, ...vectorOp(228), ...store);
  }

  addToTotal(index: number, value: Lanes): void {
    const local = this.firstVector + this.#shape.scalars + index;
    this.#code.push(...localGet(local), ...value, ...vectorOp(228), ...localSet(local));
  }

  add = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(228)];
  sub = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(229)];
  mul = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(230)];
  div = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(231)];
  min = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(232)];
  max = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(233)];
  sqrt = (a: Lanes): Lanes => [...a, ...vectorOp(227)];
  negate = (a: Lanes): Lanes => [...a, ...vectorOp(225)];
  /** To the nearest integer, ties to even. */
  nearest = (a: Lanes): Lanes => [...a, ...vectorOp(106)];
  /** All bits set where a > b. */
  greater = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(68)];
  /** All bits set where a = b. */
  equal = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(65)];
  and = (a: Lanes, b: Lanes): Lanes => [...a, ...b, ...vectorOp(78)];
}

/** Adds `amount` (a local) to pointer local `index`. */
function advance(index: number, amount: readonly number[]): number[] {
  return [...localGet(index), ...amount, 0x6a, ...localSet(index)];
}

function functionCode(shape: Required<LoopShape>, body: LoopBody): number[] {
  const { streams, columns, scalars, totals } = shape;
  const firstScalar = 2 + streams + columns;
  const totalsAddress = firstScalar + scalars;
  const offset = totalsAddress + 1;
  const code: number[] = [];
  for (let i = 0; i < scalars; i++) {
    code.push(...localGet(firstScalar + i), ...vectorOp(19), ...localSet(body.firstVector + i));
  }
  // loop over rows { offset = 0; loop over columns { body; offset += 16; until offset = rowBytes }; until --rows = 0 }
  const inner = [...body.code];
  for (let i = 0; i < streams; i++) inner.push(...advance(2 + i, [0x41, 16]));
  inner.push(...localGet(offset), 0x41, 16, 0x6a, 0x22, ...leb(offset), ...localGet(1), 0x49, 0x0d, 0);
  code.push(0x03, 0x40, 0x41, 0, ...localSet(offset), 0x03, 0x40, ...inner, 0x0b);
  code.push(...localGet(0), 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b);
  for (let i = 0; i < totals; i++) {
    const local = body.firstVector + scalars + i;
    code.push(...localGet(totalsAddress), ...localGet(local), ...vectorOp(11), 4, ...leb(16 * i));
  }
  const locals = [...leb(2), ...leb(1), I32, ...leb(body.vectorLocals), V128];
  const whole = [...locals, ...code, 0x0b];
  return [...leb(whole.length), ...whole];
}

/**
 * A module with one function `run(rows, rowBytes, ...streams, ...columns, ...scalars, totals)` over an imported memory
 * `m.m`; pointers are 16-byte aligned byte addresses, rows and rowBytes / 16 at least 1.
 */
export function assembleLoop(shape: Required<LoopShape>, body: LoopBody): Uint8Array<ArrayBuffer> {
  const { streams, columns, scalars } = shape;
  const integers = new Array<number>(2 + streams + columns).fill(I32);
  const params = [...integers, ...new Array<number>(scalars).fill(F32), I32];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, ...leb(params.length), ...params, 0]),
    ...section(2, [1, ...text('m'), ...text('m'), MEMORY_IMPORT, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text('run'), 0, 0]),
    ...section(10, [1, ...functionCode(shape, body)]),
  ]);
}
