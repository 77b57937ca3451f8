/**
 * Where the elements of a value are: in which ciphertext, in which slots. An element has an address, origin + the sum of its digits times
 * their weights; ciphertext and slot are the address divided by the slots. Copies of it stand `period` slots apart, around the cycle of
 * the slots. "One sample in one ciphertext" and "a grid of pixels per channel" are layouts, not ways through the code.
 */
import { OutOfRangeError } from '../../base/errors.ts';

/** Index of an element = sum of digit * step, its address = origin + sum of digit * weight. Combinations at or above the count are no elements. */
export interface LayoutDigit {
  readonly extent: number;
  readonly step: number;
  readonly weight: number;
}

export interface Layout {
  /** Elements. */
  readonly count: number;
  /** Of a ciphertext. */
  readonly slots: number;
  readonly origin: number;
  readonly digits: readonly LayoutDigit[];
  readonly copies: number;
  /** Slots between a copy and the next. */
  readonly period: number;
  /**
   * 1: every copy holds the element. Else a power of two, and the element is the sum of copies 0 .. sums - 1; where there are more,
   * copy i + sums is like copy i.
   */
  readonly sums: number;
  /** What slots without an element hold. */
  readonly rest: 'zero' | 'junk';
}

/** What addresses follow from. */
type Addressed = Pick<Layout, 'count' | 'origin' | 'digits'>;

/** Address of every element of every layout that was asked for. */
const ADDRESSES = new WeakMap<Addressed, Uint32Array>();

/** origin + sum of digit * weight, per element. */
export function addressesOf(layout: Addressed): Uint32Array {
  const known = ADDRESSES.get(layout);
  if (known !== undefined) return known;
  const { count, digits, origin } = layout;
  const addresses = new Uint32Array(count);
  const walk = (at: number, index: number, address: number): void => {
    const digit = digits[at];
    if (index >= count) return;
    if (digit === undefined) {
      addresses[index] = address;
      return;
    }
    for (let i = 0; i < digit.extent; i++) walk(at + 1, index + i * digit.step, address + i * digit.weight);
  };
  walk(0, 0, origin);
  ADDRESSES.set(layout, addresses);
  return addresses;
}

/** Slot of copy `copy` of what has this address. */
export function slotOf({ slots, period }: Layout, address: number, copy = 0): number {
  return ((address % slots) + copy * period) % slots;
}

export function ciphertextOf({ slots }: Layout, address: number): number {
  return Math.floor(address / slots);
}

/** Ciphertexts of a value in this layout. */
export function ciphertextsOf(layout: Layout): number {
  let made = CIPHERTEXTS.get(layout);
  if (made === undefined) {
    const last = addressesOf(layout).reduce((most, address) => Math.max(most, address), 0);
    made = 1 + Math.floor(last / layout.slots);
    CIPHERTEXTS.set(layout, made);
  }
  return made;
}

const CIPHERTEXTS = new WeakMap<Layout, number>();

/** Copies fill the whole cycle: a rotation by the period changes nothing. */
export function isPeriodic({ copies, period, slots }: Layout): boolean {
  return copies * period === slots;
}

/**
 * Slots of the subring that a reply's trace is in: the period, where copies (or sums) stand at every multiple of it around the whole cycle
 * and nothing else is in the slots. Undefined where a trace would mix elements with something else, or save nothing.
 */
export function tracePeriod(layout: Layout): number | undefined {
  const { period, slots, rest } = layout;
  const isClean = rest === 'zero' && isPeriodic(layout) && ciphertextsOf(layout) === 1;
  return isClean && period < slots && Number.isInteger(Math.log2(period)) ? period : undefined;
}

/** Elements one after another from slot 0. */
export function denseLayout(count: number, slots: number, copies = 1, period = slots): Layout {
  const digits = [{ extent: count, step: 1, weight: 1 }];
  return { count, slots, origin: 0, digits, copies, period, sums: 1, rest: 'zero' };
}

/**
 * The digits of a table of addresses, lowest first: the longest run of equal distances, then the runs of these runs, and so on.
 * Undefined where there are none.
 */
export function digitsOf(
  addresses: ArrayLike<number>,
): { origin: number; digits: LayoutDigit[] } | undefined {
  const origin = addresses[0]!;
  const digits: LayoutDigit[] = [];
  let table = Array.from(addresses);
  let step = 1;
  while (table.length > 1) {
    const [start, next] = table as [number, number];
    const weight = next - start;
    let run = 1;
    while (run < table.length && table[run] === start + run * weight) run++;
    while (table.length % run !== 0) run--;
    if (weight <= 0 || run === 1) return undefined;
    digits.push({ extent: run, step, weight });
    step *= run;
    table = table.filter((_, i) => i % run === 0);
  }
  const made = addressesOf({ count: addresses.length, origin, digits });
  return made.every((address, i) => address === addresses[i]) ? { origin, digits } : undefined;
}

/** A number per element in all of its places, zero elsewhere: one vector per ciphertext. */
export function slotVectors(layout: Layout, row: ArrayLike<number>): Float64Array[] {
  const vectors = Array.from({ length: ciphertextsOf(layout) }, () => new Float64Array(layout.slots));
  addressesOf(layout).forEach((address, element) => {
    const vector = vectors[ciphertextOf(layout, address)]!;
    for (let copy = 0; copy < layout.copies; copy++) vector[slotOf(layout, address, copy)] = row[element]!;
  });
  return vectors;
}

/** As {@link slotVectors}, of what is added to elements: partial sums get an equal share each. */
export function addendVectors(layout: Layout, row: ArrayLike<number>): Float64Array[] {
  return slotVectors(
    layout,
    Array.from(row, (addend) => addend / layout.sums),
  );
}

/** Elements from the slots of all ciphertexts, partial sums added up. */
export function elementsOf(layout: Layout, slots: ArrayLike<number>): Float64Array {
  return Float64Array.from(addressesOf(layout), (address) => {
    let sum = 0;
    for (let copy = 0; copy < layout.sums; copy++)
      sum += slots[ciphertextOf(layout, address) * layout.slots + slotOf(layout, address, copy)]!;
    return sum;
  });
}

const MAX_DIGITS = 16;
const MAX_CIPHERTEXTS = 1024;

/** @throws {OutOfRangeError} where an element has no place, or two share one. */
export function checkLayout(layout: Layout): void {
  const { count, slots, origin, digits, copies, period, sums, rest } = layout;
  const fail = (needed: string, what: number): never => {
    throw new OutOfRangeError('a layout', needed, what);
  };
  const most = slots * MAX_CIPHERTEXTS;
  const isIn = (value: number, low: number, high: number) =>
    Number.isInteger(value) && value >= low && value <= high;
  if (!isIn(count, 1, 2 ** 20)) fail('of 1 to 2^20 elements', count);
  if (!isIn(origin, 0, most - 1)) fail('with an origin inside', origin);
  if (!isIn(copies, 1, slots)) fail('with 1 to as many copies as slots', copies);
  if (!isIn(period, 1, slots)) fail('with a period of 1 to as many slots as there are', period);
  if (!isIn(sums, 1, copies) || copies % sums !== 0) fail('with sums that divide the copies', sums);
  if (sums > 1 && !Number.isInteger(Math.log2(sums))) fail('with a power of two of sums', sums);
  if (digits.length > MAX_DIGITS) fail(`of at most ${MAX_DIGITS} digits`, digits.length);
  if (rest !== 'zero' && rest !== 'junk') fail('whose rest is zero or junk', Number.NaN);
  let combinations = 1;
  for (const { extent, step, weight } of digits) {
    if (!isIn(extent, 1, count) || !isIn(step, 1, count) || !isIn(weight, 0, most))
      fail('of whole digits', extent);
    combinations *= extent;
  }
  // Overhanging combinations exist, but no more than double the work of those that are elements.
  if (combinations > 4 * count) fail('with few combinations that are no elements', combinations);
  const last = digits.reduce((sum, { extent, weight }) => sum + (extent - 1) * weight, origin);
  if (last >= 4 * most) fail('that ends inside', last);
  assertInjective(layout, fail);
}

function assertInjective(layout: Layout, fail: (needed: string, what: number) => never): void {
  const { count, slots, copies, digits } = layout;
  const seen = new Uint8Array(count);
  const walk = (at: number, index: number): void => {
    const digit = digits[at];
    if (index >= count) return;
    if (digit === undefined) {
      if (seen[index]! > 0) fail('that has every element once', index);
      seen[index] = 1;
      return;
    }
    for (let i = 0; i < digit.extent; i++) walk(at + 1, index + i * digit.step);
  };
  walk(0, 0);
  if (!seen.every((mark) => mark === 1)) fail('that has every element', seen.indexOf(0));
  const ciphertexts = ciphertextsOf(layout);
  if (ciphertexts > MAX_CIPHERTEXTS) fail(`of at most ${MAX_CIPHERTEXTS} ciphertexts`, ciphertexts);
  const taken = new Uint8Array(ciphertexts * slots);
  for (const address of addressesOf(layout))
    for (let copy = 0; copy < copies; copy++) {
      const at = ciphertextOf(layout, address) * slots + slotOf(layout, address, copy);
      if (taken[at]! > 0) fail('whose elements have slots of their own', at % slots);
      taken[at] = 1;
    }
}

/** Slots in use, of all of its ciphertexts. */
export function fillOf(layout: Layout): number {
  return (layout.count * layout.copies) / (ciphertextsOf(layout) * layout.slots);
}

/** `5@784 12@56 12@2 x5@784 +16 sums 8`: digits from the highest step on, extent@weight; then copies, origin, sums, junk. */
export function layoutText(layout: Layout): string {
  let text = TEXTS.get(layout);
  if (text === undefined) {
    text = makeText(layout);
    TEXTS.set(layout, text);
  }
  return text;
}

const TEXTS = new WeakMap<Layout, string>();

function makeText({ digits, copies, period, origin, sums, rest }: Layout): string {
  const parts = [...digits]
    .sort((a, b) => b.step - a.step)
    .map(({ extent, weight }) => `${extent}@${weight}`);
  if (copies > 1) parts.push(`x${copies}@${period}`);
  if (origin > 0) parts.push(`+${origin}`);
  if (sums > 1) parts.push(`sums ${sums}`);
  if (rest === 'junk') parts.push('junk');
  return parts.length === 0 ? '1@0' : parts.join(' ');
}
