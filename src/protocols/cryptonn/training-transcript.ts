/** What a faithful trainer holds besides ciphertexts: key vectors and the products they opened. Enough to compute the data. */
import * as z from 'zod';
import { DecodeError } from '../../base/errors.ts';
import { convolutionSchema, type DatasetSpec } from './dataset-spec.ts';

const MOST_TEXT = 2 ** 28;
const integers = z.array(
  z
    .int()
    .min(-(2 ** 31))
    .max(2 ** 31 - 1),
);

const transcriptSchema = z.strictObject({
  features: z.int().min(1).max(65_536),
  batch: z.int().min(1).max(4096),
  inputBound: z.int().min(1).max(65_535),
  /** Where windows were encrypted: key vectors and products are over them. */
  convolution: convolutionSchema.optional(),
  steps: z
    .array(
      z.strictObject({
        /** Which encrypted batch. */
        batch: z.int().min(0),
        axis: z.enum(['forward', 'gradient']),
        weights: integers,
        products: integers,
      }),
    )
    .max(65_536),
});

export type TrainingTranscript = z.infer<typeof transcriptSchema>;
export type TranscriptStep = TrainingTranscript['steps'][number];

/** Records products of one training, for the first `mostSteps` requests. */
export class TranscriptRecorder {
  readonly #transcript: TrainingTranscript;
  readonly #mostSteps: number;

  constructor({ features, batch, inputBound, convolution }: DatasetSpec, mostSteps: number) {
    const windows = convolution === undefined ? {} : { convolution };
    this.#transcript = { features, batch, inputBound, ...windows, steps: [] };
    this.#mostSteps = mostSteps;
  }

  readonly note = (
    batch: number,
    axis: TranscriptStep['axis'],
    weights: Int32Array,
    products: Float32Array | Float64Array,
  ): void => {
    const { steps } = this.#transcript;
    if (steps.length < this.#mostSteps)
      steps.push({ batch, axis, weights: [...weights], products: [...products] });
  };

  get transcript(): TrainingTranscript {
    return this.#transcript;
  }
}

export function transcriptBytes(transcript: TrainingTranscript): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(transcript));
}

/** @throws {DecodeError} */
export function parseTranscript(bytes: Uint8Array): TrainingTranscript {
  if (bytes.length > MOST_TEXT) throw new DecodeError('a transcript', `it is longer than ${MOST_TEXT} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new DecodeError('a transcript', 'it is not JSON');
  }
  const parsed = transcriptSchema.safeParse(value);
  if (!parsed.success) throw new DecodeError('a transcript', parsed.error.issues[0]?.message ?? 'invalid');
  return parsed.data;
}
