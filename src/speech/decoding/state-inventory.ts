/**
 * The states that the acoustic model tells apart: every unit (a phone, or a phone within one word) is a
 * left-to-right chain of states, and unit 0 is silence. A state is numbered unit * statesPerUnit + position, so its
 * chain can be read off its number.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import type { Lexicon } from '../language/lexicon.ts';

export const SILENCE_UNIT = 0;
export const SILENCE = 'SIL';

/** `phone`: words share the states of a phone. `word`: every word has phones of its own, for small vocabularies. */
export type UnitKind = 'phone' | 'word';

export class StateInventory {
  readonly lexicon: Lexicon;
  readonly kind: UnitKind;
  readonly unitNames: readonly string[];
  readonly statesPerUnit: number;
  readonly stateCount: number;
  /** Per word its pronunciations as unit numbers, in the order of the lexicon. */
  readonly pronunciations: readonly (readonly Uint16Array[])[];

  /**
   * Units are numbered in alphabetical order after silence, so two equal lexica give equal inventories.
   *
   * @throws {OutOfRangeError} when `statesPerUnit` is outside [1, 8] or there would be over 65,535 states.
   */
  constructor(lexicon: Lexicon, kind: UnitKind = 'phone', statesPerUnit = 3) {
    arg.checkArguments('new StateInventory', [lexicon, kind, statesPerUnit], {
      lexicon: arg.like('a Lexicon', 'indexOf', 'indicesOf'),
      kind: arg.optional(arg.oneOf('phone', 'word')),
      statesPerUnit: arg.optional(arg.number),
    });
    if (!Number.isInteger(statesPerUnit) || statesPerUnit < 1 || statesPerUnit > 8) {
      throw new OutOfRangeError('states per unit', 'an integer in [1, 8]', statesPerUnit);
    }
    const unitName = (word: number, phone: string): string =>
      kind === 'phone' ? phone : `${lexicon.words[word]}/${phone}`;
    const names = new Set<string>();
    lexicon.pronunciations.forEach((variants, word) => {
      for (const phones of variants) for (const phone of phones) names.add(unitName(word, phone));
    });
    this.lexicon = lexicon;
    this.kind = kind;
    this.unitNames = [SILENCE, ...[...names].sort()];
    this.statesPerUnit = statesPerUnit;
    this.stateCount = this.unitNames.length * statesPerUnit;
    if (this.stateCount > 0xffff)
      throw new OutOfRangeError('acoustic states', 'at most 65535', this.stateCount);
    const unitIndex = new Map(this.unitNames.map((name, index) => [name, index]));
    this.pronunciations = lexicon.pronunciations.map((variants, word) =>
      variants.map((phones) => Uint16Array.from(phones, (phone) => unitIndex.get(unitName(word, phone))!)),
    );
  }

  /** The unit that a state belongs to. */
  unitOf(state: number): number {
    return Math.floor(state / this.statesPerUnit);
  }

  /** For messages and tables: 'AH.0', 'SIL.2'. */
  stateName(state: number): string {
    return `${this.unitNames[this.unitOf(state)]}.${state % this.statesPerUnit}`;
  }
}

printOnOneLine(StateInventory);
arg.guard('StateInventory', StateInventory.prototype, {
  unitOf: { state: arg.number },
  stateName: { state: arg.number },
});
