/** From audio to the inputs of the acoustic network: public, fixed, computed by the client in the clear. */
import { ShapeError } from '../../base/errors.ts';
import { logMelFeatures, MEL_FILTERS, networkInput, normalizeInto, resample } from '../../speech/index.ts';
import type { ContextShape, FeatureMatrix, InputNormalization } from '../../speech/index.ts';

/** Normalised inputs are clipped to [-CLIP, CLIP], so that the range of everything under encryption is bounded. */
export const CLIP = 8;

export interface Audio {
  readonly samples: Float32Array;
  /** Hz. */
  readonly rate: number;
}

/** Inputs of all frames of an utterance. */
export interface NetworkInputs {
  /** [frames, inputs], each in [-CLIP, CLIP]. */
  readonly data: Float32Array;
  readonly frames: number;
}

export class FrontEnd {
  readonly rate: number;
  readonly context: ContextShape;
  readonly normalization: InputNormalization;
  readonly inputs: number;

  /** @throws {ShapeError} when the normalization has not one mean per input. */
  constructor(rate: number, context: ContextShape, normalization: InputNormalization) {
    this.rate = rate;
    this.context = context;
    this.normalization = normalization;
    this.inputs = MEL_FILTERS * context.coefficients;
    if (normalization.mean.length !== this.inputs) {
      throw new ShapeError('input normalization', `${this.inputs} means`, normalization.mean.length);
    }
  }

  /** Any rate is resampled first. @throws {AudioError} when there is less than one frame, or a sample is not finite. */
  inputsOf(audio: Audio): NetworkInputs {
    return this.inputsOfFeatures(logMelFeatures(resample(audio.samples, audio.rate, this.rate), this.rate));
  }

  inputsOfFeatures(features: FeatureMatrix): NetworkInputs {
    const data = networkInput(features, this.context);
    normalizeInto(data, this.normalization);
    for (let i = 0; i < data.length; i++) data[i] = Math.min(CLIP, Math.max(-CLIP, data[i]));
    return { data, frames: features.frames };
  }
}
