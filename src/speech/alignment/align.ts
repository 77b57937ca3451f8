/**
 * Phone-state targets from scratch: monophone GMM-HMMs trained by Viterbi from a flat start, no outside model.
 *
 * Recipe after [HTK, ch. 3] and Kaldi's `mono` stage: equal-length segmentation with silence at the quiet ends,
 * then rounds of align and re-estimate, components doubling on the way.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DataError, ShapeError } from '../../base/errors.ts';
import { cepstralFeatures } from '../features/cepstra.ts';
import type { FeatureMatrix } from '../features/features.ts';
import { flatSegmentation } from './flat-start.ts';
import { GaussianMixtures } from './gaussian-mixture.ts';
import type { StateInventory } from '../decoding/state-inventory.ts';
import type { UtteranceGraph } from './utterance-graph.ts';
import { utteranceGraph } from './utterance-graph.ts';
import type { AlignedPath, StateTransitions } from './viterbi.ts';
import { viterbiAlign } from './viterbi.ts';

/** Log-mel features and the words spoken, as numbers in the lexicon. */
export interface TranscribedUtterance {
  readonly features: FeatureMatrix;
  readonly words: readonly number[];
}

export interface AlignerOptions {
  /** Rounds of align and re-estimate after the flat start. Default 12. */
  readonly iterations?: number;
  /** Gaussians per state at the end. Default 8. */
  readonly components?: number;
  /** Paths this far (nats) below the best are dropped; the search is repeated wider when nothing is left. Default 200. */
  readonly beam?: number;
}

export interface AlignerProgress {
  readonly iteration: number;
  readonly iterations: number;
  /** Mean log likelihood per aligned frame in this round, nats. */
  readonly logLikelihoodPerFrame: number;
  readonly components: number;
  /** Utterances for which no path was found. */
  readonly failed: number;
}

const DEFAULT_BEAM = 200;

/** Trained mixtures and transitions, ready to align more utterances. */
export class Aligner {
  readonly inventory: StateInventory;
  readonly transitions: StateTransitions;
  readonly #mixtures: GaussianMixtures;
  readonly #beam: number;

  constructor(
    inventory: StateInventory,
    mixtures: GaussianMixtures,
    transitions: StateTransitions,
    beam: number,
  ) {
    arg.checkArguments('new Aligner', [inventory, mixtures, transitions, beam], {
      inventory: arg.like('a StateInventory', 'unitOf', 'stateName'),
      mixtures: arg.like('a GaussianMixtures', 'logLikelihood', 'accumulate'),
      transitions: arg.like('a StateTransitions', 'stay', 'leave'),
      beam: arg.number,
    });
    this.inventory = inventory;
    this.transitions = transitions;
    this.#mixtures = mixtures;
    this.#beam = beam;
  }

  /** The acoustic state of every frame, or null when the utterance is too short for its words. */
  align(utterance: TranscribedUtterance): Uint16Array | null {
    const cepstra = cepstralFeatures(utterance.features);
    const graph = utteranceGraph(utterance.words, this.inventory);
    return alignCepstra(graph, cepstra, this.#mixtures, this.transitions, this.#beam)?.states ?? null;
  }

  /** log p(frame | state) under the mixtures, [frames, states]: what a network is compared with. */
  logLikelihoods(features: FeatureMatrix): Float32Array {
    const cepstra = cepstralFeatures(features);
    const { stateCount } = this.inventory;
    const scores = new Float32Array(cepstra.frames * stateCount);
    for (let t = 0; t < cepstra.frames; t++) {
      for (let s = 0; s < stateCount; s++) {
        scores[t * stateCount + s] = this.#mixtures.logLikelihood(s, cepstra, t);
      }
    }
    return scores;
  }
}

/** Trains on all utterances; the words of each must be numbers in the lexicon of `inventory`. */
export function trainAligner(
  utterances: readonly TranscribedUtterance[],
  inventory: StateInventory,
  options: AlignerOptions = {},
  onProgress?: (progress: AlignerProgress) => void,
): Aligner {
  if (utterances.length === 0) throw new DataError('the aligner needs at least one utterance');
  const iterations = options.iterations ?? 12;
  const target = options.components ?? 8;
  const beam = options.beam ?? DEFAULT_BEAM;
  const cepstra = utterances.map((utterance) => cepstralFeatures(utterance.features));
  const graphs = utterances.map((utterance) => utteranceGraph(utterance.words, inventory));
  const mixtures = globalMixtures(cepstra, inventory.stateCount, target);
  let transitions = uniformTransitions(inventory.stateCount);

  utterances.forEach((utterance, u) => {
    const path = flatSegmentation(utterance.words, inventory, utterance.features);
    path?.forEach((state, t) => mixtures.accumulate(state, cepstra[u], t));
  });
  mixtures.update();

  let components = 1;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    const round = accumulateRound(graphs, cepstra, mixtures, transitions, beam);
    mixtures.update();
    transitions = round.counts.transitions();
    const { logLikelihoodPerFrame, failed } = round;
    onProgress?.({ iteration, iterations, logLikelihoodPerFrame, components, failed });
    const wanted = scheduledComponents(iteration, iterations, target);
    if (wanted > components) {
      components = wanted;
      mixtures.split(components);
    }
  }
  return new Aligner(inventory, mixtures, transitions, beam);
}

/** Aligns every utterance and adds its frames to the statistics of the states they were given to. */
function accumulateRound(
  graphs: readonly UtteranceGraph[],
  cepstra: readonly FeatureMatrix[],
  mixtures: GaussianMixtures,
  transitions: StateTransitions,
  beam: number,
): { counts: TransitionCounts; logLikelihoodPerFrame: number; failed: number } {
  const counts = new TransitionCounts(mixtures.stateCount);
  let total = 0;
  let frames = 0;
  let failed = 0;
  cepstra.forEach((features, u) => {
    const path = alignCepstra(graphs[u], features, mixtures, transitions, beam);
    if (path === null) {
      failed++;
      return;
    }
    counts.add(path.states);
    path.states.forEach((state, t) => {
      total += mixtures.accumulate(state, features, t);
    });
    frames += features.frames;
  });
  if (frames === 0) throw new DataError('no utterance is long enough for its words');
  return { counts, logLikelihoodPerFrame: total / frames, failed };
}

/**
 * Aligns with given acoustic scores, such as those of a trained network: `logLikelihoods` is [frames, outputs], log
 * p(x | state) up to a constant per frame. Null when the utterance is too short for its words.
 *
 * @throws {ShapeError} when the scores are not a whole number of rows.
 */
export function alignWithScores(
  words: readonly number[],
  logLikelihoods: Float32Array,
  inventory: StateInventory,
  transitions: StateTransitions = uniformTransitions(inventory.stateCount),
  beam = DEFAULT_BEAM,
): AlignedPath | null {
  const { outputCount: width, tying } = inventory;
  if (logLikelihoods.length % width !== 0) {
    throw new ShapeError('acoustic scores', `a multiple of ${width} long`, logLikelihoods.length);
  }
  const acoustic = (state: number, frame: number): number => logLikelihoods[frame * width + tying[state]];
  const graph = utteranceGraph(words, inventory);
  return widening(beam, (tried) =>
    viterbiAlign(graph, logLikelihoods.length / width, transitions, acoustic, tried),
  );
}

/** log(1/2) for staying and leaving everywhere. */
export function uniformTransitions(stateCount: number): StateTransitions {
  const half = new Float64Array(stateCount).fill(Math.log(0.5));
  return { stay: half, leave: half };
}

/** Transition probabilities measured on aligned utterances, each kept within [0.02, 0.98]. */
export function estimateTransitions(alignments: Iterable<Uint16Array>, stateCount: number): StateTransitions {
  const counts = new TransitionCounts(stateCount);
  for (const alignment of alignments) counts.add(alignment);
  return counts.transitions();
}

/** Log of the relative frequency of every state in aligned utterances, one added to each count. */
export function statePriors(alignments: Iterable<Uint16Array>, stateCount: number): Float32Array {
  const counts = new Float64Array(stateCount).fill(1);
  let total = stateCount;
  for (const alignment of alignments) {
    for (const state of alignment) counts[state]++;
    total += alignment.length;
  }
  return Float32Array.from(counts, (count) => Math.log(count / total));
}

class TransitionCounts {
  readonly #frames: Float64Array;
  readonly #visits: Float64Array;

  constructor(stateCount: number) {
    this.#frames = new Float64Array(stateCount);
    this.#visits = new Float64Array(stateCount);
  }

  add(states: Uint16Array): void {
    for (let t = 0; t < states.length; t++) {
      this.#frames[states[t]]++;
      if (t === 0 || states[t] !== states[t - 1]) this.#visits[states[t]]++;
    }
  }

  transitions(): StateTransitions {
    // One visit of two frames is added to every state.
    const leave = this.#visits.map((visits, state) => {
      return Math.max(0.02, Math.min(0.98, (visits + 1) / (this.#frames[state] + 2)));
    });
    return { stay: leave.map((p) => Math.log(1 - p)), leave: leave.map((p) => Math.log(p)) };
  }
}

/** One component for the first third of the rounds, then doubling at equal steps, full size for the last quarter. */
function scheduledComponents(iteration: number, iterations: number, target: number): number {
  const start = iterations / 3;
  const end = iterations * 0.75;
  if (iteration < start) return 1;
  const doublings = Math.ceil(Math.log2(target));
  const done = Math.min(doublings, 1 + Math.floor(((iteration - start) / (end - start)) * doublings));
  return Math.min(target, 2 ** done);
}

function alignCepstra(
  graph: UtteranceGraph,
  cepstra: FeatureMatrix,
  mixtures: GaussianMixtures,
  transitions: StateTransitions,
  beam: number,
): AlignedPath | null {
  const acoustic = (state: number, frame: number): number => mixtures.logLikelihood(state, cepstra, frame);
  return widening(beam, (tried) => viterbiAlign(graph, cepstra.frames, transitions, acoustic, tried));
}

function widening(beam: number, search: (beam: number) => AlignedPath | null): AlignedPath | null {
  return search(beam) ?? search(4 * beam) ?? search(Number.POSITIVE_INFINITY);
}

function globalMixtures(
  cepstra: readonly FeatureMatrix[],
  stateCount: number,
  components: number,
): GaussianMixtures {
  const dim = cepstra[0].dim;
  const mean = new Float64Array(dim);
  const squares = new Float64Array(dim);
  let frames = 0;
  for (const { data, frames: count } of cepstra) {
    for (let i = 0; i < data.length; i++) {
      mean[i % dim] += data[i];
      squares[i % dim] += data[i] * data[i];
    }
    frames += count;
  }
  const variance = squares.map((sum, d) => Math.max(1e-6, sum / frames - (mean[d] / frames) ** 2));
  return new GaussianMixtures(
    stateCount,
    components,
    mean.map((sum) => sum / frames),
    variance,
  );
}

printOnOneLine(Aligner);
arg.guard('Aligner', Aligner.prototype, {
  align: { utterance: arg.like('a TranscribedUtterance', 'features', 'words') },
  logLikelihoods: { features: arg.like('a FeatureMatrix', 'data', 'frames') },
});
