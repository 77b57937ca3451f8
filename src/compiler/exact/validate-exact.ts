/**
 * Whether an exact program is one. Beside what every program must be: no integer of any wire reaches half the product of the plaintext
 * moduli, whatever the inputs within their interval; the proven noise of every value fits its modulus; and replies hide what the
 * program promises. All three are computed again from the steps and weights.
 */
import { DecodeError, InvalidParamsError, LimitError } from '../../base/errors.ts';
import { bgvModulusBits, noiseRoom } from '../../schemes/bgv/noise-bound.ts';
import { BgvCrtParams } from '../../schemes/bgv/crt/crt-params.ts';
import { MODEL_NAME, type ProgramValue, type Step } from '../program.ts';
import {
  checkMap,
  deepFreeze,
  isCount,
  MAX_MULTIPLIER,
  MAX_STEPS,
  requireThat,
} from '../validate-program.ts';
import { exactNoise, exactReply } from './exact-noise.ts';
import { type ExactProgram, inputIntegers } from './exact-program.ts';
import { bitsOf, integerIntervals, largestInteger } from './integer-intervals.ts';

/** Inputs are exact in a double, with room for their differences. */
const MAX_INPUT = 2 ** 31;
/** Of a constant, times its scale: its integer is a double's. */
const MAX_CONSTANT = 2 ** 1000;

/** The program itself, frozen. @throws {DecodeError} {@link LimitError} {@link InvalidParamsError} {@link InsecureParamsError} */
export function validateExactProgram(program: ExactProgram): ExactProgram {
  const params = exactParams(program);
  checkHead(program, params);
  for (const map of program.maps) checkMap(map);
  for (const row of program.constants) requireThat(row.every(Number.isFinite), 'a constant is not finite');
  const { values, steps } = program;
  if (steps.length > MAX_STEPS) throw new LimitError('the steps of a program', MAX_STEPS, steps.length);
  requireThat(values.length === steps.length + 1, 'it has not one value per step and one for the query');
  values.forEach((value, i) => checkExactValue(value, i, params));
  steps.forEach((step, i) => checkExactStep(program, step, i));
  requireThat(steps.at(-1)?.op === 'pack' && steps[0]?.op === 'expand', 'its first or last step');
  requireThat(values.at(-1)!.parts === 2, 'the reply has not two parts');
  checkIntegers(program, params);
  checkNoise(program, params);
  return deepFreeze(program);
}

/** The parameters of all channels. @throws {InvalidParamsError} {@link InsecureParamsError} */
export function exactParams({ params, moduli }: Pick<ExactProgram, 'params' | 'moduli'>): BgvCrtParams {
  return BgvCrtParams.create({ ...params, plaintextModuli: moduli });
}

/** Noise bounds of every value and what a reply hides, from the real primes. */
export function exactNoiseOf(program: ExactProgram, params: BgvCrtParams = exactParams(program)) {
  const widest = params.components.reduce((a, b) => (b.t > a.t ? b : a));
  const bits = bgvModulusBits(widest);
  const noise = exactNoise(program, bits);
  const { level, count } = program.values.at(-1)!;
  return { bits, noise, reply: exactReply(bits, { level, noiseBits: noise.at(-1)!, count }) };
}

function checkHead(program: ExactProgram, params: BgvCrtParams): void {
  const { name, buckets, inputs, outputs, inputRange, outputRange, hiding } = program;
  requireThat(program.version === 1 && program.scheme === 'bgv', 'its version is unknown');
  requireThat(MODEL_NAME.test(name), 'its name is none');
  requireThat(isCount(inputs) && isCount(outputs), 'a number of features');
  requireThat(
    buckets.length === 1 && buckets[0]!.block === params.slots && buckets[0]!.interleave === 1,
    'its bucket',
  );
  for (const [low, high] of [inputRange, outputRange])
    requireThat(low < high && Number.isFinite(low) && Number.isFinite(high), 'an interval');
  requireThat(Number.isInteger(hiding), 'the bits that its replies hide');
  const integers = inputIntegers(program);
  // A client encodes them as they are.
  const most = Math.min(MAX_INPUT, ...program.moduli.map((t) => t - 1));
  requireThat(
    integers.every((each) => Math.abs(each) < most),
    'the integers of its inputs',
  );
}

function checkExactValue(value: ProgramValue, index: number, params: BgvCrtParams): void {
  const { count, parts, level, scale, trained } = value;
  const { maxLevel } = params.components[0]!;
  requireThat(isCount(count), `the ciphertexts of value ${index}`);
  requireThat(parts === 2 || parts === 3, `the parts of value ${index}`);
  requireThat(Number.isInteger(level) && level >= 0 && level <= maxLevel, `the level of value ${index}`);
  requireThat(scale > 0 && Number.isFinite(scale), `the scale of value ${index}`);
  requireThat(trained >= 0 && Number.isFinite(trained), `the range of value ${index}`);
}

function checkExactStep(program: ExactProgram, step: Step, index: number): void {
  const { values, maps, constants, inputs, outputs } = program;
  const fail = (reason: string): never => {
    throw new DecodeError('a program', `step ${index} (${step.op}): ${reason}`);
  };
  if (step.to !== index + 1) fail('it does not write the next value');
  const read = (value: number): ProgramValue => {
    if (!(Number.isInteger(value) && value >= 0 && value <= index)) fail('it reads what is not there yet');
    if (value === 0 && step.op !== 'expand') fail('it reads the query');
    return values[value]!;
  };
  const to = values[step.to]!;
  const expect = (facts: Omit<ProgramValue, 'name' | 'trained'>): void => {
    for (const key of ['count', 'parts', 'level', 'scale'] as const)
      if (facts[key] !== to[key])
        fail(`the ${key} of its result is ${to[key]}, ${facts[key]} follows from its operands`);
  };
  const whole = (at: number, length: number, low: number, end: number): void => {
    const row = constants[at];
    if (row?.length !== length) return fail('a list of constants is missing or of another length');
    if (!row.every((value) => Number.isInteger(value) && value >= low && value < end))
      fail('a constant is out of range');
  };
  const small = (row: Float64Array | undefined): void => {
    if (row?.length !== to.count) return fail('a list of constants is missing or of another length');
    if (!row.every((value) => Math.abs(value) * to.scale < MAX_CONSTANT)) fail('a constant is too large');
  };
  if ((step.op === 'expand') !== (index === 0)) fail('expanding comes first, and once');
  if ((step.op === 'pack') !== (index === program.steps.length - 1)) fail('packing comes last, and once');
  switch (step.op) {
    case 'expand': {
      const from = read(step.from);
      const top = program.params.logQ.length - 1;
      if (from.count !== inputs || from.parts !== 2 || from.level !== top) fail('the query is another');
      return expect(from);
    }
    case 'linear': {
      const from = read(step.from);
      const map = maps[step.map] ?? fail('its map is missing');
      if (map.inputs !== from.count) fail('its map reads another number of ciphertexts');
      small(map.offsets);
      return expect({ ...from, count: map.outputs, scale: from.scale / map.step });
    }
    case 'multiply': {
      const [a, b] = [read(step.a), read(step.b)];
      if (a.parts !== 2 || b.parts !== 2 || a.level !== b.level || a.count !== b.count)
        fail('its factors do not match');
      return expect({ ...a, parts: 3, scale: a.scale * b.scale });
    }
    case 'relinearize': {
      const from = read(step.from);
      if (from.parts !== 3) fail('it needs three parts');
      return expect({ ...from, parts: 2 });
    }
    case 'rescale': {
      const from = read(step.from);
      if (from.level === 0) fail('no prime is left');
      if (from.parts !== 2) fail('it needs two parts');
      return expect({ ...from, level: from.level - 1 });
    }
    case 'affine': {
      const from = read(step.from);
      if (step.order !== undefined) whole(step.order, to.count, 0, from.count);
      else if (to.count !== from.count) fail('it changes the number of ciphertexts without an order');
      if (step.multipliers !== undefined) whole(step.multipliers, to.count, -MAX_MULTIPLIER, MAX_MULTIPLIER);
      if (step.addends !== undefined) small(constants[step.addends]);
      return expect({ ...from, count: to.count, scale: to.scale });
    }
    case 'pack': {
      const from = read(step.from);
      whole(step.places, outputs, 0, from.count);
      return expect({ ...from, count: outputs });
    }
    default:
      fail('unknown in an exact program');
  }
}

function checkIntegers(program: ExactProgram, params: BgvCrtParams): void {
  integerIntervals(program).forEach((intervals, value) => {
    const largest = largestInteger(intervals);
    if (2n * largest < params.modulus) return;
    const { name } = program.values[value]!;
    const [needed, held] = [bitsOf(2n * largest + 1n), bitsOf(params.modulus)];
    throw new InvalidParamsError(
      `the integers of ${name} need ${needed.toFixed(1)} bits, the plaintext moduli hold ${held.toFixed(1)}`,
      { name, needed, held },
    );
  });
}

function checkNoise(program: ExactProgram, params: BgvCrtParams): void {
  const { bits, noise, reply } = exactNoiseOf(program, params);
  program.values.forEach(({ name, level }, i) => {
    const room = noiseRoom(bits, level);
    if (noise[i]! <= room) return;
    throw new InvalidParamsError(
      `the noise of ${name} may reach 2^${noise[i]!.toFixed(1)}, level ${level} holds 2^${room.toFixed(1)}`,
      { name, level },
    );
  });
  if (reply.hiding >= program.hiding) return;
  throw new InvalidParamsError(
    `replies hide how they came about with ${reply.hiding.toFixed(1)} bits, the program promises ${program.hiding}`,
    { promised: program.hiding },
  );
}
