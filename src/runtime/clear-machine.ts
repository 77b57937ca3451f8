/**
 * Runs a program on slot values in the clear: the integers, constants and orders that the ciphertexts will meet, without their noise.
 * It finds what is wrong with a program without a key, and predicts what encryption will answer.
 */
import { ShapeError } from '../base/errors.ts';
import { type IntegerMap, forEachMapRow } from '../compiler/integer-map.ts';
import { type AnyProgram, isExact } from '../compiler/exact/exact-program.ts';
import { stepReads } from '../compiler/program.ts';
import { type ClearOptions, runPackedClear } from './packed-clear-machine.ts';
import { NO_PACKED_STEPS, runSteps, type StepHandlers } from './run-steps.ts';

export type { ClearOptions } from './packed-clear-machine.ts';

/**
 * Scores `[samples, outputs]` of inputs `[samples, inputs]`, clipped to the program's bound, and rounded to its integers where it has such.
 * @throws {ShapeError}
 */
export function runClear(
  program: AnyProgram,
  inputs: ArrayLike<number>,
  options: ClearOptions = {},
): Float64Array {
  const { steps, values, maps, constants } = program;
  const samples = inputs.length / program.inputs;
  if (!Number.isInteger(samples) || samples < 1)
    throw new ShapeError('the inputs', `samples x ${program.inputs}`, inputs.length);
  if (!isExact(program) && program.packed !== undefined)
    return runPackedClear(program, inputs, asEncrypted(program), options);
  const slots: (Float64Array | undefined)[] = values.map(() => undefined);
  const lastUse = new Map<number, number>();
  steps.forEach((step, i) => {
    for (const value of stepReads(step)) lastUse.set(value, i);
  });
  const at = (value: number): Float64Array => slots[value] as Float64Array;
  const put = (value: number, made: Float64Array): void => {
    slots[value] = made;
    options.observe?.(value, made);
    for (const read of stepReads(steps[value - 1]!))
      if (lastUse.get(read) === value - 1 && read !== value) slots[read] = undefined;
  };
  const rows = (count: number, fill: (row: Float64Array, i: number) => void): Float64Array => {
    const out = new Float64Array(count * samples);
    for (let i = 0; i < count; i++) fill(out.subarray(i * samples, (i + 1) * samples), i);
    return out;
  };
  const rowOf = (value: number, i: number): Float64Array =>
    at(value).subarray(i * samples, (i + 1) * samples);
  const seen = asEncrypted(program);
  slots[0] = rows(program.inputs, (row, feature) => {
    for (let t = 0; t < samples; t++) {
      row[t] = seen(inputs[t * program.inputs + feature]!);
    }
  });
  options.observe?.(0, at(0));
  /** In exact programs constants are integers of the value that they are added to. */
  const constantAt = (constant: number, to: number): number => {
    const { scale } = values[to]!;
    return isExact(program) ? Math.round(constant * scale) / scale : constant;
  };
  const copy = ({ from, to }: { readonly from: number; readonly to: number }): void =>
    put(to, at(from).slice());
  const handlers: StepHandlers = {
    ...NO_PACKED_STEPS,
    expand: copy,
    relinearize: copy,
    rescale: copy,
    lower: copy,
    linear: ({ map, from, to }) => {
      const made = withOffsets(maps[map]!, (offset) => constantAt(offset, to));
      put(to, applyMap(made, at(from), samples));
    },
    multiply: ({ a, b, to }) => {
      const y = at(b);
      put(
        to,
        at(a).map((value, i) => value * y[i]!),
      );
    },
    add: ({ a, b, to }) => {
      const y = at(b);
      put(
        to,
        at(a).map((value, i) => value + y[i]!),
      );
    },
    affine: ({ from, to, order, multipliers, addends }) => {
      const ratio = multipliers === undefined ? 1 : values[from]!.scale / values[to]!.scale;
      const list = (index: number | undefined) => (index === undefined ? undefined : constants[index]!);
      const [orders, factors, sums] = [list(order), list(multipliers), list(addends)];
      const made = rows(values[to]!.count, (row, i) => {
        const source = rowOf(from, orders?.[i] ?? i);
        const factor = (factors?.[i] ?? 1) * ratio;
        for (let t = 0; t < samples; t++) row[t] = factor * source[t]! + constantAt(sums?.[i] ?? 0, to);
      });
      put(to, made);
    },
    pack: ({ from, to, places }) =>
      put(
        to,
        rows(program.outputs, (row, o) => row.set(rowOf(from, constants[places]![o]!))),
      ),
  };
  runSteps(program, handlers, options);
  const reply = at(steps.length);
  return Float64Array.from({ length: samples * program.outputs }, (_, i) => {
    const [t, o] = [Math.floor(i / program.outputs), i % program.outputs];
    return reply[o * samples + t]!;
  });
}

/** What becomes of an input before it is encrypted. */
function asEncrypted(program: AnyProgram): (value: number) => number {
  const [low, high] = isExact(program) ? program.inputRange : [-program.inputBound, program.inputBound];
  const scale = isExact(program) ? program.values[0]!.scale : undefined;
  return (value) => {
    const kept = Math.min(high, Math.max(low, Number.isNaN(value) ? 0 : value));
    return scale === undefined ? kept : Math.round(kept * scale) / scale;
  };
}

function withOffsets(map: IntegerMap, change: (offset: number) => number): IntegerMap {
  return { ...map, offsets: map.offsets.map(change) };
}

function applyMap(map: IntegerMap, slots: Float64Array, samples: number): Float64Array {
  const out = new Float64Array(map.outputs * samples);
  forEachMapRow(map, (output, weights, inputOf) => {
    const row = out.subarray(output * samples, (output + 1) * samples);
    for (let col = 0; col < weights.length; col++) {
      const weight = weights[col]!;
      if (weight === 0) continue;
      const from = inputOf(col) * samples;
      for (let t = 0; t < samples; t++) row[t]! += weight * slots[from + t]!;
    }
    for (let t = 0; t < samples; t++) row[t] = map.step * row[t]! + map.offsets[output]!;
  });
  return out;
}
