/** The attacks on what a faithful trainer kept: which batches its products determine, and their inputs. */
import * as arg from '../../../base/arguments.ts';
import { datasetWindows } from '../agreement/axis-sizes.ts';
import { BoundedSolver } from './lattice-attack.ts';
import { uniqueSolutionRank } from '../agreement/leak-budget.ts';
import { solveForInputs } from './linear-attack.ts';
import { RankEchelon } from '../agreement/rank-echelon.ts';
import type { TrainingTranscript, TranscriptStep } from '../trainer/training-transcript.ts';
import { imageEquations } from './window-rank.ts';

export interface RecoveredBatch {
  readonly batch: number;
  /** Which equations sufficed: sums over samples, or products with every sample. */
  readonly axis: TranscriptStep['axis'];
  /** Elimination where keys have full rank; lattice reduction where there are fewer keys than unknowns. */
  readonly by: 'elimination' | 'reduction';
  /** Requests to the authority whose products were used. */
  readonly requests: number;
  /** `[samples, features]`, exact integers. */
  readonly inputs: Int32Array;
}

export interface TranscriptAttack {
  readonly batches: readonly RecoveredBatch[];
  /** Of all equations over the values of a sample, of `features`; at full rank every batch of the data set is open, seen or not. */
  readonly forwardRank: number;
}

/** Recovers every batch that one axis determines, of the first `mostBatches`; reduction takes the only bounded solution it finds. @throws {ShapeError} for a transcript that contradicts itself. */
export function attackTranscript(
  transcript: TrainingTranscript,
  mostBatches = Number.POSITIVE_INFINITY,
): TranscriptAttack {
  arg.checkArguments('attackTranscript', [transcript, mostBatches], {
    transcript: arg.options,
    mostBatches: arg.optional(arg.number),
  });
  const { steps, features } = transcript;
  const names = [...new Set(steps.map(({ batch }) => batch))].slice(0, mostBatches);
  if (transcript.convolution !== undefined) return attackWindows(transcript, transcript.convolution, names);
  const span = new RankEchelon(features);
  for (const { axis, weights } of steps) {
    if (axis !== 'forward') continue;
    for (let start = 0; start < weights.length; start += features)
      span.add(weights.slice(start, start + features));
  }
  const batches = names.flatMap((batch) => recoverBatch(transcript, batch) ?? []);
  return { batches, forwardRank: span.rank };
}

/**
 * Through the windows of a convolution: every key opens its product with every window, so that one forward pass of a batch gives,
 * for each image, as many equations as keys times windows.
 */
function attackWindows(
  { steps, features, batch: samples, inputBound }: TrainingTranscript,
  convolution: NonNullable<TrainingTranscript['convolution']>,
  names: readonly number[],
): TranscriptAttack {
  const geometry = datasetWindows(convolution);
  const taps = convolution.channels * convolution.size ** 2;
  const positions = geometry.outHeight * geometry.outWidth;
  let forwardRank = 0;
  const batches = names.flatMap((batch): RecoveredBatch[] => {
    const step = steps.find((each) => each.batch === batch && each.axis === 'forward');
    if (step === undefined) return [];
    const filters = step.weights.length / taps;
    // [filters, samples, positions] to [filters * positions, samples], one column per image.
    const columns = new Float64Array(step.products.length);
    for (let f = 0; f < filters; f++)
      for (let s = 0; s < samples; s++)
        for (let p = 0; p < positions; p++)
          columns[(f * positions + p) * samples + s] = step.products[(f * samples + s) * positions + p] ?? 0;
    const equations = imageEquations(step.weights, geometry);
    const { rank, solution } = solveForInputs(equations, columns, features);
    forwardRank = Math.max(forwardRank, rank);
    if (solution === null || solution.some((value) => Math.abs(value) > inputBound)) return [];
    return [
      {
        batch,
        axis: 'forward',
        by: 'elimination',
        requests: 1,
        inputs: transposed(solution, features, samples),
      },
    ];
  });
  return { batches, forwardRank };
}

function recoverBatch(transcript: TrainingTranscript, batch: number): RecoveredBatch | null {
  const { steps, features, batch: samples, inputBound } = transcript;
  for (const [axis, unknowns] of [
    ['gradient', samples],
    ['forward', features],
  ] as const) {
    const own = steps.filter((step) => step.batch === batch && step.axis === axis);
    if (own.length === 0) continue;
    const keys = own.flatMap(({ weights }) => weights);
    if (keys.length < unknowns * unknowns) continue;
    const { solution } = solveForInputs(
      keys,
      own.flatMap(({ products }) => products),
      unknowns,
    );
    if (solution === null) continue;
    const inputs = axis === 'gradient' ? solution : transposed(solution, features, samples);
    if (inputs.some((value) => Math.abs(value) > inputBound)) continue;
    return { batch, axis, by: 'elimination', requests: own.length, inputs };
  }
  return reduceBatch(transcript, batch);
}

/** Reduction of more unknowns takes minutes. */
const MAX_REDUCED_UNKNOWNS = 128;
/** Larger keys would need more than floating point in the reduction. */
const LARGEST_REDUCED_KEY = 2 ** 12;
/** With so many a vector has another solution once in a thousand times. */
const SPARE_BITS = 10;

/**
 * The lattice attack on backward passes of fewer units than the batch has samples: every feature of the batch is a bounded vector of
 * which some products are known. For inputs that are not negative.
 */
function reduceBatch(
  { steps, features, batch: samples, inputBound }: TrainingTranscript,
  batch: number,
): RecoveredBatch | null {
  const own = steps.filter((step) => step.batch === batch && step.axis === 'gradient');
  const keys = Int32Array.from(own.flatMap(({ weights }) => weights));
  const rows = keys.length / samples;
  const largest = keys.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  if (samples > MAX_REDUCED_UNKNOWNS || largest > LARGEST_REDUCED_KEY) return null;
  if (rows < uniqueSolutionRank(samples, inputBound, largest)) return null;
  const products = own.flatMap((step) => step.products);
  const solver = new BoundedSolver(keys, samples, inputBound);
  if (solver.spareBits < SPARE_BITS) return null;
  const inputs = new Int32Array(samples * features);
  for (let feature = 0; feature < features; feature++) {
    const column = Array.from({ length: rows }, (_, row) => products[row * features + feature] as number);
    const values = solver.solve(column);
    if (values === null) return null;
    for (let s = 0; s < samples; s++) inputs[s * features + feature] = values[s] as number;
  }
  return { batch, axis: 'gradient', by: 'reduction', requests: own.length, inputs };
}

function transposed(values: Int32Array, rows: number, columns: number): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j] as number;
  return out;
}
