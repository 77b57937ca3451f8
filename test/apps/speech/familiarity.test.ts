import { describe, expect, it } from 'vitest';
import {
  familiarIntervals,
  INPUT_FACTS,
  inputFacts,
  scoreFacts,
  unfamiliar,
} from '../../../src/apps/speech/familiarity.ts';
import { ShapeError } from '../../../src/base/errors.ts';

describe('facts of inputs', () => {
  it('are those of the definitions', () => {
    // Two frames, one coefficient, two filters.
    const facts = inputFacts({ data: Float32Array.of(1, 3, 1, -1), frames: 2 }, 2);
    expect(facts).toEqual([(1 + 9 + 1 + 1) / 4, 5, (1 + 1) / 2, 16 / 2, (4 + 4) / 4]);
  });

  it('do not fit other shapes', () => {
    expect(() => inputFacts({ data: new Float32Array(3), frames: 1 }, 2)).toThrow(ShapeError);
    expect(() => inputFacts({ data: new Float32Array(0), frames: 0 }, 2)).toThrow(ShapeError);
  });
});

describe('facts of scores', () => {
  it('are the extremes and the certainty', () => {
    const [lowest, highest, certainty] = scoreFacts([0, 0, -5, 7], 2);
    expect([lowest, highest]).toEqual([-5, 7]);
    expect(certainty).toBeCloseTo((-Math.log(2) - Math.log1p(Math.exp(-12))) / 2, 9);
    expect(() => scoreFacts([1, 2, 3], 2)).toThrow(ShapeError);
  });
});

describe('familiar intervals', () => {
  const many = Array.from({ length: 1000 }, (_, i) => [i, -i, 1, 2, 3]);

  it('hold what training had and name what it had not', () => {
    const intervals = familiarIntervals(many, 0.002);
    expect(unfamiliar([500, -500, 1, 2, 3], intervals, INPUT_FACTS)).toEqual([]);
    expect(unfamiliar([5000, -500, 1, 2, 3], intervals, INPUT_FACTS)).toEqual([INPUT_FACTS[0]]);
    expect(unfamiliar([500, 500, 1, 2, 4], intervals, INPUT_FACTS)).toEqual([INPUT_FACTS[1], INPUT_FACTS[4]]);
    expect(unfamiliar([Number.NaN, -500, 1, 2, 3], intervals, INPUT_FACTS)).toEqual([INPUT_FACTS[0]]);
  });

  it('are not widened by one freak in a thousand', () => {
    const freak = [...many.slice(1), [1e9, 0, 1, 2, 3]];
    expect(familiarIntervals(freak, 0.002)[0][1]).toBeLessThan(1200);
  });
});
