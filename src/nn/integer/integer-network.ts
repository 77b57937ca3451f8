/**
 * Networks over integers: int8 weights and activations, int32 sums, every rounding defined. Clear inference and a device that
 * outsources the linear steps run the same code (integer-evaluate.ts) and get the same bits.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { LimitError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { MAX_INTEGER_ELEMENTS } from '../../kernel/integer-linear-map.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import { normaliseDrawings } from '../images/drawing-normalisation.ts';
import { readIntegerNetwork, writeIntegerNetwork } from './integer-bytes.ts';
import type { IntegerInput, IntegerOutput } from './integer-input-output.ts';
import { stepFacts } from './integer-shapes.ts';
import type { IntegerTensorFacts } from './integer-shapes.ts';
import { HIGHEST_INT8, LOWEST_INT8 } from './integer-step.ts';
import type { IntegerStep } from './integer-step.ts';
import { checkShape, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** A linear step as an outsourced worker sees it: no bias, and the bound that the device guarantees. */
export interface OutsourcedLinear {
  readonly map: IntegerLinearMap;
  /** Largest |x_i| that ever enters. */
  readonly inputBound: number;
}

export const INT8_INPUT = { offset: 0, low: LOWEST_INT8, high: HIGHEST_INT8 } as const;
const MAX_STEPS = 4096;
const MAX_LABEL_LENGTH = 256;

/** Immutable. A directed graph in topological order: a step reads the input or earlier steps; the last one is the result. */
export class IntegerNetwork {
  readonly input: IntegerInput;
  readonly output: IntegerOutput;
  readonly steps: readonly IntegerStep[];
  /** Shape and bound of each step's output. */
  readonly facts: readonly IntegerTensorFacts[];
  /** The linear steps in order; position in this list is the `index` that evaluation reports. */
  readonly linears: readonly OutsourcedLinear[];
  readonly inputs: number;
  readonly outputs: number;

  /**
   * @throws {ShapeError} when steps do not fit together, or labels are not one per output.
   * @throws {OutOfRangeError} when a value could leave int32 or a fixed-point product 2^53.
   * @throws {LimitError} when a tensor has more than {@link MAX_INTEGER_ELEMENTS}.
   */
  constructor(input: IntegerInput, steps: readonly IntegerStep[], output: IntegerOutput) {
    arg.checkArguments('new IntegerNetwork', [input, steps, output], {
      input: arg.options,
      steps: arg.list,
      output: arg.like('an IntegerOutput', 'scale', 'softmax'),
    });
    checkInput(input);
    if (!(output.scale > 0 && Number.isFinite(output.scale)))
      throw new OutOfRangeError('the output scale', 'positive', output.scale);
    if (steps.length === 0 || steps.length > MAX_STEPS)
      throw new ShapeError('the number of steps', `1 to ${MAX_STEPS}`, steps.length);
    const facts: IntegerTensorFacts[] = [];
    const linears: OutsourcedLinear[] = [];
    const entry = { shape: input.shape, bound: Math.max(Math.abs(input.low), Math.abs(input.high)) };
    const factsOf = (source: number, index: number): IntegerTensorFacts => {
      if (!Number.isInteger(source) || source < -1 || source >= index)
        throw new ShapeError(`a source of step ${index}`, 'an earlier step', source);
      return source === -1 ? entry : facts[source];
    };
    steps.forEach((step, index) => {
      const x = factsOf(step.from ?? index - 1, index);
      const other = step.kind === 'add' ? factsOf(step.other, index) : undefined;
      const made = stepFacts(step, x, other, `step ${index} (${step.kind})`);
      requireFewElements(made.shape);
      facts.push(made);
      if (step.kind === 'linear') linears.push({ map: step.map, inputBound: x.bound });
    });
    this.input = input;
    this.output = output;
    this.steps = steps;
    this.facts = facts;
    this.linears = linears;
    this.inputs = sizeOf(input.shape);
    this.outputs = sizeOf(facts[facts.length - 1].shape);
    if (output.labels !== undefined) checkLabels(output.labels, this.outputs);
  }

  /** The same network whose file also names the classes, one per output. @throws {ShapeError} {@link LimitError} */
  withLabels(labels: readonly string[]): IntegerNetwork {
    return new IntegerNetwork(this.input, this.steps, { ...this.output, labels });
  }

  /** Versioned, checksummed. */
  toBytes(): Uint8Array {
    return writeIntegerNetwork(this);
  }

  /** @throws {DecodeError} on anything that is not an integer network. */
  static fromBytes(bytes: Uint8Array): IntegerNetwork {
    return readIntegerNetwork(bytes, (input, steps, output) => new IntegerNetwork(input, steps, output));
  }
}

/** So a description of a few bytes cannot ask for the memory of a machine. */
function requireFewElements(shape: SampleShape): void {
  if (sizeOf(shape) > MAX_INTEGER_ELEMENTS)
    throw new LimitError('the elements of an integer tensor', MAX_INTEGER_ELEMENTS, sizeOf(shape));
}

function checkLabels(labels: readonly string[], outputs: number): void {
  if (labels.length !== outputs)
    throw new ShapeError('the labels', `one per output, ${outputs}`, labels.length);
  const longest = labels.reduce((most, label) => Math.max(most, label.length), 0);
  if (longest > MAX_LABEL_LENGTH)
    throw new LimitError('the characters of a label', MAX_LABEL_LENGTH, longest);
}

function checkInput({ shape, scale, offset, low, high, normalisation }: IntegerInput): void {
  checkShape('the input of an integer network', shape);
  requireFewElements(shape);
  if (!(scale > 0 && Number.isFinite(scale))) throw new OutOfRangeError('the input scale', 'positive', scale);
  if (!Number.isFinite(offset)) throw new OutOfRangeError('the input offset', 'finite', offset);
  if (!Number.isInteger(low) || !Number.isInteger(high) || !(low <= high) || Math.max(-low, high) >= 2 ** 31)
    throw new OutOfRangeError('the input interval', 'integers low <= high', `${low} to ${high}`);
  if (normalisation === undefined) return;
  const isGrey = shape.length === 3 && shape[0] === 1 && shape[1] >= 3 && shape[2] >= 3;
  if (!isGrey)
    throw new ShapeError('the input of a network for drawings', '[1, >= 3, >= 3]', shape.join('x'));
  if (low !== 0 || high !== 255)
    throw new OutOfRangeError('the input of a network for drawings', '0 to 255', `${low} to ${high}`);
}

/**
 * Integer inputs `[batch, inputs]` as the network was trained on them: a network for drawings gets every picture through
 * {@link normaliseDrawings}; others are left alone. Done by the owner of the inputs, before they are masked or encrypted.
 * @throws {DataError} for a picture with nothing in it. @throws {OutOfRangeError} for a value that is no pixel.
 */
export function normaliseInput(network: IntegerNetwork, x: Int32Array): Int32Array {
  arg.checkArguments('normaliseInput', [network, x], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    x: arg.typed('an Int32Array', Int32Array),
  });
  const { normalisation, shape } = network.input;
  return normalisation === undefined ? x : Int32Array.from(normaliseDrawings(x, [shape[1], shape[2]]));
}

/** Real inputs to integers, element by element. */
export function quantiseInput(network: IntegerNetwork, x: ArrayLike<number>): Int32Array {
  arg.checkArguments('quantiseInput', [network, x], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    x: arg.numbers,
  });
  const { scale, offset, low, high } = network.input;
  const out = new Int32Array(x.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.min(high, Math.max(low, Math.floor((x[i] - offset) / scale + 0.5)));
  }
  return out;
}

/** Integer outputs `[batch, outputs]` to real numbers: scaled, then the softmax of each row if the network ends with one. */
export function realOutput(network: IntegerNetwork, y: Int32Array): Float64Array {
  arg.checkArguments('realOutput', [network, y], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    y: arg.typed('an Int32Array', Int32Array),
  });
  const out = Float64Array.from(y, (value) => value * network.output.scale);
  if (!network.output.softmax) return out;
  for (let start = 0; start < out.length; start += network.outputs) {
    const row = out.subarray(start, start + network.outputs);
    const largest = row.reduce((a, b) => Math.max(a, b));
    row.forEach((value, i) => {
      row[i] = Math.exp(value - largest);
    });
    const sum = row.reduce((a, b) => a + b);
    for (let i = 0; i < row.length; i++) row[i] /= sum;
  }
  return out;
}

printOnOneLine(IntegerNetwork);
arg.guard('IntegerNetwork', IntegerNetwork, { fromBytes: { bytes: arg.bytes } });
arg.guard('IntegerNetwork', IntegerNetwork.prototype, { withLabels: { labels: arg.list } });
