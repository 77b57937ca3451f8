/** States of phones in context: aligned with whatever network there is, then tied to as many outputs as a plan wants. */
import { DataError } from '../../base/errors.ts';
import {
  acousticScores,
  alignWithScores,
  cepstralFeatures,
  estimateTransitions,
  StateInventory,
  StateStatistics,
  tiedTransitions,
  tieStates,
} from '../../speech/index.ts';
import type { FeatureMatrix, Lexicon, StateTransitions } from '../../speech/index.ts';
import type { Utterance } from '../speech/corpus.ts';
import { logMelsOf } from '../speech/front-end.ts';
import type { SpeechModel } from '../speech/speech-model.ts';
import type { Alignments } from './alignment-store.ts';
import type { TrainingLog } from './training-log.ts';

/**
 * The inventory of phones in context whose states are tied to the outputs of a network of phones: with it such a network
 * aligns states in context.
 */
export function contextOver(phones: StateInventory): StateInventory {
  const { lexicon, statesPerUnit } = phones;
  const wide = new StateInventory(lexicon, 'triphone', statesPerUnit);
  const outputOf = new Map(
    phones.unitNames.map((name, unit) => [name, phones.tying[unit * statesPerUnit] / statesPerUnit]),
  );
  const tying = Uint16Array.from({ length: wide.stateCount }, (_, state) => {
    const name = wide.unitNames[wide.unitOf(state)];
    const unit = outputOf.get(name.split(/[-+]/)[1] ?? name) ?? 0;
    return unit * statesPerUnit + (state % statesPerUnit);
  });
  return new StateInventory(lexicon, 'triphone', statesPerUnit, tying);
}

/** States in context, tied to the outputs of a model of phones or of states in context. */
export function inContext(known: StateInventory): StateInventory {
  return known.kind === 'phone' ? contextOver(known) : known;
}

/** States in context of utterances by a trained model, null where there is no path. @throws {DataError} */
export function alignByModel(
  model: SpeechModel,
  lexicon: Lexicon,
  utterances: readonly Utterance[],
  log: TrainingLog,
): Alignments {
  const { frontEnd, decoder } = model.client;
  const known = decoder.graph.inventory;
  if (known.lexicon.words.join(' ') !== lexicon.words.join(' '))
    throw new DataError('the model that training starts from has another lexicon than the data');
  const inventory = inContext(known);
  let silent = 0;
  const all = utterances.map((utterance, i) => {
    if (i % 20 === 0) log.progress('alignment by the earlier model', i / utterances.length);
    const inputs = frontEnd.inputsOfSpoken({ samples: utterance.samples(), rate: frontEnd.rate });
    const scores = acousticScores(model.float.infer(inputs.data), decoder.logPriors);
    const path = alignWithScores(lexicon.indicesOf(utterance.words), scores, inventory);
    if (path === null) silent++;
    return path?.states ?? null;
  });
  log.note(`aligned ${all.length - silent} utterances with the earlier model, ${silent} without a path`);
  return all;
}

/** The inventory of states in context, tied to `outputs` by trees over aligned utterances. */
export function tiedInventory(
  lexicon: Lexicon,
  statesPerUnit: number,
  outputs: number,
  features: readonly FeatureMatrix[],
  alignments: Alignments,
  log: TrainingLog,
): StateInventory {
  const wide = new StateInventory(lexicon, 'triphone', statesPerUnit);
  let statistics: StateStatistics | undefined;
  for (const [i, states] of alignments.entries()) {
    if (states === null) continue;
    const cepstra = cepstralFeatures(logMelsOf(features[i]));
    statistics ??= new StateStatistics(wide.stateCount, cepstra.dim);
    statistics.add(states, cepstra);
  }
  if (statistics === undefined) throw new DataError('no training utterance could be aligned with its words');
  const tied = new StateInventory(lexicon, 'triphone', statesPerUnit, tieStates(wide, statistics, outputs));
  log.note(`${tied.stateCount} states in context, tied to ${tied.outputCount} outputs`);
  return tied;
}

/** Outputs instead of states. */
export function outputsOf(inventory: StateInventory, alignments: Alignments): Alignments {
  return alignments.map((states) => states && Uint16Array.from(states, (state) => inventory.tying[state]));
}

/** Transitions of the states of an inventory, measured per output. */
export function measuredTransitions(
  inventory: StateInventory,
  outputs: readonly Uint16Array[],
): StateTransitions {
  return tiedTransitions(inventory, estimateTransitions(outputs, inventory.outputCount));
}
