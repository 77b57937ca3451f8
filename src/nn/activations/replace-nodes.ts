/** What takes the place of a node that has no polynomial form: fitted to the values that reach it. */
import { evaluateFunction } from '../graph/element-functions.ts';
import { type SparseMap, sparseFromRows } from '../graph/linear-map.ts';
import { normGroups } from '../graph/clear-interpreter.ts';
import type { ChannelStatistics, ModelNode } from '../graph/model-graph.ts';
import { evaluatePolynomial } from '../layers/polynomial-fit.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { channelHistograms, channelStatistics, pooledDistribution } from './channel-statistics.ts';
import { distributionError, empiricalFit } from './weighted-fit.ts';

/** How well a replacement does on the calibration data. */
export interface ReplacementError {
  /** Root mean square. */
  readonly rms: number;
  /** Over the calibrated interval of every channel. */
  readonly max: number;
}

export interface PolynomialReplacement {
  readonly coefficients: readonly Float64Array[];
  readonly error: ReplacementError;
}

/**
 * Least squares of the function on the histogram of the values: one polynomial per channel, or one for all. Channels of a constant
 * value get that constant. `weights` says how much each sample counts.
 */
export function fitFunction(
  node: ModelNode & { op: 'function' },
  values: Float64Array,
  shape: readonly number[],
  degree: number,
  perChannel: boolean,
  statistics: ChannelStatistics = channelStatistics(values, shape),
  weights?: Float64Array,
): PolynomialReplacement {
  const histograms = channelHistograms(values, shape, statistics, weights);
  const channels = shape[0];
  const functionOf = (channel: number): ((x: number) => number) => {
    const own = node.perChannel?.[channel];
    const parameters = own === undefined ? node.parameters : [own, ...node.parameters.slice(1)];
    return (x) => evaluateFunction(node.fn, x, parameters);
  };
  const isShared = !perChannel && node.perChannel === undefined;
  const pooled = isShared ? [pooledDistribution(histograms)] : histograms;
  const fits = pooled.map((distribution, channel) => empiricalFit(functionOf(channel), distribution, degree));
  let [squares, max] = [0, 0];
  histograms.forEach((histogram, channel) => {
    const [p, f] = [fits[isShared ? 0 : channel], functionOf(channel)];
    squares += distributionError((x) => evaluatePolynomial(p, x), f, histogram) ** 2 / channels;
    for (const x of [statistics.low[channel], 0, statistics.high[channel]])
      if (x >= statistics.low[channel] && x <= statistics.high[channel])
        max = Math.max(max, Math.abs(evaluatePolynomial(p, x) - f(x)));
  });
  const coefficients = Array.from({ length: degree + 1 }, (_, power) =>
    Float64Array.from(fits, (fit) => fit[power]),
  );
  return { coefficients, error: { rms: Math.sqrt(squares), max } };
}

/** 1 / deviation of every group frozen at its mean over the data: the normalisation becomes a linear map. */
export function frozenNorm(
  node: ModelNode & { op: 'norm' },
  values: Float64Array,
  shape: readonly number[],
): SparseMap {
  const size = sizeOf(shape);
  const groupOf = normGroups(shape, node.axes);
  const groups = Math.max(...groupOf) + 1;
  const count = size / groups;
  const inverse = new Float64Array(groups);
  const samples = values.length / size;
  for (let start = 0; start < values.length; start += size) {
    const [sum, squares] = [new Float64Array(groups), new Float64Array(groups)];
    for (let i = 0; i < size; i++) {
      sum[groupOf[i]] += values[start + i];
      squares[groupOf[i]] += values[start + i] ** 2;
    }
    for (let g = 0; g < groups; g++) {
      const variance = Math.max(0, squares[g] / count - (sum[g] / count) ** 2);
      inverse[g] += 1 / Math.sqrt(variance + node.epsilon) / samples;
    }
  }
  const members = Array.from({ length: groups }, (): number[] => []);
  groupOf.forEach((group, i) => members[group].push(i));
  return sparseFromRows(size, node.bias, (row) => {
    const group = groupOf[row];
    const scale = node.gain[row] * inverse[group];
    return {
      columns: [...members[group], row],
      weights: [...members[group].map(() => -scale / count), scale],
    };
  });
}

/** The mean of every window, places outside left out: a linear map in place of a maximum. */
export function meanOfWindows(node: ModelNode & { op: 'maximum' }, cols: number): SparseMap {
  const { taps, inputs } = node.windows;
  return sparseFromRows(cols, new Float64Array(inputs.length / taps), (row) => {
    const columns = Array.from(inputs.subarray(row * taps, (row + 1) * taps)).filter((at) => at >= 0);
    return { columns, weights: columns.map(() => 1 / columns.length) };
  });
}

/** Whether {@link halvedWindows} can take the place of a maximum: windows of 2^k places, all inside. */
export function isPairable({ windows: { taps, inputs } }: ModelNode & { op: 'maximum' }): boolean {
  return taps >= 2 && (taps & (taps - 1)) === 0 && !inputs.includes(-1);
}

/** Half the sum and half the difference of the first and second half of every window: max(a, b) = s + |d|. */
export function halvedWindows(
  taps: number,
  inputs: Int32Array,
  cols: number,
): { readonly sum: SparseMap; readonly difference: SparseMap } {
  const half = taps / 2;
  const rows = inputs.length / 2;
  const of = (sign: number): SparseMap =>
    sparseFromRows(cols, new Float64Array(rows), (row) => {
      const [window, tap] = [Math.floor(row / half), row % half];
      return {
        columns: [inputs[window * taps + tap], inputs[window * taps + half + tap]],
        weights: [0.5, sign * 0.5],
      };
    });
  return { sum: of(1), difference: of(-1) };
}
