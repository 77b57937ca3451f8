/**
 * Where training starts when there is an earlier model of the task: its layers, with outputs for other states and inputs for
 * features that it did not have. At the start every new output is the old one of its phone and position, by its share of the
 * frames of that, and new inputs do nothing.
 */
import { DataError } from '../../base/errors.ts';
import { Dense } from '../../nn/index.ts';
import type { PolynomialNetwork, Sequential, SquareStage } from '../../nn/index.ts';
import type { StateInventory } from '../../speech/index.ts';

export interface FormerOutputs {
  /** The old output of every new one. */
  readonly of: readonly number[];
  /** Log of the share of every new output in the frames of its old one. */
  readonly logShares: readonly number[];
}

/** `tying`: the old output of every state of `inventory`. */
export function formerOutputs(
  inventory: StateInventory,
  tying: Uint16Array,
  logPriors: Float32Array,
): FormerOutputs {
  const of = new Array<number>(inventory.outputCount).fill(0);
  for (const [state, output] of inventory.tying.entries()) of[output] = tying[state];
  const totals = new Map<number, number>();
  for (const [output, old] of of.entries())
    totals.set(old, (totals.get(old) ?? 0) + Math.exp(logPriors[output]));
  const logShares = of.map((old, output) => logPriors[output] - Math.log(totals.get(old) ?? 1));
  return { of, logShares };
}

/** Copies the rows `of` a matrix of rows of `known` into one of rows of `width`, whose further columns stay as they are. */
function copyRows<T extends Float32Array | Float64Array | Int32Array>(
  into: T,
  width: number,
  matrix: T,
  known: number,
  of: readonly number[],
): T {
  for (const [row, old] of of.entries())
    into.set(matrix.subarray(old * known, (old + 1) * known), row * width);
  return into;
}

/** Copies a float network of dense layers into one that has other outputs, and inputs more at the end. Returns `to`. */
export function startFloat(from: Sequential, to: Sequential, outputs: FormerOutputs): Sequential {
  for (const [i, target] of to.layers.entries()) {
    const source = from.layers[i];
    if (source?.spec.kind !== target.spec.kind)
      throw new DataError('the model that training starts from has other layers than the plan');
    if (target instanceof Dense && source instanceof Dense) {
      const [width, known] = [target, source].map(
        ({ weights, outputShape }) => weights.value.length / outputShape[0],
      );
      const isLast = i === to.layers.length - 1;
      const rows = isLast ? outputs.of : Array.from({ length: target.outputShape[0] }, (_, row) => row);
      copyRows(target.weights.value.fill(0), width, source.weights.value, known, rows);
      if (target.bias !== undefined && source.bias !== undefined)
        for (const [row, old] of rows.entries())
          target.bias.value[row] = source.bias.value[old] + (isLast ? outputs.logShares[row] : 0);
      continue;
    }
    for (const [p, { value }] of target.parameters.entries()) value.set(source.parameters[p].value);
    for (const [s, values] of target.statistics.entries()) values.set(source.statistics[s]);
  }
  return to;
}

/** The stages of a polynomial network of dense layers, with other outputs and `inputs` at the least as many as it had. */
export function startStages(from: PolynomialNetwork, inputs: number, outputs: FormerOutputs): SquareStage[] {
  return from.layers.map((layer, i) => {
    if (layer.gather !== undefined)
      throw new DataError('training starts from dense polynomial networks alone');
    const isLast = i === from.layers.length - 1;
    const of = isLast ? outputs.of : Array.from({ length: layer.rows }, (_, row) => row);
    const cols = i === 0 ? inputs : layer.cols;
    const integers = copyRows(new Int32Array(of.length * cols), cols, layer.weights, layer.cols, of);
    const offset = Float64Array.from(of, (old) => layer.offset[old]);
    if (isLast) for (const [row, share] of outputs.logShares.entries()) offset[row] += share;
    return {
      rows: of.length,
      cols,
      weights: Float64Array.from(integers, (level) => level * layer.step),
      offset,
      inputShape: [cols, 1, 1],
      outputShape: [of.length, 1, 1],
      square: layer.square,
      quantised: { integers, step: layer.step, bits: from.bits },
    };
  });
}
