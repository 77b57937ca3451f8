import { LoopBody, assembleLoop } from './vector-assembler.ts';
import type { LoopShape } from './vector-assembler.ts';

/** Floats of one stream that are staged at a time: three or four streams stay in the second-level cache. */
const STAGE_FLOATS = 16_384;
/** Column sums are moved from float32 to double precision at least this often, in rows. */
const FLUSH_ROWS = 64;
const PAGE = 65_536;

/** The memory in which all loops work; grows to the largest need and is then reused. */
const memory = new WebAssembly.Memory({ initial: 16 });
let floats = new Float32Array(memory.buffer);

function staged(length: number): Float32Array {
  if (length > floats.length) {
    memory.grow(Math.ceil(((length - floats.length) * 4) / PAGE));
    floats = new Float32Array(memory.buffer);
  }
  return floats;
}

/** The arrays of one run. Results are written into them. */
export interface LoopArrays {
  /** Rows x cols each. */
  readonly streams: readonly Float32Array[];
  /** Cols each; read only. */
  readonly columns?: readonly Float32Array[];
  /** Cols each; what the body adds to column `columns.length + i` over all rows is added to these. */
  readonly sums?: readonly Float64Array[];
  readonly scalars?: readonly number[];
}

export interface LoopDescription extends Omit<LoopShape, 'columns'> {
  /** Columns that are read. */
  readonly columns?: number;
  /** Columns that collect sums over rows; numbered after the ones that are read. */
  readonly sums?: number;
  /** Streams that the body reads; the others are only written. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

/** One elementwise loop, compiled at first use. Arithmetic is IEEE float32: the same on every machine. */
export class VectorLoop {
  readonly #description: LoopDescription;
  readonly #shape: Required<LoopShape>;
  readonly #write: (body: LoopBody) => void;
  #run: ((...args: number[]) => void) | undefined;

  constructor(description: LoopDescription, write: (body: LoopBody) => void) {
    this.#description = description;
    this.#shape = {
      streams: description.streams,
      columns: (description.columns ?? 0) + (description.sums ?? 0),
      scalars: description.scalars ?? 0,
      totals: description.totals ?? 0,
    };
    this.#write = write;
  }

  #compiled(): (...args: number[]) => void {
    if (this.#run !== undefined) return this.#run;
    const body = new LoopBody(this.#shape);
    this.#write(body);
    const module = new WebAssembly.Module(assembleLoop(this.#shape, body));
    const run = new WebAssembly.Instance(module, { m: { m: memory } }).exports['run'];
    this.#run = run as (...args: number[]) => void;
    return this.#run;
  }

  /** Runs over `rows` x `cols` and returns the totals. A loop without columns may be given one long row. */
  run(rows: number, cols: number, arrays: LoopArrays): Float64Array {
    const totals = new Float64Array(this.#shape.totals);
    if (rows * cols === 0) return totals;
    if (this.#shape.columns === 0) this.#runFlat(rows * cols, arrays, totals);
    else this.#runRows(rows, cols, arrays, totals);
    return totals;
  }

  /** Calls the compiled loop on `rows` staged rows of `stride` floats; streams lie `room` floats apart from 16 on. */
  #call(
    rows: number,
    stride: number,
    room: number,
    columnsAt: number,
    arrays: LoopArrays,
    totals: Float64Array,
  ): void {
    const args = [rows, stride * 4];
    for (let i = 0; i < this.#shape.streams; i++) args.push((16 + i * room) * 4);
    for (let i = 0; i < this.#shape.columns; i++) args.push((columnsAt + i * stride) * 4);
    if (arrays.scalars !== undefined) args.push(...arrays.scalars);
    this.#compiled()(...args, 0);
    for (let i = 0; i < totals.length; i++) {
      totals[i] += floats[4 * i] + floats[4 * i + 1] + floats[4 * i + 2] + floats[4 * i + 3];
    }
  }

  #runFlat(length: number, arrays: LoopArrays, totals: Float64Array): void {
    const { reads, writes, streams } = this.#description;
    const stage = staged(16 + streams * STAGE_FLOATS);
    for (let start = 0; start < length; start += STAGE_FLOATS) {
      const count = Math.min(STAGE_FLOATS, length - start);
      const padded = (count + 3) & ~3;
      for (const i of reads) {
        const at = 16 + i * STAGE_FLOATS;
        stage.set(arrays.streams[i].subarray(start, start + count), at);
        // Lanes past the end must not disturb totals: zeros are neutral in every loop that has some.
        if (padded > count) stage.fill(0, at + count, at + padded);
      }
      this.#call(1, padded, STAGE_FLOATS, 0, arrays, totals);
      for (const i of writes) {
        const at = 16 + i * STAGE_FLOATS;
        arrays.streams[i].set(stage.subarray(at, at + count), start);
      }
    }
  }

  #runRows(rows: number, cols: number, arrays: LoopArrays, totals: Float64Array): void {
    const { reads, writes, streams } = this.#description;
    const stride = (cols + 3) & ~3;
    const block = Math.max(1, Math.min(rows, FLUSH_ROWS, Math.floor(STAGE_FLOATS / stride)));
    const room = block * stride;
    const columnsAt = 16 + streams * room;
    const stage = staged(columnsAt + this.#shape.columns * stride);
    const columns = arrays.columns ?? [];
    const sumsAt = columnsAt + columns.length * stride;
    columns.forEach((values, i) => {
      stage.set(values, columnsAt + i * stride);
      stage.fill(0, columnsAt + i * stride + cols, columnsAt + (i + 1) * stride);
    });
    const sums = arrays.sums ?? [];
    stage.fill(0, sumsAt, sumsAt + sums.length * stride);
    let unflushed = 0;
    for (let start = 0; start < rows; start += block) {
      const count = Math.min(block, rows - start);
      for (const i of reads) stageRows(stage, arrays.streams[i], 16 + i * room, start, count, cols, stride);
      this.#call(count, stride, room, columnsAt, arrays, totals);
      for (const i of writes)
        unstageRows(arrays.streams[i], stage, 16 + i * room, start, count, cols, stride);
      unflushed += count;
      if (unflushed + block <= FLUSH_ROWS && start + count < rows) continue;
      unflushed = 0;
      sums.forEach((target, i) => {
        const at = sumsAt + i * stride;
        for (let j = 0; j < cols; j++) target[j] += stage[at + j];
        stage.fill(0, at, at + stride);
      });
    }
  }
}

function stageRows(
  stage: Float32Array,
  from: Float32Array,
  at: number,
  start: number,
  rows: number,
  cols: number,
  stride: number,
): void {
  if (cols === stride) {
    stage.set(from.subarray(start * cols, (start + rows) * cols), at);
    return;
  }
  for (let row = 0; row < rows; row++) {
    const source = (start + row) * cols;
    stage.set(from.subarray(source, source + cols), at + row * stride);
    stage.fill(0, at + row * stride + cols, at + (row + 1) * stride);
  }
}

function unstageRows(
  to: Float32Array,
  stage: Float32Array,
  at: number,
  start: number,
  rows: number,
  cols: number,
  stride: number,
): void {
  if (cols === stride) {
    to.set(stage.subarray(at, at + rows * cols), start * cols);
    return;
  }
  for (let row = 0; row < rows; row++) {
    to.set(stage.subarray(at + row * stride, at + row * stride + cols), (start + row) * cols);
  }
}
