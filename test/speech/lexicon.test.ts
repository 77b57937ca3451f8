import { describe, expect, test } from 'vitest';
import { DataError, OutOfRangeError } from '../../src/base/errors.ts';
import {
  DIGIT_LEXICON,
  formatLexicon,
  Lexicon,
  PHONES,
  parseLexicon,
} from '../../src/speech/language/lexicon.ts';
import { SILENCE, StateInventory } from '../../src/speech/decoding/state-inventory.ts';

describe('lexicon', () => {
  test('drops stress, keeps variants, merges what becomes equal', () => {
    const lexicon = parseLexicon('A\tAH0\nA\tEY0\nA\tEY1\r\nABOUT\tAH0 B AW1 T\n\n');
    expect(lexicon.words).toEqual(['A', 'ABOUT']);
    expect(lexicon.pronunciations).toEqual([[['AH'], ['EY']], [['AH', 'B', 'AW', 'T']]]);
    expect(lexicon.indexOf('ABOUT')).toBe(1);
    expect(lexicon.indexOf('ZEBRA')).toBeUndefined();
    expect(lexicon.indicesOf(['ABOUT', 'A'])).toEqual([1, 0]);
    expect(() => lexicon.indicesOf(['A', 'ZEBRA'])).toThrow(/'ZEBRA' is not in the lexicon/);
  });

  test('is read back from its own text', () => {
    expect(parseLexicon(formatLexicon(DIGIT_LEXICON))).toEqual(DIGIT_LEXICON);
  });

  test('names the line that is wrong', () => {
    expect(() => parseLexicon('A\tAH0\nB B IY1')).toThrow(/line 2/);
    expect(() => parseLexicon('A\tQQ')).toThrow(/line 1 has an unknown phone 'QQ'/);
    expect(() => parseLexicon('')).toThrow(DataError);
    expect(() => new Lexicon([['A', []]])).toThrow(DataError);
    expect(
      () =>
        new Lexicon([
          ['A', [['AH']]],
          ['A', [['EY']]],
        ]),
    ).toThrow(DataError);
  });

  test('has 39 phones', () => expect(new Set(PHONES).size).toBe(39));
});

describe('state inventory', () => {
  test('of phones: silence first, then the phones in use by alphabet', () => {
    const inventory = new StateInventory(parseLexicon('BAD\tB AE D\nDAB\tD AE B'));
    expect(inventory.unitNames).toEqual([SILENCE, 'AE', 'B', 'D']);
    expect(inventory.stateCount).toBe(12);
    expect([...inventory.pronunciations[0][0]]).toEqual([2, 1, 3]);
    expect([...inventory.pronunciations[1][0]]).toEqual([3, 1, 2]);
    expect(inventory.unitOf(5)).toBe(1);
    expect(inventory.stateName(5)).toBe('AE.2');
  });

  test('of words: no two words share a unit', () => {
    const inventory = new StateInventory(DIGIT_LEXICON, 'word');
    const users = new Map<number, Set<number>>();
    inventory.pronunciations.forEach((variants, word) => {
      for (const units of variants)
        for (const unit of units) users.set(unit, (users.get(unit) ?? new Set()).add(word));
    });
    for (const words of users.values()) expect(words.size).toBe(1);
    expect(inventory.stateCount).toBe(96);
    expect(new StateInventory(DIGIT_LEXICON).stateCount).toBe(60);
  });

  test('refuses topologies without states', () => {
    for (const count of [0, 9, 1.5])
      expect(() => new StateInventory(DIGIT_LEXICON, 'phone', count)).toThrow(OutOfRangeError);
  });
});
