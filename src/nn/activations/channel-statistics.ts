/** What a wire carries over calibration data, channel by channel. */
import type { ChannelStatistics } from '../graph/model-graph.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { Distribution } from './weighted-fit.ts';

const BINS = 256;

/** Low, high, mean and variance of every channel of `[batch, ...shape]`. */
export function channelStatistics(values: Float64Array, shape: readonly number[]): ChannelStatistics {
  const channels = shape[0];
  const inside = sizeOf(shape.slice(1));
  const samples = values.length / (channels * inside);
  const low = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  const count = samples * inside;
  values.forEach((value, i) => {
    const channel = Math.floor(i / inside) % channels;
    if (value < low[channel]) low[channel] = value;
    if (value > high[channel]) high[channel] = value;
    mean[channel] += value / count;
  });
  values.forEach((value, i) => {
    const channel = Math.floor(i / inside) % channels;
    variance[channel] += (value - mean[channel]) ** 2 / count;
  });
  return { samples, low, high, mean, variance };
}

/** Histograms of 256 bins between the extremes of each channel; `weights` has one number per sample, 1 where it is left out. */
export function channelHistograms(
  values: Float64Array,
  shape: readonly number[],
  { low, high }: ChannelStatistics,
  weights?: Float64Array,
): Distribution[] {
  const channels = shape[0];
  const inside = sizeOf(shape.slice(1));
  const histograms = Array.from({ length: channels }, (_, channel) => {
    const width = (high[channel] - low[channel]) / BINS;
    return {
      values: Float64Array.from({ length: BINS }, (_, bin) => low[channel] + (bin + 0.5) * width),
      weights: new Float64Array(BINS),
    };
  });
  values.forEach((value, i) => {
    const channel = Math.floor(i / inside) % channels;
    const width = (high[channel] - low[channel]) / BINS;
    const bin = width > 0 ? Math.min(BINS - 1, Math.floor((value - low[channel]) / width)) : 0;
    histograms[channel].weights[bin] += weights?.[Math.floor(i / (channels * inside))] ?? 1;
  });
  return histograms;
}

/** All of them as one. */
export function pooledDistribution(parts: readonly Distribution[]): Distribution {
  const values = new Float64Array(parts.length * BINS);
  const weights = new Float64Array(parts.length * BINS);
  parts.forEach((part, i) => {
    values.set(part.values, i * BINS);
    weights.set(part.weights, i * BINS);
  });
  return { values, weights };
}
