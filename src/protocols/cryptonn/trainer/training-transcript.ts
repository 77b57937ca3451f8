/**
 * What a trainer holds besides ciphertexts. In faithful mode key vectors and the products they opened: enough to compute the data. In
 * projected mode P x and the renamed labels: enough to guess most of it.
 */
import * as z from 'zod';
import { DecodeError } from '../../../base/errors.ts';
import { convolutionSchema, type DatasetSpec, datasetSpecSchema } from '../agreement/dataset-spec.ts';

const MAX_TEXT = 2 ** 28;
/** Samples of a projected training: class means settle far below. */
const MAX_PROJECTED = 2048;
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
  projected: z
    .strictObject({
      spec: datasetSpecSchema,
      /** Secret names of the classes. */
      labels: integers,
      /** `[rank, samples]` */
      products: integers,
    })
    .optional(),
});

export type TrainingTranscript = z.infer<typeof transcriptSchema>;
export type TranscriptStep = TrainingTranscript['steps'][number];

/** Records products of one training, for the first `mostSteps` requests. */
export class TranscriptRecorder {
  #transcript: TrainingTranscript;
  readonly #mostSteps: number;
  readonly #spec: DatasetSpec;

  constructor(spec: DatasetSpec, mostSteps: number) {
    const { features, batch, inputBound, convolution } = spec;
    this.#spec = spec;
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

  /** Of a projected training, the first samples: `products` is `[rank, samples]`. */
  readonly noteProjected = (products: Float32Array, labels: Int32Array): void => {
    if (this.#mostSteps === 0) return;
    const rank = products.length / labels.length;
    const count = Math.min(MAX_PROJECTED, labels.length);
    const kept: number[] = [];
    for (let k = 0; k < rank; k++)
      kept.push(...products.subarray(k * labels.length, k * labels.length + count));
    const projected = { spec: this.#spec, labels: [...labels.subarray(0, count)], products: kept };
    this.#transcript = { ...this.#transcript, projected };
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
  if (bytes.length > MAX_TEXT) throw new DecodeError('a transcript', `it is longer than ${MAX_TEXT} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new DecodeError('a transcript', 'it is not JSON');
  }
  const parsed = transcriptSchema.safeParse(value);
  if (!parsed.success) throw new DecodeError('a transcript', parsed.error.issues[0]?.message ?? 'invalid');
  const { projected } = parsed.data;
  const rank = projected?.spec.projection?.rank ?? 0;
  if (projected !== undefined && (rank === 0 || projected.products.length !== rank * projected.labels.length))
    throw new DecodeError('a transcript', 'its products are not those of its projection');
  if (projected?.labels.some((label) => label < 0 || label >= projected.spec.classes))
    throw new DecodeError('a transcript', 'a label is no class');
  return parsed.data;
}
