/** Perturbed copies of training utterances: tempo and pitch together by resampling [Ko et al. 2015], and white noise. */
import { SeededGenerator } from '../../nn/index.ts';
import { resample } from '../../speech/index.ts';
import type { Utterance } from './corpus.ts';
import { randomChannel } from './degradation.ts';
import { evenRate } from './synthetic-voices.ts';

/** The utterance `factor` times as fast; 0.9 and 1.1 are usual. */
export function perturbSpeed(utterance: Utterance, factor: number, rate: number): Utterance {
  if (factor === 1) return utterance;
  return {
    ...utterance,
    id: `${utterance.id}*${factor}`,
    samples: () => resample(utterance.samples(), Math.round(rate * factor), rate),
  };
}

/** The utterance about `factor` times as fast through a random recording channel, which the seed decides. */
export function throughChannel(utterance: Utterance, factor: number, rate: number, seed: number): Utterance {
  return {
    ...utterance,
    id: `${utterance.id}~${seed}`,
    samples: () => {
      const generator = new SeededGenerator(seed);
      const played = resample(utterance.samples(), evenRate(rate * factor), rate);
      return randomChannel(generator)(played, rate, generator);
    },
  };
}

/** Noise at 15 to 40 dB below the power of the whole utterance, the ratio and the noise seeded. */
export function addNoise(utterance: Utterance, seed: number): Utterance {
  return {
    ...utterance,
    id: `${utterance.id}+noise`,
    samples: () => {
      const generator = new SeededGenerator(seed);
      const clean = utterance.samples();
      let power = 0;
      for (const sample of clean) power += sample * sample;
      const decibels = 15 + 25 * generator.uniform();
      const level = Math.sqrt(power / Math.max(1, clean.length)) * 10 ** (-decibels / 20);
      return clean.map((sample) => sample + level * generator.normal());
    },
  };
}
