/**
 * The sampling check: the device, which has the weights, recomputes s of m outputs, drawn after the reply. With t outputs wrong it
 * notices with probability 1 - C(m-t, s) / C(m, s). A single wrong element among many mostly escapes; the projection check
 * is there for that.
 */
import { OutOfRangeError } from '../../base/errors.ts';
import { systemWords } from '../../base/random.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import { inputSize, integerOutputAt, outputSize } from '../../kernel/integer-linear-map.ts';

/** What a sampling check is to notice: a reply with this fraction of its outputs wrong, with this probability. */
export interface SamplingGoal {
  readonly wrongFraction: number;
  readonly detection: number;
}

/** Smaller layers are checked in full: it costs no more than drawing. */
const FULL_CHECK_OUTPUTS = 64;

/** 1 - C(m-t, s) / C(m, s). */
export function detectionProbability(outputs: number, wrong: number, samples: number): number {
  let missed = 1;
  for (let i = 0; i < samples; i++) missed *= Math.max(0, outputs - wrong - i) / (outputs - i);
  return 1 - missed;
}

/** The least s that reaches the goal; all outputs of a small layer. @throws {OutOfRangeError} unless both lie in (0, 1]. */
export function samplesFor(outputs: number, { wrongFraction, detection }: SamplingGoal): number {
  if (!(wrongFraction > 0 && wrongFraction <= 1))
    throw new OutOfRangeError('the wrong fraction', 'in (0, 1]', wrongFraction);
  if (!(detection > 0 && detection <= 1))
    throw new OutOfRangeError('the detection probability', 'in (0, 1]', detection);
  if (outputs <= FULL_CHECK_OUTPUTS) return outputs;
  const wrong = Math.max(1, Math.round(wrongFraction * outputs));
  let missed = 1;
  for (let samples = 0; samples < outputs; samples++) {
    if (1 - missed >= detection) return samples;
    missed *= Math.max(0, outputs - wrong - samples) / (outputs - samples);
  }
  return outputs;
}

/** `count` different indices below `bound`, uniform over all such sets [Floyd, in Bentley 1987]. */
export function drawIndices(bound: number, count: number): Set<number> {
  const word = systemWords();
  const drawn = new Set<number>();
  for (let top = bound - count; top < bound; top++) {
    const size = top + 1;
    const limit = 2 ** 32 - (2 ** 32 % size);
    let value = word();
    while (value >= limit) value = word();
    drawn.add(drawn.has(value % size) ? top : value % size);
  }
  return drawn;
}

/** True when `samples` freshly drawn outputs of every row of y, `[batch, outputs]`, are those of W x. */
export function acceptsSamples(
  map: IntegerLinearMap,
  x: Int32Array,
  y: Int32Array,
  samples: number,
): boolean {
  const [inputs, outputs] = [inputSize(map), outputSize(map)];
  let difference = 0;
  for (let row = 0; row * outputs < y.length; row++) {
    const from = x.subarray(row * inputs, (row + 1) * inputs);
    for (const index of drawIndices(outputs, samples)) {
      difference |= y[row * outputs + index]! ^ integerOutputAt(map, from, index);
    }
  }
  return difference === 0;
}
