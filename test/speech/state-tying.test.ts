import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { SeededGenerator } from '../../src/nn/index.ts';
import {
  alignWithScores,
  Decoder,
  DecodingGraph,
  parseLexicon,
  StateInventory,
  StateStatistics,
  tiedTransitions,
  tieStates,
  trainNgram,
  uniformTransitions,
} from '../../src/speech/index.ts';

const lexicon = parseLexicon('BAD\tB AE D\nBAT\tB AE T\nCAD\tK AE D\nMAN\tM AE N\nNAN\tN AE N\nDAB\tD AE B');
const wide = new StateInventory(lexicon, 'triphone', 3);
const stateOf = (unit: string, position: number): number => 3 * wide.unitNames.indexOf(unit) + position;

/** Statistics of 300 frames per state, around `centre(state)` with a spread of one. */
function statisticsAround(
  centre: (state: number) => number,
  skipped: readonly number[] = [],
): StateStatistics {
  const statistics = new StateStatistics(wide.stateCount, 2);
  const generator = new SeededGenerator(5);
  for (let state = 0; state < wide.stateCount; state++) {
    if (skipped.includes(state)) continue;
    const data = Float32Array.from({ length: 600 }, (_, i) => (i % 2) * centre(state) + generator.normal());
    statistics.add(new Uint16Array(300).fill(state), { data, frames: 300, dim: 2 });
  }
  return statistics;
}

describe('phones in context', () => {
  test('every phone between its neighbours is a unit', () => {
    expect(wide.unitNames).toContain('B-AE+D');
    expect(wide.unitNames).toContain('#-B+AE');
    expect(wide.unitNames[0]).toBe('SIL');
    expect(wide.isTied).toBe(false);
    expect(wide.pronunciations[0][0]).toHaveLength(3);
  });

  test('states share an output where they sound alike, and no other', () => {
    // The last state of AE is far off before nasals.
    const nasal = (state: number): boolean => /-AE\+N/.test(wide.unitNames[wide.unitOf(state)]);
    const statistics = statisticsAround((state) => (nasal(state) && state % 3 === 2 ? 50 : 0));
    const phones = new Set(lexicon.pronunciations.flat(2)).size;
    const tying = tieStates(wide, statistics, 3 * (1 + phones) + 1);
    expect(Array.from(tying.subarray(0, 3))).toEqual([0, 1, 2]);
    expect(tying[stateOf('M-AE+N', 2)]).toBe(tying[stateOf('N-AE+N', 2)]);
    expect(tying[stateOf('M-AE+N', 2)]).not.toBe(tying[stateOf('B-AE+D', 2)]);
    expect(tying[stateOf('B-AE+T', 2)]).toBe(tying[stateOf('K-AE+D', 2)]);
    expect(tying[stateOf('M-AE+N', 1)]).toBe(tying[stateOf('B-AE+D', 1)]);
    expect(tying[stateOf('#-B+AE', 0)]).not.toBe(tying[stateOf('#-D+AE', 0)]);
    const tied = new StateInventory(lexicon, 'triphone', 3, tying);
    expect(tied.outputCount).toBe(3 * (1 + phones) + 1);
    expect(tied.isTied).toBe(true);
  });

  test('a context that training lacks falls into a leaf of its phone', () => {
    const lacking = [0, 1, 2].map((position) => stateOf('N-AE+N', position));
    const statistics = statisticsAround((state) => state % 3, lacking);
    const tying = tieStates(wide, statistics, 40);
    const phone = (state: number) => wide.unitNames[wide.unitOf(state)].split(/[-+]/)[1] ?? 'SIL';
    const members = new Map<number, Set<string>>();
    for (const [state, output] of tying.entries())
      members.set(output, (members.get(output) ?? new Set()).add(`${phone(state)}.${state % 3}`));
    for (const kinds of members.values()) expect(kinds.size).toBe(1);
  });

  test('refused: too few outputs, statistics of other states, a tying that leaves an output out', () => {
    expect(() =>
      tieStates(
        wide,
        statisticsAround(() => 0),
        5,
      ),
    ).toThrow(OutOfRangeError);
    expect(() => tieStates(wide, new StateStatistics(7, 2), 40)).toThrow(ShapeError);
    const gap = new Uint16Array(wide.stateCount).fill(2);
    expect(() => new StateInventory(lexicon, 'triphone', 3, gap)).toThrow(ShapeError);
  });
});

describe('decoding with tied states', () => {
  const outputs = 17;
  const tying = Uint16Array.from({ length: wide.stateCount }, (_, state) => (state * 5) % outputs);
  const tied = new StateInventory(lexicon, 'triphone', 3, tying);
  const model = trainNgram(
    [
      [0, 1],
      [2, 3, 4],
    ],
    lexicon.words.length,
  );
  const perOutput = {
    stay: Float64Array.from({ length: outputs }, (_, i) => Math.log(Math.fround((i + 1) / 20))),
    leave: Float64Array.from({ length: outputs }, (_, i) => Math.log1p(-Math.fround((i + 1) / 20))),
  };
  const transitions = tiedTransitions(tied, perOutput);
  const graph = new DecodingGraph(tied, transitions, model);
  const free = new DecodingGraph(wide, transitions, model);
  const spread = (scores: Float32Array): Float32Array => {
    const frames = scores.length / outputs;
    const all = new Float32Array(frames * wide.stateCount);
    for (let t = 0; t < frames; t++)
      for (const [state, output] of tying.entries())
        all[t * wide.stateCount + state] = scores[t * outputs + output];
    return all;
  };
  const randomScores = (seed: number, frames: number): Float32Array => {
    const generator = new SeededGenerator(seed);
    return Float32Array.from({ length: frames * outputs }, () => 3 * generator.normal());
  };

  test('the words and the score are those of scores repeated for every state', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 9, max: 40 }), (seed, frames) => {
        const scores = randomScores(seed, frames);
        const options = { beam: 200, wordEndBeam: 200, maxActive: 1e5 };
        expect(new Decoder(graph, options).decode(scores)).toEqual(
          new Decoder(free, options).decode(spread(scores)),
        );
        const aligned = alignWithScores([0, 3], scores, tied);
        expect(aligned).toEqual(alignWithScores([0, 3], spread(scores), wide));
      }),
      { numRuns: 20 },
    );
  });

  test('graphs are read as they were written; without tied states in the older version', () => {
    const bytes = graph.toBytes();
    expect(bytes[0]).toBe(2);
    const read = DecodingGraph.fromBytes(bytes);
    expect(read.inventory.tying).toEqual(tying);
    expect(read.toBytes()).toEqual(bytes);
    const scores = randomScores(4, 30);
    expect(new Decoder(read).decode(scores).words).toEqual(new Decoder(graph).decode(scores).words);
    expect(new DecodingGraph(wide, uniformTransitions(wide.stateCount), model).toBytes()[0]).toBe(1);
  });

  test('refused: files cut short, outputs that no state has, other versions', () => {
    const bytes = graph.toBytes();
    const at = 7 + new DataView(bytes.buffer).getUint32(3, true);
    for (const cut of [at - 1, at + 2, at + 4 + tying.length]) {
      expect(() => DecodingGraph.fromBytes(bytes.subarray(0, cut))).toThrow(DecodeError);
    }
    const changed = (change: (copy: Uint8Array) => void): Uint8Array => {
      const copy = bytes.slice();
      change(copy);
      return copy;
    };
    expect(() => DecodingGraph.fromBytes(changed((copy) => copy.fill(0xff, at + 4, at + 6)))).toThrow(
      DecodeError,
    );
    expect(() => DecodingGraph.fromBytes(changed((copy) => (copy[at] = 16)))).toThrow(DecodeError);
    expect(() => DecodingGraph.fromBytes(changed((copy) => (copy[0] = 3)))).toThrow(DecodeError);
  });
});
