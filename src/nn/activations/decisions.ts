/** What counts as the same answer of two networks. */
import type { ModelGraph } from '../graph/model-graph.ts';
import { wireSize } from '../graph/model-graph.ts';

export interface DecisionRule {
  /** Share of samples with the same decision, from outputs `[samples, elements]`. */
  readonly agreement: (a: Float64Array, b: Float64Array, samples: number) => number;
  /** How far a sample is from another decision, 0 or more; undefined where nothing is decided. */
  readonly margin?: (outputs: Float64Array, sample: number) => number;
  /** Share of right classes; undefined for a network that does not classify. */
  readonly accuracy?: (outputs: Float64Array, labels: readonly number[]) => number;
}

/**
 * Several outputs: the largest one. One output with a sigmoid or threshold behind it: its side of 0. Any other: not a decision but a
 * number, of which one minus the relative error counts (root mean square over the deviation of the needed values).
 */
export function decisionRule(graph: ModelGraph): DecisionRule {
  const size = wireSize(graph, graph.output);
  if (size > 1)
    return {
      ...classRule((outputs, sample) => largestOf(outputs, sample, size)),
      margin: (outputs, sample) => marginOf(outputs.subarray(sample * size, (sample + 1) * size)),
    };
  const isDecision = graph.tail.nodes.some(
    ({ op, ...node }) => op === 'compare' || ('fn' in node && node.fn === 'sigmoid'),
  );
  if (isDecision)
    return {
      ...classRule((outputs, sample) => (outputs[sample] > 0 ? 1 : 0)),
      margin: (outputs, sample) => Math.abs(outputs[sample]),
    };
  return { agreement: (a, b) => 1 - relativeError(a, b) };
}

function classRule(decide: (outputs: Float64Array, sample: number) => number): DecisionRule {
  const share = (count: number, holds: (sample: number) => boolean): number => {
    let sum = 0;
    for (let sample = 0; sample < count; sample++) if (holds(sample)) sum++;
    return sum / count;
  };
  return {
    agreement: (a, b, samples) => share(samples, (sample) => decide(a, sample) === decide(b, sample)),
    accuracy: (outputs, labels) =>
      share(labels.length, (sample) => decide(outputs, sample) === labels[sample]),
  };
}

function largestOf(outputs: Float64Array, sample: number, size: number): number {
  let best = 0;
  for (let i = 1; i < size; i++) if (outputs[sample * size + i] > outputs[sample * size + best]) best = i;
  return best;
}

/** Between the two largest. */
function marginOf(scores: Float64Array): number {
  const [first, second] = scores.toSorted((a, b) => b - a);
  return first - second;
}

function relativeError(a: Float64Array, needed: Float64Array): number {
  const mean = needed.reduce((sum, value) => sum + value, 0) / needed.length;
  const spread = needed.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const error = needed.reduce((sum, value, i) => sum + (value - a[i]) ** 2, 0);
  return Math.sqrt(error / Math.max(spread, Number.MIN_VALUE));
}
