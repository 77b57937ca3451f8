/**
 * Whether what is packed in a program is so: layouts have a slot of its own for every element, the layout of every step's result follows
 * from its operands, rotations add partial sums up or make copies and nothing else, and the keys are those that the steps take.
 */
import { DecodeError, InvalidParamsError, LimitError, OutOfRangeError } from '../../base/errors.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import type { PackedPart, PackedStep, Program, ProgramValue, Step } from '../program.ts';
import { checkLayout, ciphertextsOf, type Layout, layoutText, tracePeriod } from './layout.ts';
import { keysOf, missingStandardSteps, packedSubject, plannedParts } from './packed-analysis.ts';
import { afterRotateAdd } from './packed-circuit.ts';

/** Bits that an encoded vector may add to a scale. */
const MOST_WEIGHT_BITS = 45;
/** Encoded diagonals of all transforms: their residues are in memory as long as the program is. */
const MAX_DIAGONALS = 2 ** 13;

function requireThat(holds: boolean, reason: string): void {
  if (!holds) throw new DecodeError('a program', reason);
}

function refused(what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof OutOfRangeError || error instanceof InvalidParamsError)
      throw new DecodeError('a program', `${what}: ${error.message}`);
    throw error;
  }
}

/** Layouts, their values, the two ends. @throws {DecodeError} */
export function checkPackedPart(program: Program, part: PackedPart, params: CkksParams): void {
  const { values, maps, inputs, outputs, buckets, galois, steps } = program;
  const isTraced = steps.at(-1)?.op === 'trace';
  const isThird = isTraced || part.plan !== undefined;
  requireThat(program.version === (isThird ? 3 : 2), 'its version is not that of its replies and keys');
  requireThat(galois.length === 0, 'its Galois elements stand in two places');
  requireThat(
    buckets.length === 1 && buckets[0]!.block === 1 && buckets[0]!.interleave === 1,
    'a packed program has one bucket, of one sample',
  );
  for (const layout of part.layouts) {
    requireThat(layout.slots === params.slots, 'a layout is for another number of slots');
    refused('a layout', () => checkLayout(layout));
  }
  values.forEach((value, i) => {
    const layout = part.layouts[value.layout ?? -1];
    requireThat(layout !== undefined && ciphertextsOf(layout) === value.count, `the layout of value ${i}`);
  });
  const [first, last] = [layoutOf(part, values[0]!), layoutOf(part, values.at(-1)!)];
  requireThat(first.count === inputs && first.sums === 1 && first.rest === 'zero', 'the layout of the query');
  // What else is in the slots of a reply would be told to whoever decrypts it.
  requireThat(last.count === outputs && last.sums === 1 && last.rest === 'zero', 'the layout of the reply');
  for (const map of maps)
    requireThat(
      map.offsets.every((offset) => offset === 0),
      'the map of a transform has offsets',
    );
}

/** The keys, and the work. @throws {DecodeError} {@link LimitError} */
export function checkPackedKeys(program: Program, { keys }: PackedPart): void {
  const subject = packedSubject(program);
  let diagonals = 0;
  refused('a transform', () => {
    for (const step of program.steps) {
      if (step.op !== 'transform') continue;
      diagonals += plannedParts(subject, step).reduce((sum, part) => sum + part.diagonals, 0);
      if (diagonals > MAX_DIAGONALS)
        throw new LimitError('the diagonals of a program', MAX_DIAGONALS, diagonals);
    }
  });
  requireThat(
    subject.plan !== 'standard' || missingStandardSteps(subject).length === 0,
    'the standard keys lack a rotation that its steps take',
  );
  requireThat(
    JSON.stringify(keysOf(subject)) === JSON.stringify(keys),
    'its keys are not those that its steps take',
  );
}

function layoutOf({ layouts }: PackedPart, { layout }: ProgramValue): Layout {
  return layouts[layout!]!;
}

/** @throws {DecodeError} through `fail`. @returns what must hold of the result. */
export function checkPackedStep(
  program: Program,
  step: PackedStep,
  from: ProgramValue,
  fail: (reason: string) => never,
): Omit<ProgramValue, 'name' | 'trained'> {
  const { values, maps, constants, packed } = program;
  if (packed === undefined) return fail('it stands in a program for batches');
  const to = values[step.to]!;
  const [source, target] = [layoutOf(packed, from), layoutOf(packed, to)];
  if (from.parts !== 2) fail('it needs two parts');
  const row = (at: number): void => {
    if (constants[at]?.length !== target.count) fail('a list of constants is missing or of another length');
  };
  const grown = (): void => {
    const bits = Math.log2(to.scale / from.scale);
    if (!(bits > 0 && bits <= MOST_WEIGHT_BITS)) fail('the scale of its weights is out of range');
  };
  switch (step.op) {
    case 'transform': {
      const map = maps[step.map] ?? fail('its map is missing');
      if (map.inputs !== source.count || map.outputs !== target.count) fail('its map is for other layouts');
      if (source.sums !== 1) fail('it reads partial sums');
      if (target.rest !== 'zero') fail('it leaves nothing in slots without elements');
      grown();
      return { ...from, count: to.count, scale: to.scale, layout: to.layout! };
    }
    case 'rotateAdd': {
      const layout = afterRotateAdd(source, step.step);
      if (layout === undefined || layoutText(layout) !== layoutText(target) || source.count !== target.count)
        fail('its rotation neither adds sums up nor makes copies');
      return { ...from, layout: to.layout! };
    }
    case 'multiplyPlain':
      row(step.factors);
      if (source.sums !== 1) fail('it reads partial sums');
      grown();
      return { ...from, scale: to.scale };
    case 'addPlain':
      row(step.addends);
      // Shares of partial sums are added up by the trace alone.
      if (source.sums !== 1 && program.version < 3) fail('it reads partial sums');
      return from;
    case 'trace': {
      if (step.to !== values.length - 1) fail('it is not the last step');
      if (from.level !== 0) fail('it is above level 0');
      if (tracePeriod(source) === undefined) fail('its mean would be over more than copies');
      if (layoutText({ ...source, sums: 1 }) !== layoutText(target) || source.count !== target.count)
        fail('its sums are not those of its operand');
      return { ...from, scale: from.scale / source.sums, layout: to.layout! };
    }
    default:
      return fail('unknown');
  }
}

/** Slots meet slots, so factors have one layout, and no copy holds a part of an element. @throws {DecodeError} through `fail`. */
export function checkPackedFactors(
  part: PackedPart,
  a: ProgramValue,
  b: ProgramValue,
  fail: (reason: string) => never,
): void {
  if (a.layout !== b.layout) fail('its factors have different layouts');
  if (layoutOf(part, a).sums !== 1) fail('it reads partial sums');
}

/** Steps that a packed program has none of. */
export function isBatchStep({ op }: Step): boolean {
  return op === 'expand' || op === 'linear' || op === 'affine' || op === 'pack';
}
