/** Matrix products of the WebAssembly kernel: how the inner dimension is cut so that sums of doubles stay exact. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError } from '../../base/errors.ts';
import type { GemmWeights } from '../kernel.ts';
import { checkGemmWeights } from '../preconditions.ts';
import type { WasmMemory } from './wasm-memory.ts';
import type { WasmRing } from './wasm-ring.ts';
import type { WasmContext } from './wasm-switch.ts';

/** Rows that the inner loop of assembly/gemm.ts takes at once. */
const ROW_TILE = 4;
/** A panel of packed columns stays in the second-level cache. */
const PANEL_BYTES = 160 * 1024;
const MAX_PANEL_WIDTH = 32;
/** A row of four doubles in a tile of the panel. */
const TILE_ROW_BYTES = 32;
/** Rows of the panel of several positions, so that eight columns of it stay in the cache. */
const GROUP_ROWS = PANEL_BYTES / (8 * 8);
/** Below this many terms between reductions, two products of half-width residues are faster. */
const MIN_CHUNK = 4;

/** The pieces of assembly/gemm.ts: which part of a residue is multiplied, and what becomes of the sums. */
const WHOLE = { piece: 0, action: 0 };
const HIGH_THEN_LOW = [
  { piece: 2, action: 1 },
  { piece: 1, action: 2 },
];
const SPLIT_BITS = 26;

interface GemmPlan {
  readonly isSplit: boolean;
  /** Address and count of the chunk ends, all row tiles. */
  readonly chunks: number;
}

export class WasmWeights implements GemmWeights {
  readonly rows: number;
  readonly cols: number;
  readonly maxAbs: number;
  readonly memory: WasmMemory;
  readonly #values: Int32Array;
  readonly #packed: number;
  readonly #plans = new Map<number, GemmPlan>();
  #isLive = true;

  constructor({ exports, memory }: WasmContext, values: Int32Array, rows: number, cols: number) {
    this.maxAbs = checkGemmWeights(values, rows, cols);
    this.rows = rows;
    this.cols = cols;
    this.memory = memory;
    this.#values = Int32Array.from(values);
    this.#packed = memory.borrow(4 * values.length, (at) => {
      const packed = memory.allocate(8 * ROW_TILE * Math.ceil(rows / ROW_TILE) * cols);
      memory.bytes(at, 4 * values.length).set(new Uint8Array(this.#values.buffer));
      exports.packWeights(packed, at, rows, cols);
      return packed;
    });
  }

  get packed(): number {
    if (!this.#isLive) throw new DisposedError('a weight matrix');
    return this.#packed;
  }

  /**
   * Ends of the runs of columns, per row tile, over which sum |w| <= limit in each row, so that sum |w| * bound and a
   * reduced sum before it stay below 2^53.
   */
  #chunkEnds(limit: number): number[] {
    const ends: number[] = [];
    for (let first = 0; first < this.rows; first += ROW_TILE) {
      const sums = Array.from({ length: ROW_TILE }, () => 0);
      for (let col = 0; col < this.cols; col++) {
        const column = sums.map((_, r) => Math.abs(this.#values[(first + r) * this.cols + col] ?? 0));
        if (first + ROW_TILE > this.rows) column.fill(0, this.rows - first);
        const isOver = column.some((w, r) => sums[r] + w > limit);
        if (isOver) ends.push(col);
        column.forEach((w, r) => {
          sums[r] = isOver ? w : sums[r] + w;
        });
      }
      ends.push(this.cols);
    }
    return ends;
  }

  /** Made at the first use with a prime, and kept. */
  plan(q: number): GemmPlan {
    let plan = this.#plans.get(q);
    if (plan === undefined) {
      // Room for one reduced sum, |s| < 0.51 q, and for the product of quotient and q in the reduction.
      const room = 2 ** 53 - 1.1 * q;
      const wholeLimit = Math.floor(room / (q / 2));
      const whole = this.maxAbs <= wholeLimit ? this.#chunkEnds(wholeLimit) : [];
      const tiles = Math.ceil(this.rows / ROW_TILE);
      const isSplit = whole.length === 0 || whole.length > tiles * Math.max(this.cols / MIN_CHUNK, 1);
      const ends = isSplit ? this.#chunkEnds(Math.floor(room / 2 ** (SPLIT_BITS - 1))) : whole;
      const chunks = this.memory.allocate(4 * ends.length);
      this.memory.bytes(chunks, 4 * ends.length).set(new Uint8Array(Uint32Array.from(ends).buffer));
      plan = { isSplit, chunks };
      this.#plans.set(q, plan);
    }
    return plan;
  }

  [Symbol.dispose](): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    this.memory.release(this.#packed);
    for (const { chunks } of this.#plans.values()) this.memory.release(chunks);
  }
}

/** Neighbouring positions of a convolution that share a panel: the rows that it holds, and where in it each position's terms lie. */
interface PositionGroup {
  readonly first: number;
  positions: number;
  readonly sources: number[];
  readonly taps: number[];
}

/** As many positions a group as keep the panel in the cache; see {@link Kernel.gemm} for `rowIndex`. */
function groupPositions(rowIndex: Uint32Array, cols: number): PositionGroup[] {
  const groups: PositionGroup[] = [];
  let places = new Map<number, number>();
  for (let position = 0; position < rowIndex.length / cols; position++) {
    const index = rowIndex.subarray(position * cols, (position + 1) * cols);
    const added = new Set([...index].filter((row) => !places.has(row))).size;
    let group = groups.at(-1);
    if (group === undefined || group.sources.length + added > GROUP_ROWS) {
      group = { first: position, positions: 0, sources: [], taps: [] };
      groups.push(group);
      places = new Map();
    }
    for (const row of index) {
      const place = places.get(row) ?? group.sources.push(row) - 1;
      places.set(row, place);
      group.taps.push(place * TILE_ROW_BYTES);
    }
    group.positions++;
  }
  return groups;
}

/** Columns of a panel: a multiple of 4 that divides n. */
function panelWidth(n: number, sources: number): number {
  let width = Math.min(MAX_PANEL_WIDTH, n);
  while (width > 4 && width * sources * 8 > PANEL_BYTES) width /= 2;
  return width;
}

/** Rows of `parts` polynomials over mods at `c`, picked by `rowIndex`, to `weights.rows` of them for each position at `out`. */
export function multiplyRows(
  context: WasmContext,
  ring: WasmRing,
  out: number,
  weights: WasmWeights,
  c: number,
  runs: readonly number[],
  rowIndex: Uint32Array,
): void {
  // Made before the loops, as they allocate.
  const plans = new Map(runs.map((limb) => [limb, weights.plan(ring.moduli[limb])]));
  const rowBytes = 8 * ring.n * runs.length;
  for (const group of groupPositions(rowIndex, weights.cols)) {
    const to = out + group.first * weights.rows * rowBytes;
    multiplyGroup(context, ring, to, weights, c, runs, plans, group);
  }
}

function multiplyGroup(
  { exports, memory }: WasmContext,
  ring: WasmRing,
  out: number,
  weights: WasmWeights,
  c: number,
  runs: readonly number[],
  plans: ReadonlyMap<number, GemmPlan>,
  { positions, sources, taps }: PositionGroup,
): void {
  const { n } = ring;
  const { rows, cols } = weights;
  const stride = 8 * n * runs.length;
  const width = panelWidth(n, sources.length);
  const panelBytes = 8 * width * sources.length;
  const sideBytes = 8 * width * ROW_TILE * Math.ceil(rows / ROW_TILE);
  const tileBytes = TILE_ROW_BYTES * sources.length;
  const indexBytes = 4 * (sources.length + taps.length);
  memory.borrow(panelBytes + positions * sideBytes + indexBytes, (panel) => {
    const side = panel + panelBytes;
    const index = side + positions * sideBytes;
    const tapAddress = index + 4 * sources.length;
    memory.bytes(index, indexBytes).set(new Uint8Array(Uint32Array.from([...sources, ...taps]).buffer));
    runs.forEach((limb, run) => {
      const { isSplit, chunks } = plans.get(limb) as GemmPlan;
      const table = ring.table(limb);
      const shift = ring.powerOfTwo(SPLIT_BITS, limb);
      for (let at = 8 * n * run; at < 8 * n * (run + 1); at += 8 * width) {
        for (const { piece, action } of isSplit ? HIGH_THEN_LOW : [WHOLE]) {
          exports.packPanel(panel, c + at, stride, index, sources.length, width, piece, table);
          for (let position = 0; position < positions; position++) {
            exports.multiplyPanel(
              out + position * rows * stride + at,
              stride,
              weights.packed,
              rows,
              cols,
              panel,
              tileBytes,
              tapAddress + 4 * cols * position,
              width,
              chunks,
              action,
              side + position * sideBytes,
              shift,
              table,
            );
          }
        }
      }
    });
  });
}

printOnOneLine(WasmWeights);
