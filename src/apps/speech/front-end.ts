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

/** Features of samples at `rate` Hz, nothing cut. @throws {AudioError} as `logMelFeatures`. */
export function featuresOfSamples(samples: Float32Array, rate: number, method: FeatureMethod): FeatureMatrix {
  if (method === 'speech') return spokenFeatures(samples, rate);
  return logMelFeatures(dithered(samples, findSpeech(samples, rate).level), rate);
}

export class FrontEnd {
  readonly rate: number;
  readonly context: ContextShape;
  readonly normalization: InputNormalization;
  readonly method: FeatureMethod;
  readonly inputs: number;

  /** @throws {ShapeError} when the normalization has not one mean per input. */
  constructor(
    rate: number,
    context: ContextShape,
    normalization: InputNormalization,
    method: FeatureMethod = 'utterance',
  ) {
    this.rate = rate;
    this.context = context;
    this.normalization = normalization;
    this.method = method;
    this.inputs = MEL_FILTERS * context.coefficients;
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
    return this.inputsOfFeatures(featuresOfSamples(samples, this.rate, this.method));
  }

  inputsOfFeatures(features: FeatureMatrix): NetworkInputs {
    const data = networkInput(features, this.context);
    normalizeInto(data, this.normalization);
    for (let i = 0; i < data.length; i++) data[i] = boundInput(data[i], this.method);
    return { data, frames: features.frames };
  }
}
