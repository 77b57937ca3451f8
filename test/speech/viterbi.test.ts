import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DataError, ShapeError } from '../../src/base/errors.ts';
import {
  Aligner,
  alignWithScores,
  estimateTransitions,
  statePriors,
  trainAligner,
} from '../../src/speech/alignment/align.ts';
import type { FeatureMatrix } from '../../src/speech/features/features.ts';
import { parseLexicon } from '../../src/speech/language/lexicon.ts';
import { StateInventory } from '../../src/speech/decoding/state-inventory.ts';
import type { UtteranceGraph } from '../../src/speech/alignment/utterance-graph.ts';
import { utteranceGraph } from '../../src/speech/alignment/utterance-graph.ts';
import type { StateTransitions } from '../../src/speech/alignment/viterbi.ts';
import { viterbiAlign } from '../../src/speech/alignment/viterbi.ts';

const lexicon = parseLexicon('BAD\tB AE D\nBAD\tB EH D\nADD\tAE D\nBEE\tB IY');
const single = new StateInventory(lexicon, 'phone', 1);

/** The best score over all paths, by walking every one. */
function bruteForce(
  graph: UtteranceGraph,
  transitions: StateTransitions,
  scores: Float32Array,
  states: number,
): number {
  const frames = scores.length / states;
  let best = Number.NEGATIVE_INFINITY;
  const walk = (node: number, t: number, score: number): void => {
    const state = graph.states[node];
    const total = score + scores[t * states + state];
    if (t === frames - 1) {
      if (graph.finals.includes(node)) best = Math.max(best, total + transitions.leave[state]);
      return;
    }
    walk(node, t + 1, total + transitions.stay[state]);
    for (let next = 0; next < graph.states.length; next++) {
      const entries = graph.predecessors.subarray(graph.offsets[next], graph.offsets[next + 1]);
      if (entries.includes(node)) walk(next, t + 1, total + transitions.leave[state]);
    }
  };
  for (let node = 0; node < graph.states.length; node++) {
    if (graph.predecessors.subarray(graph.offsets[node], graph.offsets[node + 1]).includes(-1))
      walk(node, 0, 0);
  }
  return best;
}

describe('Viterbi alignment', () => {
  const count = single.stateCount;
  const transitions: StateTransitions = {
    stay: Float64Array.from({ length: count }, (_, s) => Math.log(0.3 + 0.1 * (s % 4))),
    leave: Float64Array.from({ length: count }, (_, s) => Math.log(0.7 - 0.1 * (s % 4))),
  };
  const words = fc.array(fc.nat(2), { maxLength: 2 });
  const frames = fc.integer({ min: 1, max: 7 });

  test('finds the score that walking every path finds', () => {
    fc.assert(
      fc.property(
        words,
        frames,
        fc.infiniteStream(fc.double({ min: -9, max: 0, noNaN: true })),
        (said, t, stream) => {
          const scores = Float32Array.from({ length: t * count }, () => stream.next().value as number);
          const found = alignWithScores(said, scores, single, transitions);
          const best = bruteForce(utteranceGraph(said, single), transitions, scores, count);
          if (found === null) expect(best).toBe(Number.NEGATIVE_INFINITY);
          else expect(found.score).toBeCloseTo(best, 6);
        },
      ),
      { numRuns: 150, seed: 6 },
    );
  });

  test('takes the pronunciation and the silences that the scores show', () => {
    const names = ['SIL', 'B', 'B', 'EH', 'D', 'SIL', 'SIL', 'AE', 'D'];
    const scores = new Float32Array(names.length * count).fill(-5);
    names.forEach((name, t) => {
      scores[t * count + single.unitNames.indexOf(name)] = 0;
    });
    const path = alignWithScores([0, 1], scores, single);
    expect([...path!.states].map((state) => single.unitNames[state])).toEqual(names);
  });

  test('of too few frames is null, of broken rows an error', () => {
    expect(alignWithScores([0, 1], new Float32Array(4 * count), single)).toBeNull();
    expect(alignWithScores([0, 1], new Float32Array(5 * count), single)).not.toBeNull();
    expect(() => alignWithScores([0], new Float32Array(7), single)).toThrow(ShapeError);
  });

  test('with too narrow a beam may fail, and is then widened', () => {
    const graph = utteranceGraph([0], single);
    // Silence looks perfect until the last frame, but the word has to fit.
    const scores = new Float32Array(6 * count).fill(-50);
    for (let t = 0; t < 6; t++) scores[t * count] = 0;
    const acoustic = (state: number, t: number): number => scores[t * count + state];
    expect(viterbiAlign(graph, 6, transitions, acoustic, 1)).toBeNull();
    expect(alignWithScores([0], scores, single, transitions, 1)).not.toBeNull();
  });
});

test('transitions and priors are relative frequencies', () => {
  const alignments = [Uint16Array.of(0, 0, 0, 0, 1, 1), Uint16Array.of(0, 0, 1, 1, 1, 1)];
  const { leave, stay } = estimateTransitions(alignments, 2);
  expect(Math.exp(leave[0])).toBeCloseTo(3 / 8, 10);
  expect(Math.exp(stay[0])).toBeCloseTo(5 / 8, 10);
  const priors = statePriors(alignments, 3);
  expect([...priors].map(Math.exp).map((p) => Number(p.toFixed(5)))).toEqual(
    [7 / 15, 7 / 15, 1 / 15].map((p) => Number(p.toFixed(5))),
  );
});

/** Log-mels in which every phone is a bump at its own filter and silence is low, with a little noise. */
function synthesize(
  phones: readonly (readonly [unit: number, frames: number])[],
  random: () => number,
): FeatureMatrix {
  const rows: number[] = [];
  for (const [unit, frames] of phones) {
    for (let t = 0; t < frames; t++) {
      for (let m = 0; m < 40; m++) {
        const bump = unit === 0 ? -4 : 4 * Math.exp(-(((m - 7 * unit) / 4) ** 2));
        rows.push(bump + 0.3 * (random() + random() - 1));
      }
    }
  }
  return { data: Float32Array.from(rows), frames: rows.length / 40, dim: 40 };
}

describe('flat-start training', () => {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const inventory = new StateInventory(
    parseLexicon('BAD\tB AE D\nADD\tAE D\nDAB\tD AE B\nBEE\tB IY\nID\tIY D'),
  );
  const utterances = Array.from({ length: 40 }, () => {
    const words = Array.from({ length: 3 }, () => Math.floor(random() * 5));
    const duration = (): number => 6 + Math.floor(random() * 10);
    const phones: [number, number][] = [[0, 20]];
    for (const word of words)
      for (const unit of inventory.pronunciations[word][0]) phones.push([unit, duration()]);
    phones.push([0, 15]);
    return { words, phones, features: synthesize(phones, random) };
  });
  const likelihoods: number[] = [];
  const aligner: Aligner = trainAligner(
    utterances,
    inventory,
    { iterations: 6, components: 2 },
    (progress) => {
      likelihoods.push(progress.logLikelihoodPerFrame);
      expect(progress.failed).toBe(0);
    },
  );

  test('raises the likelihood', () => expect(likelihoods[5]).toBeGreaterThan(likelihoods[0] + 1));

  test('finds the true segments within a few frames', () => {
    let [right, total] = [0, 0];
    for (const utterance of utterances) {
      const truth = utterance.phones.flatMap(([unit, frames]) => Array.from({ length: frames }, () => unit));
      const path = aligner.align(utterance)!;
      truth.forEach((unit, t) => {
        if (inventory.unitOf(path[t]) === unit) right++;
      });
      total += truth.length;
    }
    expect(right / total).toBeGreaterThan(0.93);
  });

  test('scores the true state above the others most of the time', () => {
    const { features, phones } = utterances[0];
    const scores = aligner.logLikelihoods(features);
    const truth = phones.flatMap(([unit, frames]) => Array.from({ length: frames }, () => unit));
    const hits = truth.filter((unit, t) => {
      const row = scores.subarray(t * inventory.stateCount, (t + 1) * inventory.stateCount);
      return inventory.unitOf(row.indexOf(Math.max(...row))) === unit;
    });
    expect(hits.length / truth.length).toBeGreaterThan(0.85);
  });

  test('is repeatable, gives null for impossible utterances, and needs data', () => {
    const again = trainAligner(utterances, inventory, { iterations: 6, components: 2 });
    for (const utterance of utterances.slice(0, 5))
      expect(again.align(utterance)).toEqual(aligner.align(utterance));
    const short = { words: [0, 1, 2], features: synthesize([[0, 5]], random) };
    expect(aligner.align(short)).toBeNull();
    expect(() => trainAligner([], inventory)).toThrow(DataError);
    expect(() => trainAligner([short], inventory)).toThrow(DataError);
  });
});
