/**
 * The sampling check: the device, which has the weights, recomputes s of m outputs, drawn after the reply. With t outputs wrong it
 * notices with probability 1 - C(m-t, s) / C(m, s). A single wrong element among many mostly escapes; the projection check
 * is there for that.
 */
import { OutOfRangeError } from '../../base/errors.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import { inputSize, outputSize } from '../../kernel/integer-linear-map.ts';

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

/** 32-bit words of the operating system, a buffer at a time. */
function randomWords(): () => number {
  const words = new Uint32Array(256);
  let used = words.length;
  return () => {
    if (used === words.length) {
      globalThis.crypto.getRandomValues(words);
      used = 0;
    }
    return words[used++]!;
  };
}

/** `count` different indices below `bound`, uniform over all such sets [Floyd, in Bentley 1987]. */
export function drawIndices(bound: number, count: number): Set<number> {
  const word = randomWords();
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

/** One output of W x modulo 2^32 for one vector. */
export function linearOutputAt(map: IntegerLinearMap, x: Int32Array, index: number): number {
  let sum = 0;
  if (map.kind === 'dense') {
    for (let i = 0, at = index * map.inputs; i < map.inputs; i++) sum += Math.imul(map.weights[at++]!, x[i]!);
    return sum | 0;
  }
  const { input, output, kernel, stride, padding, dilation, groups, weights } = map;
  const [inChannels, outChannels] = [input.channels / groups, output.channels / groups];
  const channel = Math.floor(index / (output.height * output.width));
  const oy = Math.floor(index / output.width) % output.height;
  const ox = index % output.width;
  const first = Math.floor(channel / outChannels) * inChannels;
  let at = channel * inChannels * kernel[0] * kernel[1];
  for (let c = first; c < first + inChannels; c++) {
    for (let ky = 0; ky < kernel[0]; ky++) {
      const iy = oy * stride[0] + ky * dilation[0] - padding[0];
      for (let kx = 0; kx < kernel[1]; kx++, at++) {
        const ix = ox * stride[1] + kx * dilation[1] - padding[1];
        if (iy < 0 || iy >= input.height || ix < 0 || ix >= input.width) continue;
        sum = (sum + Math.imul(weights[at]!, x[(c * input.height + iy) * input.width + ix]!)) | 0;
      }
    }
  }
  return sum | 0;
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
      difference |= y[row * outputs + index]! ^ linearOutputAt(map, from, index);
    }
  }
  return difference === 0;
}
