import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import { acousticScores } from '../../src/speech/decoding/acoustic-scores.ts';
import { alignWithScores, uniformTransitions } from '../../src/speech/alignment/align.ts';
import { Decoder } from '../../src/speech/decoding/decoder.ts';
import { DecodingGraph } from '../../src/speech/decoding/decoding-graph.ts';
import { DIGIT_LEXICON, parseLexicon } from '../../src/speech/language/lexicon.ts';
import { NgramModel } from '../../src/speech/language/ngram.ts';
import { trainNgram } from '../../src/speech/language/ngram-training.ts';
import { StateInventory } from '../../src/speech/decoding/state-inventory.ts';

const lexicon = parseLexicon('BE\tB IY\nBEE\tB IY\nBAD\tB AE D\nBAD\tB EH D\nADD\tAE D\nD\tD IY');
const [BE, BEE, BAD, ADD] = [0, 1, 2, 3];
const inventory = new StateInventory(lexicon, 'phone', 1);
const sentences = [
  [BE, BAD],
  [BE, BAD],
  [BEE, ADD],
  [ADD, BEE, BAD],
];
const graph = new DecodingGraph(
  inventory,
  uniformTransitions(inventory.stateCount),
  trainNgram(sentences, lexicon.words.length),
);
const WIDE = { beam: 1e6, wordEndBeam: 1e6, maxActive: 1e6 };

/** Scores in which the named units stand out, one frame each. */
function scoresOf(units: string, graph: DecodingGraph, contrast = 8): Float32Array {
  const { inventory } = graph;
  const names = units.split(' ');
  const scores = new Float32Array(names.length * inventory.stateCount).fill(-contrast);
  names.forEach((name, t) => {
    scores[t * inventory.stateCount + inventory.unitNames.indexOf(name)] = 0;
  });
  return scores;
}

/** The best score of any sentence of up to three words, each aligned by itself. */
function bestSentence(
  scores: Float32Array,
  acousticScale: number,
  lmWeight: number,
): { score: number; words: string } {
  const scaled = scores.map((score) => score * acousticScale);
  let best = { score: Number.NEGATIVE_INFINITY, words: '' };
  const extend = (words: readonly number[]): void => {
    const path = alignWithScores(words, scaled, inventory, graph.transitions);
    if (path !== null) {
      const lm = graph.languageModel;
      let [state, total] = [lm.startState, path.score];
      for (const word of words) {
        total += lmWeight * lm.logProbability(state, word);
        state = lm.nextState(state, word);
      }
      total += lmWeight * lm.logProbability(state, lm.endOfSentence);
      if (total > best.score) best = { score: total, words: words.map((w) => lexicon.words[w]).join(' ') };
    }
    if (words.length < 3) for (let word = 0; word < lexicon.words.length; word++) extend([...words, word]);
  };
  extend([]);
  return best;
}

describe('the search', () => {
  test('finds the sentence that trying all sentences finds', () => {
    const numbers = fc.infiniteStream(fc.double({ min: -6, max: 0, noNaN: true }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), numbers, (frames, stream) => {
        const scores = Float32Array.from(
          { length: frames * inventory.stateCount },
          () => stream.next().value as number,
        );
        const found = new Decoder(graph, { ...WIDE, acousticScale: 0.7, lmWeight: 1.3 }).decode(scores);
        const best = bestSentence(scores, 0.7, 1.3);
        expect(found.isComplete).toBe(true);
        expect(found.score).toBeCloseTo(best.score, 4);
        expect(found.words.join(' ')).toBe(best.words);
      }),
      { numRuns: 40, seed: 7 },
    );
  });

  test('tells words that sound alike by what is around them', () => {
    const decoder = new Decoder(graph, { acousticScale: 1 });
    expect(decoder.decode(scoresOf('SIL B IY IY B AE D D SIL', graph)).words).toEqual(['BE', 'BAD']);
    expect(decoder.decode(scoresOf('B IY AE AE D', graph)).words).toEqual(['BEE', 'ADD']);
    expect(decoder.decode(scoresOf('AE D SIL B IY IY B EH D', graph)).words).toEqual(['ADD', 'BEE', 'BAD']);
  });

  test('gives the frames of every word', () => {
    const { timing } = new Decoder(graph, { acousticScale: 1 }).decode(
      scoresOf('SIL SIL B IY IY SIL B AE D D SIL', graph),
    );
    expect(timing).toEqual([
      { word: 'BE', start: 2, end: 5 },
      { word: 'BAD', start: 6, end: 10 },
    ]);
  });

  test('of silence gives no words', () => {
    const transcript = new Decoder(graph, { acousticScale: 1 }).decode(scoresOf('SIL SIL SIL SIL', graph));
    expect(transcript).toMatchObject({ words: [], isComplete: true });
  });

  test('that ends within a word gives the words before it', () => {
    const digits = new DecodingGraph(
      new StateInventory(DIGIT_LEXICON, 'phone', 1),
      uniformTransitions(20),
      NgramModel.uniform(10),
    );
    const decoder = new Decoder(digits, { acousticScale: 1, beam: 5 });
    const transcript = decoder.decode(scoresOf('N AY N S EH', digits, 50));
    expect(transcript.isComplete).toBe(false);
    expect(transcript.words).toEqual(['NINE']);
  });

  test('survives scores that mean nothing', () => {
    const decoder = new Decoder(graph);
    for (const value of [0, Number.NaN, Number.NEGATIVE_INFINITY, -1e30]) {
      const scores = new Float32Array(20 * inventory.stateCount).fill(value);
      expect(decoder.decode(scores)).toEqual(decoder.decode(scores));
    }
    expect(decoder.decode(scoresOf('B IY', graph, 40)).words).toEqual(
      new Decoder(graph).decode(scoresOf('B IY', graph, 40)).words,
    );
  });

  test('keeps to its limit on tokens and still finds clear words', () => {
    const transcript = new Decoder(graph, { acousticScale: 1, maxActive: 4 }).decode(
      scoresOf('B IY IY B AE D D', graph),
    );
    expect(transcript.words).toEqual(['BE', 'BAD']);
  });

  test('prefers fewer words under a penalty', () => {
    const scores = new Float32Array(12 * inventory.stateCount);
    const many = new Decoder(graph, { ...WIDE, wordPenalty: 5 }).decode(scores);
    const few = new Decoder(graph, { ...WIDE, wordPenalty: -5 }).decode(scores);
    expect(many.words.length).toBeGreaterThan(few.words.length);
  });

  test('refuses options and scores that cannot be', () => {
    expect(() => new Decoder(graph, { beam: 0 })).toThrow(OutOfRangeError);
    expect(() => new Decoder(graph, { acousticScale: -1 })).toThrow(OutOfRangeError);
    expect(() => new Decoder(graph).decode(new Float32Array(0))).toThrow(ShapeError);
    expect(() => new Decoder(graph).decode(new Float32Array(inventory.stateCount + 1))).toThrow(ShapeError);
  });
});

describe('three states per unit and a larger vocabulary', () => {
  const words = Array.from({ length: 300 }, (_, i) => {
    const phones = ['B', 'D', 'G', 'K', 'L', 'M', 'N', 'P', 'S', 'T'];
    const vowels = ['AA', 'EH', 'IY', 'OW', 'UW'];
    return `W${i}\t${phones[i % 10]} ${vowels[i % 5]} ${phones[Math.floor(i / 10) % 10]} ${vowels[Math.floor(i / 100)]} T`;
  });
  const lexicon = parseLexicon(words.join('\n'));
  const inventory = new StateInventory(lexicon);
  const text = Array.from({ length: 200 }, (_, i) => [i % 300, (i * 7) % 300, (i * 13 + 5) % 300]);
  const graph = new DecodingGraph(inventory, uniformTransitions(inventory.stateCount), trainNgram(text, 300));

  test('the words of the true states come back', () => {
    const decoder = new Decoder(graph, { acousticScale: 1 });
    for (const sentence of text.slice(0, 10)) {
      const states: number[] = [0, 1, 2];
      for (const word of sentence)
        for (const unit of inventory.pronunciations[word][0])
          states.push(unit * 3, unit * 3 + 1, unit * 3 + 2);
      const scores = new Float32Array(states.length * inventory.stateCount).fill(-6);
      states.forEach((state, t) => {
        scores[t * inventory.stateCount + state] = 0;
      });
      const transcript = decoder.decode(scores);
      expect(transcript.words).toEqual(sentence.map((word) => lexicon.words[word]));
    }
  });
});

describe('a decoding graph', () => {
  const bytes = graph.toBytes();

  test('is the same after bytes', () => {
    const read = DecodingGraph.fromBytes(bytes);
    expect(read.toBytes()).toEqual(bytes);
    const scores = scoresOf('SIL B IY IY B AE D D SIL', graph, 3);
    expect(new Decoder(read).decode(scores).words).toEqual(new Decoder(graph).decode(scores).words);
  });

  test('from damaged bytes is a graph or a DecodeError', () => {
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(40), (at, value, cut) => {
        const damaged = bytes.slice(0, cut < 10 ? bytes.length - cut : bytes.length);
        damaged[at] = value;
        try {
          const read = DecodingGraph.fromBytes(damaged);
          new Decoder(read).decode(new Float32Array(3 * read.inventory.stateCount));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
          refused++;
        }
      }),
      { numRuns: 1000, seed: 8 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  test('needs parts that fit', () => {
    expect(() => new DecodingGraph(inventory, uniformTransitions(3), graph.languageModel)).toThrow(
      ShapeError,
    );
    expect(() => new DecodingGraph(inventory, graph.transitions, NgramModel.uniform(3))).toThrow(ShapeError);
  });
});

test('acoustic scores are log posteriors less the scaled log priors', () => {
  const priors = Float32Array.of(Math.log(0.5), Math.log(0.25), Math.log(0.25));
  const scores = acousticScores(Float32Array.of(0, 0, 0, 1000, 0, -1000), priors, 0.5);
  expect(scores[0]).toBeCloseTo(Math.log(1 / 3) - 0.5 * Math.log(0.5), 5);
  expect(scores[1]).toBeCloseTo(Math.log(1 / 3) - 0.5 * Math.log(0.25), 5);
  expect(scores[3]).toBeCloseTo(-0.5 * Math.log(0.5), 5);
  expect(scores[5]).toBeCloseTo(-2000 - 0.5 * Math.log(0.25), 2);
  expect(() => acousticScores(new Float32Array(4), priors)).toThrow(ShapeError);
});
