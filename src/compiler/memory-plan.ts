/**
 * Where the values of a program lie in one run of memory: each has its place from the step that makes it to the last that reads it, and
 * places of values that are never there together may overlap. The machines allocate nothing else.
 *
 * Steps that belong together run as one: a linear map and the square behind it go tile by tile, so that what the map leaves never
 * exists as a whole; a product, its relinearisation and its rescaling are one call of the engine.
 */
import type { Bucket } from './offer.ts';
import { countIn, type PlannedProgram, type Program, type Step, stepReads } from './program.ts';

/** Words of one tile between map and product: 2^23 words are 64 MiB. */
const TILE_WORDS = 2 ** 23;
/** Least rows of a tile, however large a ciphertext is. */
const TILE_ROWS = 8;
/** Places begin at whole cache lines. */
const ALIGNMENT = 8;

/** Steps first .. last, run as one; values between them have no place. */
export interface FusedSteps {
  readonly kind: 'single' | 'linear-square' | 'square-rescale' | 'linear-square-rescale';
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** Of the whole run of memory. */
  readonly words: number;
  /** Per value; -1 for those inside of fused steps. */
  readonly offsets: readonly number[];
  /** Space for the tile or the expansion of each step; -1 where it needs none. */
  readonly scratch: readonly number[];
  readonly fused: readonly FusedSteps[];
}

/** Ciphertexts of a tile between a map and its product. */
export function tileRows(wordsPerCiphertext: number): number {
  return Math.max(TILE_ROWS, Math.floor(TILE_WORDS / wordsPerCiphertext));
}

/** The groups of steps that the encrypted machine runs as one. */
export function fuseSteps({ steps }: Pick<Program, 'steps'>): FusedSteps[] {
  const uses = new Map<number, number>();
  for (const step of steps)
    for (const value of new Set(stepReads(step))) uses.set(value, (uses.get(value) ?? 0) + 1);
  /** Step i + 1 is the only reader of what step i makes. */
  const feeds = (i: number): boolean => {
    const next = steps[i + 1];
    return next !== undefined && uses.get(i + 1) === 1 && stepReads(next).every((value) => value === i + 1);
  };
  const isOp = (i: number, op: Step['op']): boolean => steps[i]?.op === op;
  const fused: FusedSteps[] = [];
  for (let first = 0; first < steps.length; ) {
    const square = isOp(first, 'linear') && feeds(first) && isOp(first + 1, 'multiply') ? first + 1 : first;
    const isRescaled =
      isOp(square, 'multiply') &&
      feeds(square) &&
      isOp(square + 1, 'relinearize') &&
      feeds(square + 1) &&
      isOp(square + 2, 'rescale');
    const last = isRescaled ? square + 2 : square;
    const kind =
      square > first
        ? isRescaled
          ? 'linear-square-rescale'
          : 'linear-square'
        : isRescaled
          ? 'square-rescale'
          : 'single';
    fused.push({ kind, first, last });
    first = last + 1;
  }
  return fused;
}

interface Region {
  readonly words: number;
  /** Steps during which it is in use. */
  readonly from: number;
  readonly to: number;
}

/** For the bucket that needs most of everything. */
export function planMemory(program: PlannedProgram): MemoryPlan {
  const { values, steps, buckets } = program;
  const n = 2 ** program.params.logN;
  const wordsOf = (value: number, among: readonly Bucket[] = buckets): number => {
    const { parts, level } = values[value]!;
    const count = Math.max(0, ...among.map((bucket) => countIn(program, value, bucket)));
    return count * parts * (level + 1) * n;
  };
  // With one feature per ciphertext the query is read into the place of what it expands to.
  const interleaved = buckets.filter(({ interleave }) => interleave > 1);
  const fused = fuseSteps(program);
  const groupOf = steps.map((_, i) => fused.findIndex(({ first, last }) => i >= first && i <= last));
  const hasPlace = values.map((_, value) => value === 0 || fused[groupOf[value - 1]!]!.last === value - 1);
  const lastUse = values.map((_, value) => Math.max(0, value - 1));
  steps.forEach((step, i) => {
    for (const value of stepReads(step)) lastUse[value] = fused[groupOf[i]!]!.last;
  });
  lastUse[steps.length] = steps.length;
  const places = new Placer();
  const scratch = steps.map(() => -1);
  const offsets = values.map(() => -1);
  const regions: { region: Region; set: (offset: number) => void }[] = [];
  values.forEach((_, i) => {
    if (!hasPlace[i]) return;
    const words = i === 0 && program.packed === undefined ? wordsOf(0, interleaved) : wordsOf(i);
    const from = i === 0 ? 0 : fused[groupOf[i - 1]!]!.first;
    regions.push({
      region: { words, from, to: lastUse[i]! },
      set: (offset) => {
        offsets[i] = offset;
      },
    });
  });
  for (const { kind, first, last } of fused) {
    const words = scratchWords(program, kind, first, wordsOf);
    if (words > 0)
      regions.push({
        region: { words, from: first, to: last },
        set: (offset) => {
          scratch[first] = offset;
        },
      });
  }
  // Large ones first: small ones fill the gaps between them.
  regions.sort((a, b) => b.region.words - a.region.words || a.region.from - b.region.from);
  for (const { region, set } of regions) set(places.place(region));
  return { words: places.words, offsets, scratch, fused };
}

function scratchWords(
  program: PlannedProgram,
  kind: FusedSteps['kind'],
  first: number,
  wordsOf: (value: number) => number,
): number {
  const step = program.steps[first]!;
  // Several ciphertexts are read: their products are added up.
  if (step.op === 'transform') {
    const { count, parts, level } = program.values[step.from]!;
    return count > 1 ? parts * (level + 1) * 2 ** program.params.logN : 0;
  }
  if (step.op === 'expand') return program.buckets[0]!.interleave > 1 ? wordsOf(1) / 2 : 0;
  if (kind === 'linear-square' || kind === 'linear-square-rescale') {
    const { parts, level, count } = program.values[first + 1]!;
    const each = parts * (level + 1) * 2 ** program.params.logN;
    return Math.min(count, tileRows(each)) * each;
  }
  return 0;
}

/** First fit among the regions that are in use at the same time. */
class Placer {
  readonly #placed: (Region & { readonly offset: number })[] = [];
  words = 0;

  place(region: Region): number {
    const inTheWay = this.#placed
      .filter((other) => other.from <= region.to && region.from <= other.to)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of inTheWay) {
      if (offset + region.words <= other.offset) break;
      offset = Math.max(offset, Math.ceil((other.offset + other.words) / ALIGNMENT) * ALIGNMENT);
    }
    this.#placed.push({ ...region, offset });
    this.words = Math.max(this.words, offset + region.words);
    return offset;
  }
}
