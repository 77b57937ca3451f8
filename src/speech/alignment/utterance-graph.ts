/** The HMM of a known word sequence: every pronunciation of every word, silence allowed at the ends and between words. */
import type { StateInventory } from '../decoding/state-inventory.ts';
import { SILENCE_UNIT } from '../decoding/state-inventory.ts';

/** Nodes in topological order, the self loop of each left implicit. */
export interface UtteranceGraph {
  /** The acoustic state of every node. */
  readonly states: Uint16Array;
  /** The predecessors of node j are `predecessors[offsets[j] .. offsets[j + 1])`, all below j; -1 is the start. */
  readonly offsets: Int32Array;
  readonly predecessors: Int32Array;
  /** Nodes in which a path may end. */
  readonly finals: readonly number[];
}

/** Builds the graph of `words`, numbers in the lexicon of `inventory`. An empty list is pure silence. */
export function utteranceGraph(words: readonly number[], inventory: StateInventory): UtteranceGraph {
  const states: number[] = [];
  const offsets: number[] = [0];
  const predecessors: number[] = [];
  const addUnit = (unit: number, entries: readonly number[]): number => {
    for (let position = 0; position < inventory.statesPerUnit; position++) {
      if (position === 0) predecessors.push(...entries);
      else predecessors.push(states.length - 1);
      states.push(unit * inventory.statesPerUnit + position);
      offsets.push(predecessors.length);
    }
    return states.length - 1;
  };

  let frontier: number[] = [-1];
  if (words.length > 0) frontier.push(addUnit(SILENCE_UNIT, frontier));
  else frontier = [addUnit(SILENCE_UNIT, frontier)];
  for (const word of words) {
    const ends = inventory.pronunciations[word].map((units) => {
      let entries: readonly number[] = frontier;
      for (const unit of units) entries = [addUnit(unit, entries)];
      return entries[0];
    });
    frontier = [...ends, addUnit(SILENCE_UNIT, ends)];
  }
  return {
    states: Uint16Array.from(states),
    offsets: Int32Array.from(offsets),
    predecessors: Int32Array.from(predecessors),
    finals: frontier,
  };
}
