/** From audio to the inputs of the acoustic network: public, fixed, computed by the client in the clear. */
import { ShapeError } from '../../base/errors.ts';
import {
  dithered,
  findSpeech,
  logMelFeatures,
  MEL_FILTERS,
  networkInput,
  normalizeInto,
  resample,
  spokenFeatures,
  spokenPart,
} from '../../speech/index.ts';
import { EMBEDDING_SIZE } from './embedder.ts';
import type { Embedder } from './embedder.ts';
import type { ContextShape, FeatureMatrix, InputNormalization, SampleSpan } from '../../speech/index.ts';

/** Normalised inputs lie in [-CLIP, CLIP], so that the range of everything under encryption is bounded. */
export const CLIP = 8;
/** Inputs of newer models bend towards this bound instead of running into one. */
const SOFT_CLIP = 4;

/**
 * How features become inputs. `utterance`: the mean of all frames is removed, inputs are cut at +-8; models of the first
 * format version were trained so. `speech`: the mean of the frames with speech, inputs bend towards +-4.
 */
export type FeatureMethod = 'utterance' | 'speech';

export interface Audio {
  readonly samples: Float32Array;
  /** Hz. */
  readonly rate: number;
}

/** What is spoken of a recording, at the rate of the model, and where that lies in the resampled recording. */
export interface SpokenAudio extends Audio {
  readonly spans: readonly SampleSpan[];
  /** False for digital silence. */
  readonly hasSpeech: boolean;
}

/** Inputs of all frames of an utterance. */
export interface NetworkInputs {
  /** [frames, inputs], each in [-CLIP, CLIP]. */
  readonly data: Float32Array;
  readonly frames: number;
}

/** Bounds a normalised input as the method has it. */
export function boundInput(value: number, method: FeatureMethod): number {
  return method === 'speech'
    ? SOFT_CLIP * Math.tanh(value / SOFT_CLIP)
    : Math.min(CLIP, Math.max(-CLIP, value));
}

/** Mean square of loud passages, after pre-emphasis, that an embedding gets every recording at. */
const EMBEDDED_LEVEL = 1e-4;
/** Quieter recordings are not amplified further: there is no speech in them. */
const LEAST_LEVEL = 1e-9;

/**
 * Features of samples at `rate` Hz, nothing cut: 40 log-mels per frame and, with an embedder, its numbers after them.
 * @throws {AudioError} as `logMelFeatures`.
 */
export function featuresOfSamples(
  samples: Float32Array,
  rate: number,
  method: FeatureMethod,
  embedder?: Embedder,
): FeatureMatrix {
  const { level } = findSpeech(samples, rate);
  const mels =
    method === 'speech' ? spokenFeatures(samples, rate) : logMelFeatures(dithered(samples, level), rate);
  if (embedder === undefined) return mels;
  const gain = Math.sqrt(EMBEDDED_LEVEL / Math.max(LEAST_LEVEL, level));
  const even = dithered(samples, level).map((sample) => gain * sample);
  return beside(mels, embedder.embed(even, mels.frames));
}

/** Rows of log-mels with rows of other numbers after them. */
function beside({ data, frames, dim }: FeatureMatrix, more: Float32Array): FeatureMatrix {
  const extra = more.length / frames;
  const both = new Float32Array(frames * (dim + extra));
  for (let t = 0; t < frames; t++) {
    both.set(data.subarray(t * dim, (t + 1) * dim), t * (dim + extra));
    both.set(more.subarray(t * extra, (t + 1) * extra), t * (dim + extra) + dim);
  }
  return { data: both, frames, dim: dim + extra };
}

/** The log-mels alone of features with an embedding beside them. */
export function logMelsOf(features: FeatureMatrix): FeatureMatrix {
  const { data, frames, dim } = features;
  if (dim === MEL_FILTERS) return features;
  const mels = new Float32Array(frames * MEL_FILTERS);
  for (let t = 0; t < frames; t++) mels.set(data.subarray(t * dim, t * dim + MEL_FILTERS), t * MEL_FILTERS);
  return { data: mels, frames, dim: MEL_FILTERS };
}

export class FrontEnd {
  readonly rate: number;
  readonly context: ContextShape;
  readonly normalization: InputNormalization;
  readonly method: FeatureMethod;
  readonly inputs: number;
  /** What adds the features beside the window; absent in front ends of log-mels alone. */
  readonly embedder: Embedder | undefined;

  /**
   * `context.beside`, when it is not 0, is the size of the embeddings that `embedder` makes.
   * @throws {ShapeError} when the normalization has not one mean per input.
   */
  constructor(
    rate: number,
    context: ContextShape,
    normalization: InputNormalization,
    method: FeatureMethod = 'utterance',
    embedder?: Embedder,
  ) {
    this.embedder = embedder;
    this.rate = rate;
    this.context = context;
    this.normalization = normalization;
    this.method = method;
    this.inputs = MEL_FILTERS * context.coefficients + (context.beside ?? 0);
    if ((context.beside ?? 0) !== (embedder === undefined ? 0 : EMBEDDING_SIZE))
      throw new ShapeError(
        'features beside the window',
        embedder === undefined ? 0 : EMBEDDING_SIZE,
        context.beside ?? 0,
      );
    if (normalization.mean.length !== this.inputs) {
      throw new ShapeError('input normalization', `${this.inputs} means`, normalization.mean.length);
    }
  }

  /**
   * Inputs of what is spoken; long pauses and silence around are left out. Any rate is resampled first.
   * @throws {AudioError} when there is less than one frame, or a sample is not finite.
   */
  inputsOf(audio: Audio): NetworkInputs {
    return this.inputsOfSpoken(this.spokenPart(audio));
  }

  /** The recording at the rate of the model, without long pauses. @throws {AudioError} when a sample is not finite. */
  spokenPart(audio: Audio): SpokenAudio {
    return { ...spokenPart(resample(audio.samples, audio.rate, this.rate), this.rate), rate: this.rate };
  }

  /** Inputs of samples at the rate of the model, nothing cut. @throws {AudioError} as {@link inputsOf}. */
  inputsOfSpoken({ samples }: Audio): NetworkInputs {
    return this.inputsOfFeatures(featuresOfSamples(samples, this.rate, this.method, this.embedder));
  }

  inputsOfFeatures(features: FeatureMatrix): NetworkInputs {
    const data = networkInput(features, this.context);
    normalizeInto(data, this.normalization);
    for (let i = 0; i < data.length; i++) data[i] = boundInput(data[i], this.method);
    return { data, frames: features.frames };
  }
}
