/**
 * Binary arithmetic on encrypted numbers, one ciphertext per bit and a number in every slot: a parallel-prefix adder [KS73], counters
 * that make two numbers of three [Wal64], comparison, product and maximum. The depth of each is logarithmic in the number of bits.
 */
import { OutOfRangeError } from '../../base/errors.ts';
import type { CkksCiphertext } from '../../schemes/ckks/ciphertext.ts';
import { assertSameWidth, type BitGates, type BitNumber } from './bits.ts';

/** Whether a block of bits makes a carry, and whether it passes one on. */
interface CarryBlock {
  readonly generate: CkksCiphertext;
  readonly propagate: CkksCiphertext;
}

/** The two blocks as one, `high` above `low`: g = g_high + p_high g_low, which are never both 1; p = p_high p_low. */
function joined(gates: BitGates, high: CarryBlock, low: CarryBlock): CarryBlock {
  return {
    generate: gates.either(high.generate, gates.and(high.propagate, low.generate)),
    propagate: gates.and(high.propagate, low.propagate),
  };
}

/** The block of bits 0 .. i for every i, in ceil(log2 t) rounds. */
function prefixes(gates: BitGates, blocks: readonly CarryBlock[]): CarryBlock[] {
  let current = [...blocks];
  for (let distance = 1; distance < blocks.length; distance *= 2) {
    const before = current;
    current = before.map((block, i) => (i < distance ? block : joined(gates, block, before[i - distance]!)));
  }
  return current;
}

/**
 * a + b with t bits each: t + 1 bits.
 *
 * - depth: 2 + ceil(log2 t) products. cost: about 2 t log2 t products
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError}
 */
export function addNumbers(gates: BitGates, a: BitNumber, b: BitNumber): CkksCiphertext[] {
  assertSameWidth(a, b);
  const blocks = a.map((bit, i) => ({
    generate: gates.and(bit, b[i]!),
    propagate: gates.xor(bit, b[i]!),
  }));
  const carries = prefixes(gates, blocks).map(({ generate }) => generate);
  const sum = blocks.map(({ propagate }, i) => (i === 0 ? propagate : gates.xor(propagate, carries[i - 1]!)));
  return [...sum, carries.at(-1)!];
}

/**
 * Three numbers of t bits to two with the same sum: their bits without carries (t bits), and the carries (t + 1 bits). Two products deep,
 * whatever t.
 */
export function countThree(
  gates: BitGates,
  a: BitNumber,
  b: BitNumber,
  c: BitNumber,
): { sum: CkksCiphertext[]; carries: CkksCiphertext[] } {
  assertSameWidth(a, b);
  assertSameWidth(a, c);
  const pairs = a.map((bit, i) => gates.xor(bit, b[i]!));
  const sum = pairs.map((pair, i) => gates.xor(pair, c[i]!));
  const carries = a.map((bit, i) => gates.either(gates.and(bit, b[i]!), gates.and(c[i]!, pairs[i]!)));
  return { sum, carries: [gates.constant(carries[0]!, 0), ...carries] };
}

/** The number with zeros above, or without bits that are known to be 0. */
function withWidth(gates: BitGates, number: BitNumber, width: number): CkksCiphertext[] {
  const zeros = Math.max(0, width - number.length);
  return [...number.slice(0, width), ...Array.from({ length: zeros }, () => gates.constant(number[0]!, 0))];
}

/**
 * The sum of numbers, modulo 2^width: three at a time become two, then one addition.
 *
 * - depth: 2 log_1.5 of their number, and an addition
 */
export function sumNumbers(gates: BitGates, numbers: readonly BitNumber[], width: number): CkksCiphertext[] {
  if (numbers.length === 0) throw new OutOfRangeError('numbers to add', 'at least one', 0);
  let left: BitNumber[] = numbers.map((number) => withWidth(gates, number, width));
  while (left.length > 2) {
    const next: BitNumber[] = left.slice(3 * Math.floor(left.length / 3));
    for (let i = 0; i + 2 < left.length; i += 3) {
      const { sum, carries } = countThree(gates, left[i]!, left[i + 1]!, left[i + 2]!);
      next.push(sum, carries.slice(0, width));
    }
    left = next;
  }
  const [first, second] = left;
  return second === undefined ? [...first!] : addNumbers(gates, first!, second).slice(0, width);
}

/**
 * a b with t and u bits: t + u bits. The partial products are summed by {@link sumNumbers}.
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError}
 */
export function multiplyNumbers(gates: BitGates, a: BitNumber, b: BitNumber): CkksCiphertext[] {
  if (a.length === 0 || b.length === 0) throw new OutOfRangeError('bits of a factor', 'at least one', 0);
  const partial = b.map((bit, shift) => {
    const row = a.map((other) => gates.and(other, bit));
    return [...Array.from({ length: shift }, () => gates.constant(row[0]!, 0)), ...row];
  });
  return sumNumbers(gates, partial, a.length + b.length);
}

/**
 * 1 where a > b: the first bit from the top that differs decides.
 *
 * - depth: 2 + ceil(log2 t) products
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError}
 */
export function isGreater(gates: BitGates, a: BitNumber, b: BitNumber): CkksCiphertext {
  assertSameWidth(a, b);
  // A block is greater when its upper part is, or when that is equal and its lower part is greater: carries in other words.
  let blocks: CarryBlock[] = a.map((bit, i) => ({
    generate: gates.and(bit, gates.not(b[i]!)),
    propagate: gates.not(gates.xor(bit, b[i]!)),
  }));
  while (blocks.length > 1) {
    const next: CarryBlock[] = [];
    for (let i = 0; i < blocks.length; i += 2) {
      const [low, high] = [blocks[i]!, blocks[i + 1]];
      next.push(high === undefined ? low : joined(gates, high, low));
    }
    blocks = next;
  }
  return blocks[0]!.generate;
}

/** a where `bit` is 1, else b. One product deep. */
export function chooseNumber(
  gates: BitGates,
  bit: CkksCiphertext,
  a: BitNumber,
  b: BitNumber,
): CkksCiphertext[] {
  assertSameWidth(a, b);
  return a.map((own, i) => gates.choose(bit, own, b[i]!));
}

/**
 * In every slot the largest number of the list: a tournament, each round a comparison and a choice.
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError}
 */
export function largestNumber(gates: BitGates, numbers: readonly BitNumber[]): CkksCiphertext[] {
  if (numbers.length === 0) throw new OutOfRangeError('numbers to compare', 'at least one', 0);
  let left = [...numbers];
  while (left.length > 1) {
    const next: BitNumber[] = [];
    for (let i = 0; i < left.length; i += 2) {
      const [a, b] = [left[i]!, left[i + 1]];
      next.push(b === undefined ? a : chooseNumber(gates, isGreater(gates, a, b), a, b));
    }
    left = next;
  }
  return [...left[0]!];
}

/**
 * The largest number of all slots up to `count`, a power of two, in every slot whose index is a multiple of it: in each round the list is
 * shifted by half of what is left, compared with itself and the larger is chosen.
 *
 * @throws {OutOfRangeError} {@link LevelExhaustedError} {@link MissingKeyError} for rotations by count / 2, count / 4 .. 1.
 */
export function largestOfSlots(gates: BitGates, number: BitNumber, count: number): CkksCiphertext[] {
  if (!Number.isInteger(Math.log2(count)))
    throw new OutOfRangeError('slots to compare', 'a power of two', count);
  let current: BitNumber = number;
  for (let shift = count / 2; shift >= 1; shift /= 2) {
    const moved = current.map((bit) => gates.operations.rotate(bit, shift));
    current = chooseNumber(gates, isGreater(gates, current, moved), current, moved);
  }
  return [...current];
}
