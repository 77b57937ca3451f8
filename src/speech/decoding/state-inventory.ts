/**
 * The states that the acoustic model tells apart: every unit (a phone, or a phone within one word) is a
 * left-to-right chain of states, and unit 0 is silence. A state is numbered unit * statesPerUnit + position, so its
 * chain can be read off its number. States may share an output of the acoustic network (tied states, [YOW94]).
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import type { Lexicon } from '../language/lexicon.ts';

export const SILENCE_UNIT = 0;
export const SILENCE = 'SIL';

/**
 * `phone`: words share the states of a phone. `word`: every word has phones of its own, for small vocabularies. `triphone`: a
 * phone between its neighbours within the word; so many that their states have to share network outputs, see `tying`.
 */
export type UnitKind = 'phone' | 'word' | 'triphone';

/** What stands for the neighbour of the first and last phone of a word. */
export const WORD_EDGE = '#';

/** The name of a phone between its neighbours: 'K-AE+T'. */
export function triphoneName(phones: readonly string[], at: number): string {
  return `${phones[at - 1] ?? WORD_EDGE}-${phones[at]}+${phones[at + 1] ?? WORD_EDGE}`;
}

export class StateInventory {
  readonly lexicon: Lexicon;
  readonly kind: UnitKind;
  readonly unitNames: readonly string[];
  readonly statesPerUnit: number;
  readonly stateCount: number;
  /** The network output that scores each state; the states themselves where they are not tied. */
  readonly tying: Uint16Array;
  /** Network outputs, at most as many as states. */
  readonly outputCount: number;
  /** Per word its pronunciations as unit numbers, in the order of the lexicon. */
  readonly pronunciations: readonly (readonly Uint16Array[])[];

  /**
   * Units are numbered in alphabetical order after silence, so two equal lexica give equal inventories. `tying`: the network
   * output of every state, all numbers from 0 to the largest in use; every state has its own when absent.
   *
   * @throws {OutOfRangeError} when `statesPerUnit` is outside [1, 8] or there would be over 65,535 states.
   * @throws {ShapeError} when `tying` has not one output per state, or leaves one out.
   */
  constructor(lexicon: Lexicon, kind: UnitKind = 'phone', statesPerUnit = 3, tying?: Uint16Array) {
    arg.checkArguments('new StateInventory', [lexicon, kind, statesPerUnit, tying], {
      lexicon: arg.like('a Lexicon', 'indexOf', 'indicesOf'),
      kind: arg.optional(arg.oneOf('phone', 'word', 'triphone')),
      statesPerUnit: arg.optional(arg.number),
      tying: arg.optional(arg.typed('a Uint16Array', Uint16Array)),
    });
    if (!Number.isInteger(statesPerUnit) || statesPerUnit < 1 || statesPerUnit > 8) {
      throw new OutOfRangeError('states per unit', 'an integer in [1, 8]', statesPerUnit);
    }
    const unitName = (word: number, phones: readonly string[], at: number): string => {
      if (kind === 'triphone') return triphoneName(phones, at);
      return kind === 'phone' ? phones[at] : `${lexicon.words[word]}/${phones[at]}`;
    };
    const names = new Set<string>();
    lexicon.pronunciations.forEach((variants, word) => {
      for (const phones of variants) for (const at of phones.keys()) names.add(unitName(word, phones, at));
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
      variants.map((phones) =>
        Uint16Array.from(phones, (_, at) => unitIndex.get(unitName(word, phones, at))!),
      ),
    );
    this.tying = tying ?? Uint16Array.from({ length: this.stateCount }, (_, state) => state);
    if (this.tying.length !== this.stateCount)
      throw new ShapeError('tied states', this.stateCount, this.tying.length);
    this.outputCount = new Set(this.tying).size;
    const largest = this.tying.reduce((most, output) => Math.max(most, output), 0);
    if (largest + 1 !== this.outputCount)
      throw new ShapeError('outputs of tied states', `every number up to ${largest}`, this.outputCount);
  }

  /** Whether states share network outputs. */
  get isTied(): boolean {
    return this.outputCount < this.stateCount;
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
