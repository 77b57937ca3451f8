/**
 * Whether a program is one: every count, level, number of parts and scale is derived again from the steps, every index and weight is
 * checked, and nothing is believed because a file says so. Buffers are not part of a program: they are planned from
 * the steps by whoever runs it.
 */
import { DecodeError, LimitError } from '../base/errors.ts';
import { expansionElements } from '../schemes/ckks/expand-interleaved.ts';
import { CkksParams } from '../schemes/ckks/params.ts';
import { SCALE_TOLERANCE } from '../schemes/ckks/message-bound.ts';
import type { IntegerMap } from './integer-map.ts';
import {
  checkPackedFactors,
  checkPackedKeys,
  checkPackedPart,
  checkPackedStep,
  isBatchStep,
} from './packed/validate-packed.ts';
import { traceSums } from './packed/packed-analysis.ts';
import { MODEL_NAME, type Program, type ProgramValue, type Step } from './program.ts';

export const MAX_STEPS = 4096;
const MAX_CIPHERTEXTS = 2 ** 20;
/** As the engine: weights, and the sum of their absolute values in a row. */
const MAX_WEIGHT = 2 ** 15;
const MAX_ROW_SUM = 2 ** 28;
export const MAX_MULTIPLIER = 2 ** 52;

/** The program itself, frozen. @throws {DecodeError} {@link LimitError} {@link InvalidParamsError} {@link InsecureParamsError} */
export function validateProgram(program: Program): Program {
  const params = CkksParams.create(program.params);
  checkHeader(program, params);
  for (const map of program.maps) checkMap(map);
  for (const row of program.constants) requireThat(row.every(Number.isFinite), 'a constant is not finite');
  const { values, steps } = program;
  if (steps.length > MAX_STEPS) throw new LimitError('the steps of a program', MAX_STEPS, steps.length);
  requireThat(values.length === steps.length + 1, 'it has not one value per step and one for the query');
  const sumsOf = program.packed && traceSums({ values, steps, layouts: program.packed.layouts });
  values.forEach((value, i) => checkValue(value, i, sumsOf?.(i) ?? 1, params));
  if (program.packed !== undefined) checkPackedPart(program, program.packed, params);
  steps.forEach((step, i) => checkStep(program, params, step, i));
  checkEnds(program, params);
  if (program.packed !== undefined) checkPackedKeys(program, program.packed);
  return deepFreeze(program);
}

function checkHeader(program: Program, params: CkksParams): void {
  const { name, inputs, outputs, inputBound, output } = program;
  requireThat([1, 2, 3].includes(program.version), 'its version is unknown');
  requireThat(MODEL_NAME.test(name), 'its name is none');
  for (const count of [inputs, outputs])
    requireThat(Number.isInteger(count) && count >= 1 && count <= MAX_CIPHERTEXTS, 'a number of features');
  requireThat(inputBound > 0 && Number.isFinite(inputBound), 'the bound of its inputs');
  if (program.packed === undefined) checkLadder(program, params);
  if (program.decision !== undefined) {
    requireThat(program.packed === undefined, 'it decides, and is for one sample');
    requireThat(
      outputs >= 2 && outputs <= program.decision.levels,
      'it decides among too few or too many outputs',
    );
  }
  const { range, schemeError, flooding } = output;
  requireThat(range[0] < range[1] && range.every(Number.isFinite), 'the interval of its scores');
  for (const error of [schemeError, flooding])
    requireThat(error > 0 && error < range[1] - range[0], 'an error of its scores');
}

function checkLadder({ version, buckets, galois, values }: Program, params: CkksParams): void {
  requireThat(version === 1, 'versions 2 and 3 are for packed programs');
  requireThat(
    values.every(({ layout }) => layout === undefined),
    'a value has a layout, and the program none',
  );
  requireThat(buckets.length >= 1 && buckets.length <= 24, 'the number of buckets');
  buckets.forEach(({ block, interleave }, i) => {
    const isLadder = i === 0 || block === 2 * buckets[i - 1]!.block;
    requireThat(
      Number.isInteger(Math.log2(block)) && block * interleave === params.slots && isLadder,
      'a bucket',
    );
  });
  const needed = expansionElements(params.n, buckets[0]!.interleave);
  requireThat(
    needed.length === galois.length && needed.every((g, i) => g === galois[i]),
    'its Galois elements',
  );
}

/** Of a program of either kind. @throws {DecodeError} */
export function checkMap(map: IntegerMap): void {
  const { inputs, outputs, step, matrices, blocks, offsets } = map;
  requireThat(isCount(inputs) && isCount(outputs), 'the ciphertexts of a map');
  requireThat(step > 0 && Number.isFinite(step), 'the step of a map');
  requireThat(offsets.length === outputs && offsets.every(Number.isFinite), 'the offsets of a map');
  for (const { rows, cols, weights } of matrices) {
    requireThat(isCount(rows) && isCount(cols) && weights.length === rows * cols, 'the weights of a map');
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) {
        const size = Math.abs(weights[row * cols + col]!);
        requireThat(size < MAX_WEIGHT, 'a weight');
        sum += size;
      }
      requireThat(sum < MAX_ROW_SUM, 'the sum of a row of weights');
    }
  }
  let next = 0;
  for (const { matrix, first, inputs: read } of blocks) {
    const { rows, cols } = matrices[matrix] ?? { rows: 0, cols: 0 };
    requireThat(rows > 0 && first === next, 'the blocks of a map');
    requireThat(read === undefined ? cols <= inputs : read.length === cols, 'the columns of a map');
    requireThat(read?.every((input) => input < inputs) ?? true, 'an input of a map');
    next += rows;
  }
  requireThat(next === outputs, 'the blocks of a map do not write every ciphertext');
}

/** `sums`: of which only the mean must fit. */
function checkValue(value: ProgramValue, index: number, sums: number, params: CkksParams): void {
  const { count, parts, level, scale, trained } = value;
  requireThat(isCount(count), `the ciphertexts of value ${index}`);
  requireThat(parts === 2 || parts === 3, `the parts of value ${index}`);
  requireThat(
    Number.isInteger(level) && level >= 0 && level <= params.maxLevel,
    `the level of value ${index}`,
  );
  requireThat(scale > 1 && Math.log2(scale / sums) <= params.logQAt(level), `the scale of value ${index}`);
  requireThat(trained >= 0 && Number.isFinite(trained), `the range of value ${index}`);
}

function checkStep(program: Program, params: CkksParams, step: Step, index: number): void {
  const { values, maps, constants, inputs, outputs, steps, packed } = program;
  const fail = (reason: string): never => {
    throw new DecodeError('a program', `step ${index} (${step.op}): ${reason}`);
  };
  if (step.to !== index + 1) fail('it does not write the next value');
  const read = (value: number): ProgramValue => {
    if (!(Number.isInteger(value) && value >= 0 && value <= index)) fail('it reads what is not there yet');
    if (value === 0 && step.op !== 'expand' && packed === undefined) fail('it reads the query');
    return values[value]!;
  };
  const constant = (at: number, length: number): Float64Array => {
    const row = constants[at];
    if (row?.length !== length) return fail('a list of constants is missing or of another length');
    return row;
  };
  const whole = (row: Float64Array, end: number, low = 0): void => {
    if (!row.every((value) => Number.isInteger(value) && value >= low && value < end))
      fail('a constant is out of range');
  };
  const to = values[step.to]!;
  const expect = (facts: Omit<ProgramValue, 'name' | 'trained'>): void => {
    for (const key of ['count', 'parts', 'level', 'scale', 'layout'] as const)
      if (facts[key] !== to[key])
        fail(`the ${key} of its result is ${to[key]}, ${facts[key]} follows from its operands`);
  };
  const isAfterPack = steps.slice(0, index).some(({ op }) => op === 'pack');
  if (isAfterPack && !['relinearize', 'rescale', 'lower'].includes(step.op))
    fail('it stands behind the packing');
  if (packed !== undefined) {
    if (isBatchStep(step)) fail('it stands in a program for one sample');
  } else if ((step.op === 'expand') !== (index === 0)) fail('expanding comes first, and once');
  switch (step.op) {
    case 'expand': {
      const from = read(step.from);
      if (from.count !== inputs || from.parts !== 2 || from.level !== params.maxLevel)
        fail('the query is another');
      return expect(from);
    }
    case 'linear': {
      const from = read(step.from);
      const map = maps[step.map] ?? fail('its map is missing');
      if (map.inputs !== from.count) fail('its map reads another number of ciphertexts');
      return expect({ ...from, count: map.outputs, scale: from.scale / map.step });
    }
    case 'multiply': {
      const [a, b] = [read(step.a), read(step.b)];
      if (a.parts !== 2 || b.parts !== 2 || a.level !== b.level || a.count !== b.count)
        fail('its factors do not match');
      if (packed !== undefined) checkPackedFactors(packed, a, b, fail);
      return expect({ ...a, parts: 3, scale: a.scale * b.scale });
    }
    case 'add': {
      const [a, b] = [read(step.a), read(step.b)];
      if (a.parts !== b.parts || a.level !== b.level || a.count !== b.count || a.layout !== b.layout)
        fail('its summands do not match');
      if (!(Math.abs(a.scale - b.scale) <= SCALE_TOLERANCE * a.scale))
        fail('its summands have different scales');
      return expect(a);
    }
    case 'relinearize': {
      const from = read(step.from);
      if (from.parts !== 3) fail('it needs three parts');
      return expect({ ...from, parts: 2 });
    }
    case 'rescale': {
      const from = read(step.from);
      if (from.level === 0) fail('no prime is left');
      return expect({ ...from, level: from.level - 1, scale: from.scale / params.q[from.level]!.q });
    }
    case 'lower': {
      const from = read(step.from);
      if (to.level >= from.level) fail('the level does not fall');
      return expect({ ...from, level: to.level });
    }
    case 'affine': {
      const from = read(step.from);
      if (step.order !== undefined) whole(constant(step.order, to.count), from.count);
      else if (to.count !== from.count) fail('it changes the number of ciphertexts without an order');
      if (step.multipliers !== undefined)
        whole(constant(step.multipliers, to.count), MAX_MULTIPLIER, -MAX_MULTIPLIER);
      else if (!(Math.abs(to.scale - from.scale) <= SCALE_TOLERANCE * from.scale)) fail('the scale changes');
      if (step.addends !== undefined) {
        const half = 2 ** Math.min(99, params.logQAt(to.level) - 1);
        if (!constant(step.addends, to.count).every((value) => Math.abs(value) * to.scale < half))
          fail('an addend is too large');
      }
      return expect({ ...from, count: to.count, scale: to.scale });
    }
    case 'pack': {
      const from = read(step.from);
      whole(constant(step.places, outputs), from.count);
      return expect({ ...from, count: outputs });
    }
    case 'transform':
    case 'rotateAdd':
    case 'multiplyPlain':
    case 'addPlain':
    case 'trace':
      return expect(checkPackedStep(program, step, read(step.from), fail));
    default:
      fail('unknown');
  }
}

function checkEnds({ values, steps, output, packed }: Program, params: CkksParams): void {
  requireThat(packed !== undefined || steps.some((step) => step.op === 'pack'), 'nothing is packed');
  const query = values[0]!;
  if (packed !== undefined)
    requireThat(query.parts === 2 && query.level === params.maxLevel, 'the query is another');
  const reply = values.at(-1)!;
  requireThat(reply.level === 0 && reply.parts === 2, 'the reply is not two parts at level 0');
  const largest = Math.max(...output.range.map(Math.abs));
  const capacity = params.q[0]!.q / 2 / reply.scale;
  requireThat(largest <= capacity, 'its scores do not fit the modulus of the reply');
}

/** A number of ciphertexts. */
export function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= MAX_CIPHERTEXTS;
}

/** @throws {DecodeError} unless it holds. */
export function requireThat(holds: boolean, reason: string): void {
  if (!holds) throw new DecodeError('a program', reason);
}

/** Typed arrays cannot be frozen; nobody else holds those of a program. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
