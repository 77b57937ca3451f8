/** The best path through the HMM of a known word sequence, with beam pruning. */
import type { UtteranceGraph } from './utterance-graph.ts';

/** Log probabilities, per acoustic state, of staying and of leaving after a frame. */
export interface StateTransitions {
  readonly stay: Float64Array;
  readonly leave: Float64Array;
}

export interface AlignedPath {
  /** The acoustic state of every frame. */
  readonly states: Uint16Array;
  /** The log probability of the path: acoustics and transitions. */
  readonly score: number;
}

/**
 * The best path of `frames` frames that uses the graph from its start to one of its finals; null when none survives (too
 * few frames for the words, or pruned away). `acoustic(state, frame)` is asked once per state and frame at most,
 * and only for states within `beam` of the best. Ties go to the path that stays, then to the lower node.
 */
export function viterbiAlign(
  graph: UtteranceGraph,
  frames: number,
  transitions: StateTransitions,
  acoustic: (state: number, frame: number) => number,
  beam: number,
): AlignedPath | null {
  const { states, offsets, predecessors } = graph;
  const nodes = states.length;
  const width = 1 + states.reduce((most, state) => Math.max(most, state), 0);
  // The emission of a state, valid in the frame it was computed for.
  const emissions = new Float64Array(width);
  const computedAt = new Int32Array(width).fill(-1);
  let current = new Float64Array(nodes).fill(Number.NEGATIVE_INFINITY);
  let next = new Float64Array(nodes);
  const back = new Int32Array(frames * nodes);
  let threshold = Number.NEGATIVE_INFINITY;
  for (let t = 0; t < frames; t++) {
    let best = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < nodes; j++) {
      let score = Number.NEGATIVE_INFINITY;
      let from = j;
      if (t > 0 && current[j] >= threshold) score = current[j] + transitions.stay[states[j]];
      for (let e = offsets[j]; e < offsets[j + 1]; e++) {
        const p = predecessors[e];
        let candidate = Number.NEGATIVE_INFINITY;
        if (p < 0) candidate = t === 0 ? 0 : candidate;
        else if (t > 0 && current[p] >= threshold) candidate = current[p] + transitions.leave[states[p]];
        if (candidate > score) {
          score = candidate;
          from = p;
        }
      }
      if (score > Number.NEGATIVE_INFINITY) {
        const state = states[j];
        if (computedAt[state] !== t) {
          emissions[state] = acoustic(state, t);
          computedAt[state] = t;
        }
        score += emissions[state];
      }
      next[j] = score;
      back[t * nodes + j] = from;
      if (score > best) best = score;
    }
    if (!(best > Number.NEGATIVE_INFINITY)) return null;
    threshold = best - beam;
    [current, next] = [next, current];
  }

  return traceBack(graph, current, back, transitions);
}

/** From the best final node of the last frame to the first frame; null when no final was reached. */
function traceBack(
  graph: UtteranceGraph,
  scores: Float64Array,
  back: Int32Array,
  transitions: StateTransitions,
): AlignedPath | null {
  const { states, finals } = graph;
  let end = -1;
  let score = Number.NEGATIVE_INFINITY;
  for (const node of finals) {
    const total = scores[node] + transitions.leave[states[node]];
    if (total > score) {
      score = total;
      end = node;
    }
  }
  if (end < 0) return null;
  const nodes = states.length;
  const path = new Uint16Array(back.length / nodes);
  for (let t = path.length - 1, node = end; t >= 0; t--) {
    path[t] = states[node];
    node = back[t * nodes + node];
  }
  return { states: path, score };
}
