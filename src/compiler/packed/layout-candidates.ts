/** Layouts that may suit: for the input of a model, for the result of a linear map, and copies that shorten the rotations of the next one. */
import type { IntegerMap } from '../integer-map.ts';
import {
  addressesOf,
  checkLayout,
  ciphertextsOf,
  denseLayout,
  digitsOf,
  isPeriodic,
  type Layout,
  type LayoutDigit,
} from './layout.ts';

/** The least power of two that is not below. */
export function powerOfTwo(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** Whether copies `period` apart, `copies` of them, have slots of their own. */
export function copiesAreApart(layout: Layout, copies: number, period: number): boolean {
  const { slots } = layout;
  const taken = new Uint8Array(ciphertextsOf(layout) * slots);
  for (const address of addressesOf(layout)) {
    const [base, first] = [Math.floor(address / slots) * slots, address % slots];
    for (let copy = 0; copy < copies; copy++) {
      const at = base + ((first + copy * period) % slots);
      if (taken[at]! > 0) return false;
      taken[at] = 1;
    }
  }
  return true;
}

/** Largest distance between neighbours of 0, period, 2 period .. on a cycle: as many rotations remain where that many rows were. */
function widestGap(copies: number, period: number, cycle: number): number {
  const marks = Array.from({ length: copies }, (_, i) => (i * period) % cycle).sort((a, b) => a - b);
  return marks.reduce((most, mark, i) => Math.max(most, (marks[i + 1] ?? cycle) - mark), 0);
}

/** Periods are tried from the best on; so many of one quality. */
const TRIED = 512;

/** The distance of `copies` copies that leaves fewest rotations of a map with so many rows (a power of two). */
export function skewedPeriod(layout: Layout, copies: number, rows: number): number | undefined {
  const { slots } = layout;
  const periods = Array.from({ length: slots / copies }, (_, i) => i + 1)
    .map((period) => ({ period, gap: widestGap(copies, period, rows) }))
    .filter(({ gap }) => gap < rows)
    .sort((a, b) => a.gap - b.gap || a.period - b.period)
    .slice(0, TRIED);
  return periods.find(({ period }) => copiesAreApart(layout, copies, period))?.period;
}

/** Copies of the input are the client's work and cost nothing. @param readers the maps that read it */
export function inputLayouts(count: number, slots: number, readers: readonly LinearReader[]): Layout[] {
  const plain = denseLayout(count, slots);
  const found = [plain];
  if (ciphertextsOf(plain) > 1) return found;
  const add = (copies: number, period: number): void => {
    if (
      copies > 1 &&
      (copies - 1) * period + count <= slots &&
      !found.some((known) => known.copies === copies && known.period === period)
    )
      found.push({ ...plain, copies, period });
  };
  const whole = powerOfTwo(count);
  for (const { rows, anchors } of readers) {
    if (anchors !== undefined) {
      add(rows, count);
      add(rows, whole);
    } else {
      for (let copies = 2; copies * count <= slots; copies *= 2) {
        const period = skewedPeriod(plain, copies, powerOfTwo(rows));
        if (period !== undefined && period >= count) add(copies, period);
        else {
          // From the least distance on that keeps copies apart, the first with the widest skew.
          const least = Array.from({ length: powerOfTwo(rows) }, (_, i) => count + i).reduce((best, each) =>
            widestGap(copies, each, powerOfTwo(rows)) < widestGap(copies, best, powerOfTwo(rows))
              ? each
              : best,
          );
          add(copies, least);
        }
      }
    }
  }
  add(slots / whole, whole);
  return found;
}

/** What candidates need to know of a linear map. */
export interface LinearReader {
  readonly map: IntegerMap;
  /** Of a map of windows: the element that each position stands at. */
  readonly anchors?: Uint32Array;
  /** Rows of a position, or of the whole map. */
  readonly rows: number;
}

/** Rows at 0, 1, 2 .. with a period of the next power of two; sums as many as the source has periods. Undefined where rows are too many. */
export function hybridLayout(from: Layout, rows: number): Layout | undefined {
  const { slots } = from;
  const period = powerOfTwo(rows);
  if (period > slots) return undefined;
  const cycle = isPeriodic(from) ? from.period : slots;
  const copies = slots / period;
  const layout = denseLayout(rows, slots, copies, period);
  return cycle <= period ? layout : { ...layout, sums: cycle / period };
}

/**
 * Positions of a map of windows where the elements are that they stand at, channels a block apart: in copies that are there, at a stride
 * of the source, or in ciphertexts of their own.
 */
export function windowLayouts(from: Layout, { map, anchors, rows }: LinearReader): Layout[] {
  if (anchors === undefined) return [];
  const { slots, copies, period } = from;
  const addresses = addressesOf(from);
  const positions = digitsOf(Array.from(anchors, (element) => addresses[element]!));
  if (positions === undefined && anchors.length > 1) return [];
  const { origin, digits } = positions ?? { origin: addresses[anchors[0]!]!, digits: [] };
  const shifted = digits.map((digit) => ({ ...digit, step: digit.step * rows }));
  const last = digits.reduce((sum, { extent, weight }) => sum + (extent - 1) * weight, origin);
  const blocks = new Set<number>();
  if (copies >= rows) blocks.add(period);
  for (const { extent, weight } of [...digits, ...from.digits]) {
    blocks.add(weight);
    blocks.add(extent * weight);
    blocks.add(powerOfTwo(extent * weight));
  }
  const found: Layout[] = [];
  const offer = (channels: readonly LayoutDigit[]): void => {
    const layout: Layout = {
      ...{ count: map.outputs, slots, origin, digits: [...channels, ...shifted] },
      ...{ copies: 1, period: slots, sums: 1, rest: 'zero' },
    };
    try {
      checkLayout(layout);
    } catch {
      return;
    }
    found.push(layout);
  };
  if (rows === 1) offer([]);
  else {
    for (const block of [...blocks].sort((a, b) => a - b)) {
      if (block < 1 || block > slots) continue;
      if (last + (rows - 1) * block < slots) offer([{ extent: rows, step: 1, weight: block }]);
      else if (last < slots) {
        const together = largestDivisor(rows, Math.floor((slots - last - 1) / block) + 1);
        if (together > 1)
          offer([
            { extent: together, step: 1, weight: block },
            { extent: rows / together, step: together, weight: slots },
          ]);
      }
    }
    if (last < slots) offer([{ extent: rows, step: 1, weight: slots }]);
  }
  return found;
}

function largestDivisor(of: number, most: number): number {
  let divisor = Math.min(of, most);
  while (of % divisor !== 0) divisor--;
  return divisor;
}
