/** Runs integer networks: the steps here, the linear maps wherever the caller has them done. */
import * as arg from '../../base/arguments.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { outputSize } from '../../kernel/integer-linear-map.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import type { IntegerNetwork } from './integer-network.ts';
import { addScaled, maxPool, rectify, requantise, sumPool, zeroExtend } from './integer-loops.ts';
import type { IntegerStepOf } from './integer-step.ts';

/** One linear map to be applied: y = W x modulo 2^32, without bias, read as int32. */
export interface LinearRequest {
  /** Position among the linear steps. */
  readonly index: number;
  readonly map: IntegerLinearMap;
  /** `[batch, inputs]`. */
  readonly x: Int32Array;
  readonly batch: number;
}

export type ApplyLinear = (index: number, map: IntegerLinearMap, x: Int32Array, batch: number) => Int32Array;
export type ApplyLinearAsync = (
  index: number,
  map: IntegerLinearMap,
  x: Int32Array,
  batch: number,
) => Promise<Int32Array> | Int32Array;

/**
 * `[batch, inputs]` integers to `[batch, outputs]` integers.
 * @throws {ShapeError} when the input or a reply has another length. @throws {OutOfRangeError} when an input is outside the
 * network's interval.
 */
export function evaluateIntegerNetwork(
  network: IntegerNetwork,
  input: Int32Array,
  apply: ApplyLinear,
): Int32Array {
  arg.checkArguments('evaluateIntegerNetwork', [network, input, apply], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    input: arg.typed('an Int32Array', Int32Array),
    apply: arg.callback,
  });
  const evaluation = integerEvaluation(network, input);
  let turn = evaluation.next();
  while (turn.done !== true) {
    const { index, map, x, batch } = turn.value;
    turn = evaluation.next(apply(index, map, x, batch));
  }
  return turn.value;
}

/** The same with linear maps that are applied elsewhere. */
export async function evaluateIntegerNetworkAsync(
  network: IntegerNetwork,
  input: Int32Array,
  apply: ApplyLinearAsync,
): Promise<Int32Array> {
  arg.checkArguments('evaluateIntegerNetworkAsync', [network, input, apply], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    input: arg.typed('an Int32Array', Int32Array),
    apply: arg.callback,
  });
  const evaluation = integerEvaluation(network, input);
  let turn = evaluation.next();
  while (turn.done !== true) {
    const { index, map, x, batch } = turn.value;
    turn = evaluation.next(await apply(index, map, x, batch));
  }
  return turn.value;
}

/**
 * The evaluation as a conversation: yields each linear map to be applied, takes its result, returns the outputs. Both functions
 * above drive it.
 */
function* integerEvaluation(
  network: IntegerNetwork,
  input: Int32Array,
): Generator<LinearRequest, Int32Array, Int32Array> {
  arg.checkArguments('integerEvaluation', [network, input], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    input: arg.typed('an Int32Array', Int32Array),
  });
  const batch = checkedBatch(network, input);
  const lastUse = lastUses(network);
  const results: (Int32Array | undefined)[] = [];
  const valueOf = (source: number): Int32Array => (source === -1 ? input : (results[source] as Int32Array));
  let linears = 0;
  for (const [i, step] of network.steps.entries()) {
    const from = step.from ?? i - 1;
    const x = valueOf(from);
    const { shape } = network.facts[i];
    const sourceShape = from === -1 ? network.input.shape : network.facts[from].shape;
    switch (step.kind) {
      case 'linear': {
        const index = linears++;
        const y = yield { index, map: step.map, x, batch };
        const needed = batch * outputSize(step.map);
        if (y.length !== needed) throw new ShapeError(`the result of linear map ${index}`, needed, y.length);
        results[i] = withBias(step, y, batch);
        break;
      }
      case 'relu':
        results[i] = rectify(x);
        break;
      case 'square':
        results[i] = x.map((value) => value * value);
        break;
      case 'flatten':
        results[i] = x;
        break;
      case 'max-pool':
        results[i] = maxPool(step, x, sourceShape, shape);
        break;
      case 'sum-pool':
        results[i] = sumPool(step, x, sourceShape, shape);
        break;
      case 'requantise':
        results[i] = requantise(step, x, sourceShape);
        break;
      case 'add':
        results[i] = addScaled(step, x, valueOf(step.other), sourceShape);
        break;
      case 'zero-extend':
        results[i] = zeroExtend(x, sourceShape, shape, batch);
        break;
    }
    for (const source of lastUse[i]) results[source] = undefined;
  }
  return results[network.steps.length - 1] as Int32Array;
}

function checkedBatch(network: IntegerNetwork, input: Int32Array): number {
  const batch = input.length / network.inputs;
  if (!Number.isInteger(batch) || batch < 1)
    throw new ShapeError('the input of an integer network', `n x ${network.inputs}`, input.length);
  const { low, high } = network.input;
  for (let i = 0; i < input.length; i++) {
    if (input[i] < low || input[i] > high)
      throw new OutOfRangeError('an input of the integer network', `in [${low}, ${high}]`, 'outside');
  }
  return batch;
}

/** Per step, the earlier steps that nobody reads after it. */
function lastUses(network: IntegerNetwork): number[][] {
  const last = new Map<number, number>();
  network.steps.forEach((step, i) => {
    last.set(step.from ?? i - 1, i);
    if (step.kind === 'add') last.set(step.other, i);
  });
  const uses: number[][] = network.steps.map(() => []);
  for (const [source, step] of last) if (source >= 0) uses[step].push(source);
  return uses;
}

/** Bounds guarantee that an honest sum stays in int32; a dishonest one wraps, which the caller's checks are for. */
function withBias({ map, bias }: IntegerStepOf<'linear'>, y: Int32Array, batch: number): Int32Array {
  const run = outputSize(map) / bias.length;
  const out = new Int32Array(y.length);
  for (let row = 0, at = 0; row < batch * bias.length; row++) {
    const addend = bias[row % bias.length];
    for (const end = at + run; at < end; at++) out[at] = (y[at] + addend) | 0;
  }
  return out;
}
