/** The rank attack on what a faithful trainer kept: which batches its products determine, and their inputs. */
import { solveForInputs } from './linear-attack.ts';
import { RankEchelon } from './rank-echelon.ts';
import type { TrainingTranscript, TranscriptStep } from './training-transcript.ts';

export interface RecoveredBatch {
  readonly batch: number;
  /** Which equations sufficed: sums over samples, or products with every sample. */
  readonly axis: TranscriptStep['axis'];
  /** Requests to the authority whose products were used. */
  readonly requests: number;
  /** `[samples, features]`, exact integers. */
  readonly inputs: Int32Array;
}

export interface TranscriptAttack {
  readonly batches: readonly RecoveredBatch[];
  /** Of all key vectors over the features, of `features`; at full rank every batch of the data set is open, seen or not. */
  readonly forwardRank: number;
}

/** Recovers every batch that one axis determines; nothing is guessed. @throws {ShapeError} for a transcript that contradicts itself. */
export function attackTranscript(transcript: TrainingTranscript): TranscriptAttack {
  const { steps, features } = transcript;
  const span = new RankEchelon(features);
  for (const { axis, weights } of steps) {
    if (axis !== 'forward') continue;
    for (let start = 0; start < weights.length; start += features)
      span.add(weights.slice(start, start + features));
  }
  const names = [...new Set(steps.map(({ batch }) => batch))];
  const batches = names.flatMap((batch) => recoverBatch(transcript, batch) ?? []);
  return { batches, forwardRank: span.rank };
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
    return { batch, axis, requests: own.length, inputs };
  }
  return null;
}

function transposed(values: Int32Array, rows: number, columns: number): Int32Array {
  const out = new Int32Array(values.length);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j] as number;
  return out;
}
