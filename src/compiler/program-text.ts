/**
 * The steps of a program as text, one value a line, that parses back to the same values and steps to the last bit of every scale:
 *
 *   v2 "conv1" n720 p2 @2 s8796093022208 t14.5 = linear m0 v1
 *
 * is value 2, called conv1: 720 ciphertexts of two parts at level 2, scale 2^43, at most 14.5 over the calibration data, made by map 0
 * from value 1. Constants are c0, c1 .., rotations r16, widths of baby steps w8; in packed programs l3 says that a value has layout 3. What follows a # is for people.
 */
import { DecodeError } from '../base/errors.ts';
import type { ProgramValue, Step, StepList } from './program.ts';

const VALUE = /^v(\d+) ("(?:[^"\\]|\\.)*") n(\d+) p([23]) @(\d+) s(\S+) t(\S+)(?: l(\d+))?(?: = (.*))?$/;
const OPERANDS: Readonly<Record<Step['op'], readonly string[]>> = {
  expand: ['from'],
  linear: ['map', 'from'],
  multiply: ['a', 'b'],
  relinearize: ['from'],
  rescale: ['from'],
  lower: ['from'],
  affine: ['from', 'order', 'multipliers', 'addends'],
  add: ['a', 'b'],
  pack: ['from', 'places'],
  transform: ['map', 'from', 'width'],
  rotateAdd: ['from', 'step'],
  multiplyPlain: ['from', 'factors'],
  addPlain: ['from', 'addends'],
  trace: ['from'],
};
/** Operands that are not values. */
const PREFIX: Readonly<Record<string, string>> = {
  map: 'm',
  order: 'c',
  multipliers: 'c',
  addends: 'c',
  places: 'c',
  factors: 'c',
  step: 'r',
  width: 'w',
};
const OPTIONAL = new Set(['order', 'multipliers', 'addends']);

export function programText({ values, steps }: Pick<StepList, 'values' | 'steps'>): string {
  return values
    .map((value, i) => {
      const { name, count, parts, level, scale, trained, layout } = value;
      const step = steps[i - 1];
      const placed = layout === undefined ? '' : ` l${layout}`;
      const made = step === undefined ? '' : ` = ${stepText(step)}`;
      const line = `v${i} ${JSON.stringify(name)} n${count} p${parts} @${level} s${scale} t${trained}${placed}${made}`;
      return `${line}  # scale 2^${Math.log2(scale).toFixed(2)}\n`;
    })
    .join('');
}

function stepText(step: Step): string {
  const fields: Readonly<Record<string, unknown>> = { ...step };
  const operands = OPERANDS[step.op].flatMap((key) => {
    const operand = fields[key];
    if (operand === undefined) return [];
    const text = `${PREFIX[key] ?? 'v'}${operand}`;
    return [OPTIONAL.has(key) ? `${key} ${text}` : text];
  });
  return [step.op, ...operands].join(' ');
}

/** @throws {DecodeError} that names the line. */
export function parseProgramText(text: string): Pick<StepList, 'values' | 'steps'> {
  const values: ProgramValue[] = [];
  const steps: Step[] = [];
  text.split('\n').forEach((full, number) => {
    const line = full.replace(/\s*#(?=[^"]*$).*$/, '').trim();
    if (line === '') return;
    const fail = (reason: string): never => {
      throw new DecodeError('the text of a program', `line ${number + 1}: ${reason}`);
    };
    const [, index, name, count, parts, level, scale, trained, layout, made] =
      VALUE.exec(line) ?? fail('it is no value');
    if (Number(index) !== values.length) fail(`value ${values.length} was expected`);
    const [scaleOf, trainedOf] = [Number(scale), Number(trained)];
    if (!Number.isFinite(scaleOf) || !Number.isFinite(trainedOf)) fail('a scale or range is no number');
    values.push({
      name: unquoted(name as string) ?? fail('its name is not JSON'),
      count: Number(count),
      parts: Number(parts) as 2 | 3,
      level: Number(level),
      scale: scaleOf,
      trained: trainedOf,
      ...(layout !== undefined && { layout: Number(layout) }),
    });
    if ((made === undefined) !== (values.length === 1)) fail('every value but the first is made by a step');
    if (made !== undefined) steps.push(parseStep(made, values.length - 1, fail));
  });
  return { values, steps };
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}

function parseStep(text: string, to: number, fail: (reason: string) => never): Step {
  const [op = '', ...words] = text.split(' ');
  const keys = OPERANDS[op as Step['op']] ?? fail(`unknown step ${op}`);
  const operands: Record<string, number> = {};
  let at = 0;
  for (const key of keys) {
    if (OPTIONAL.has(key)) {
      if (words[at] !== key) continue;
      at++;
    }
    const operand = new RegExp(`^${PREFIX[key] ?? 'v'}(\\d{1,7})$`).exec(words[at++] ?? '');
    operands[key] = Number((operand ?? fail(`${key} is missing`))[1]);
  }
  if (at !== words.length) fail('something is left over');
  // It has the operands that OPERANDS says, which the type of the record does not show.
  return { op, ...operands, to } as Step;
}
