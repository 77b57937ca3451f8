/**
 * All that the decoder knows besides the acoustic scores: lexicon and states, transition probabilities, language
 * model, and the prefix tree built from them. Saved as one block of a model file; the tree is rebuilt on reading.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ByteReader, ByteWriter, ReadBudget } from '../../base/bytes.ts';
import { DecodeError, ShapeError } from '../../base/errors.ts';
import { formatLexicon, parseLexicon } from '../language/lexicon.ts';
import type { NgramModel } from '../language/ngram.ts';
import { ngramByteLength, readNgram, writeNgram } from '../language/ngram-bytes.ts';
import { readNumbers, writeNumbers } from '../number-bytes.ts';
import type { PrefixTree } from './prefix-tree.ts';
import { prefixTree } from './prefix-tree.ts';
import { StateInventory } from './state-inventory.ts';
import type { StateTransitions } from '../alignment/viterbi.ts';

const WHAT = 'decoding graph';
/** States with outputs of their own. */
const VERSION = 1;
/** Tied states: the output of every state, and transitions per output. */
const TIED_VERSION = 2;
const KINDS = ['phone', 'word', 'triphone'] as const;
/** Far above any lexicon of a model file, far below what hurts. */
const DEFAULT_BUDGET_BYTES = 1 << 28;

export class DecodingGraph {
  readonly inventory: StateInventory;
  readonly transitions: StateTransitions;
  readonly languageModel: NgramModel;
  readonly tree: PrefixTree;

  /** @throws {ShapeError} when the parts disagree on the number of words or states. */
  constructor(inventory: StateInventory, transitions: StateTransitions, languageModel: NgramModel) {
    arg.checkArguments('new DecodingGraph', [inventory, transitions, languageModel], {
      inventory: arg.like('a StateInventory', 'unitOf', 'stateName'),
      transitions: arg.like('a StateTransitions', 'stay', 'leave'),
      languageModel: arg.like('a NgramModel', 'logProbability', 'nextState'),
    });
    const words = inventory.lexicon.words.length;
    if (languageModel.vocabularySize !== words) {
      throw new ShapeError('vocabulary of the language model', words, languageModel.vocabularySize);
    }
    for (const side of [transitions.stay, transitions.leave]) {
      if (side.length !== inventory.stateCount) {
        throw new ShapeError('transition probabilities', inventory.stateCount, side.length);
      }
    }
    this.inventory = inventory;
    this.transitions = transitions;
    this.languageModel = languageModel;
    this.tree = prefixTree(inventory);
  }

  toBytes(): Uint8Array {
    const { inventory, transitions, languageModel } = this;
    const lexicon = new TextEncoder().encode(formatLexicon(inventory.lexicon));
    const { isTied, tying } = inventory;
    const numbers = isTied ? 4 + 2 * tying.length + 4 * inventory.outputCount : 4 * inventory.stateCount;
    const writer = new ByteWriter(3 + 4 + lexicon.length + numbers + ngramByteLength(languageModel));
    writer.u8(isTied ? TIED_VERSION : VERSION);
    writer.u8(KINDS.indexOf(inventory.kind));
    writer.u8(inventory.statesPerUnit);
    writer.u32(lexicon.length);
    writer.bytes(lexicon);
    if (isTied) writer.u32(inventory.outputCount);
    if (isTied) writeNumbers(writer, tying);
    writeNumbers(writer, Float32Array.from(perOutput(inventory, transitions.leave), Math.exp));
    writeNgram(writer, languageModel);
    return writer.finish();
  }

  /** @throws {DecodeError} when the bytes are not a decoding graph of this version, whole and consistent. */
  static fromBytes(bytes: Uint8Array, budget = new ReadBudget(DEFAULT_BUDGET_BYTES)): DecodingGraph {
    const reader = new ByteReader(WHAT, bytes);
    const version = reader.u8();
    if (version !== VERSION && version !== TIED_VERSION)
      throw reader.error(`version ${version} is neither ${VERSION} nor ${TIED_VERSION}`);
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw reader.error('unknown kind of units');
    const statesPerUnit = reader.u8();
    const text = reader.bytes(reader.u32());
    // A lexicon in memory (strings, units, tree) takes some tens of times its text.
    budget.charge(WHAT, 64 * text.length);
    const free = readInventory(text, kind, statesPerUnit);
    const inventory = version === VERSION ? free : readTying(reader, free, budget);
    const leave = readNumbers(reader, Float32Array, inventory.outputCount, budget);
    if (!leave.every((p) => p > 0 && p < 1)) throw reader.error('a transition probability is outside (0, 1)');
    const transitions = tiedTransitions(inventory, {
      stay: Float64Array.from(leave, (p) => Math.log1p(-p)),
      leave: Float64Array.from(leave, Math.log),
    });
    const languageModel = readNgram(reader, inventory.lexicon.words.length, budget);
    reader.end();
    return new DecodingGraph(inventory, transitions, languageModel);
  }
}

/** Transitions of every state from those of the outputs that the states share. */
export function tiedTransitions(inventory: StateInventory, ofOutputs: StateTransitions): StateTransitions {
  const spread = (values: Float64Array): Float64Array =>
    Float64Array.from(inventory.tying, (output) => values[output]);
  return { stay: spread(ofOutputs.stay), leave: spread(ofOutputs.leave) };
}

/** One value per output, that of the last state that shares it. */
function perOutput({ tying, outputCount }: StateInventory, ofStates: Float64Array): Float64Array {
  const values = new Float64Array(outputCount);
  for (const [state, output] of tying.entries()) values[output] = ofStates[state];
  return values;
}

function readTying(reader: ByteReader, free: StateInventory, budget: ReadBudget): StateInventory {
  const outputs = reader.u32();
  const tying = readNumbers(reader, Uint16Array, free.stateCount, budget);
  try {
    const inventory = new StateInventory(free.lexicon, free.kind, free.statesPerUnit, tying);
    if (inventory.outputCount === outputs && inventory.isTied) return inventory;
  } catch {
    // Said below.
  }
  throw reader.error(`its states are not tied to ${outputs} outputs`);
}

function readInventory(
  text: Uint8Array,
  kind: (typeof KINDS)[number],
  statesPerUnit: number,
): StateInventory {
  try {
    const lexicon = parseLexicon(new TextDecoder('utf-8', { fatal: true }).decode(text));
    return new StateInventory(lexicon, kind, statesPerUnit);
  } catch (error) {
    throw new DecodeError(WHAT, `lexicon: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}

printOnOneLine(DecodingGraph);
arg.guard('DecodingGraph', DecodingGraph, {
  fromBytes: { bytes: arg.bytes, budget: arg.optional(arg.like('a ReadBudget', 'charge')) },
});
