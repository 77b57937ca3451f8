/**
 * The lexicon as a tree that shares beginnings: a path from the root is a pronunciation, and the words that end in a
 * node hang on it. Nodes are numbered breadth first, so that the children of a node are contiguous.
 */
import type { StateInventory } from './state-inventory.ts';

/** The parent of all first units; it has no unit itself. */
export const ROOT = 0;

export interface PrefixTree {
  readonly nodeCount: number;
  /** The unit of every node; that of the root means nothing. */
  readonly unit: Uint16Array;
  /** Children of n are [childStart[n], childStart[n + 1]). */
  readonly childStart: Int32Array;
  /** Words that end in n are `word[wordStart[n] .. wordStart[n + 1])`, ascending. */
  readonly wordStart: Int32Array;
  readonly word: Int32Array;
}

interface GrowingNode {
  readonly unit: number;
  readonly children: Map<number, GrowingNode>;
  readonly words: number[];
}

export function prefixTree(inventory: StateInventory): PrefixTree {
  const root: GrowingNode = { unit: 0, children: new Map(), words: [] };
  inventory.pronunciations.forEach((variants, word) => {
    for (const units of variants) {
      let node = root;
      for (const unit of units) {
        let child = node.children.get(unit);
        if (child === undefined) {
          child = { unit, children: new Map(), words: [] };
          node.children.set(unit, child);
        }
        node = child;
      }
      if (node.words.at(-1) !== word) node.words.push(word);
    }
  });

  const order = [root];
  const childStart = [];
  const wordStart = [0];
  const word: number[] = [];
  for (let n = 0; n < order.length; n++) {
    childStart.push(order.length);
    order.push(...[...order[n].children.values()].sort((a, b) => a.unit - b.unit));
    word.push(...order[n].words);
    wordStart.push(word.length);
  }
  childStart.push(order.length);
  return {
    nodeCount: order.length,
    unit: Uint16Array.from(order, (node) => node.unit),
    childStart: Int32Array.from(childStart),
    wordStart: Int32Array.from(wordStart),
    word: Int32Array.from(word),
  };
}

/** The best of `wordScores` among all words at or below each node; of the root, over all words. */
export function bestBelow(tree: PrefixTree, wordScores: Float64Array): Float64Array {
  const best = new Float64Array(tree.nodeCount).fill(Number.NEGATIVE_INFINITY);
  for (let n = tree.nodeCount - 1; n >= 0; n--) {
    for (let i = tree.wordStart[n]; i < tree.wordStart[n + 1]; i++) {
      best[n] = Math.max(best[n], wordScores[tree.word[i]]);
    }
    for (let child = tree.childStart[n]; child < tree.childStart[n + 1]; child++) {
      best[n] = Math.max(best[n], best[child]);
    }
  }
  return best;
}
