/**
 * What happens to recordings on their way: noise, rooms, coarse sampling, codecs, gates, filters. Each takes mono samples in
 * [-1, 1] and gives new ones of the same length; what is random comes from the generator. Used to train with and to
 * measure with.
 */
import type { SeededGenerator } from '../../nn/index.ts';

export type Degradation = (samples: Float32Array, rate: number, generator: SeededGenerator) => Float32Array;

function powerOf(samples: Float32Array): number {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  return power / Math.max(1, samples.length);
}

function peakOf(samples: Float32Array): number {
  let peak = 1e-6;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/** Normal noise `decibels` below the power of the whole clip. */
export const whiteNoise =
  (decibels: number): Degradation =>
  (samples, _, generator) => {
    const level = Math.sqrt(powerOf(samples)) * 10 ** (-decibels / 20);
    return samples.map((sample) => sample + level * generator.normal());
  };

/** Noise through a first-order low-pass, as of a room or a street; `decay` in [0, 1) is its pole. */
export const colouredNoise =
  (decibels: number, decay: number): Degradation =>
  (samples, _, generator) => {
    const level = Math.sqrt(powerOf(samples) * (1 - decay * decay)) * 10 ** (-decibels / 20);
    let noise = 0;
    return samples.map((sample) => {
      noise = decay * noise + level * generator.normal();
      return sample + noise;
    });
  };

/** Rounded to `bits` bits of full scale, as WAV files of that width are. */
export const coarse =
  (bits: number): Degradation =>
  (samples) => {
    const steps = 2 ** (bits - 1);
    return samples.map((sample) => Math.max(-steps, Math.min(steps - 1, Math.round(sample * steps))) / steps);
  };

/** Samples below `share` of the peak become zero, as noise gates and voice codecs leave them. */
export const gated =
  (share: number): Degradation =>
  (samples) => {
    const least = share * peakOf(samples);
    return samples.map((sample) => (Math.abs(sample) < least ? 0 : sample));
  };

/** Logarithmic companding to 8 bits with mu = 255, the continuous law of G.711. */
export const muLaw: Degradation = (samples) =>
  samples.map((sample) => {
    const packed = (Math.sign(sample) * Math.log1p(255 * Math.min(1, Math.abs(sample)))) / Math.log(256);
    const kept = Math.round(packed * 127) / 127;
    return (Math.sign(kept) * Math.expm1(Math.abs(kept) * Math.log(256))) / 255;
  });

/** A change of level by `decibels`, cut off at full scale. */
export const louder =
  (decibels: number): Degradation =>
  (samples) => {
    const gain = 10 ** (decibels / 20);
    return samples.map((sample) => Math.max(-1, Math.min(1, gain * sample)));
  };

/** Full scale is where `share` of the peak was: an overdriven microphone. */
export const overdriven =
  (share: number): Degradation =>
  (samples) => {
    const most = share * peakOf(samples);
    return samples.map((sample) => Math.max(-most, Math.min(most, sample)));
  };

/**
 * A first-order tilt of the spectrum, y[t] = x[t] - tilt x[t-1]: positive ones thin the sound, negative ones dull it.
 */
const tilted =
  (tilt: number): Degradation =>
  (samples) => {
    const scale = 1 / (1 + Math.abs(tilt));
    return samples.map((sample, i) => scale * (sample - tilt * (samples[i - 1] ?? 0)));
  };

/** A resonance or a notch of a cheap microphone: a two-pole peak at `hertz`, `gain` times as strong as the rest. */
const resonant =
  (hertz: number, gain: number): Degradation =>
  (samples, rate) => {
    const radius = 0.93;
    const turn = 2 * radius * Math.cos((2 * Math.PI * hertz) / rate);
    const scale = gain * (1 - radius) ** 1.2;
    let [one, two] = [0, 0];
    return samples.map((sample) => {
      const now = sample + turn * one - radius * radius * two;
      two = one;
      one = now;
      return sample + scale * now;
    });
  };

/** Everything above `hertz` taken away by two one-pole passes, forwards and backwards. */
const dull =
  (hertz: number): Degradation =>
  (samples, rate) => {
    const pole = Math.exp((-2 * Math.PI * hertz) / rate);
    const out = samples.slice();
    let state = 0;
    for (let i = 0; i < out.length; i++) out[i] = state = pole * state + (1 - pole) * out[i];
    state = 0;
    for (let i = out.length - 1; i >= 0; i--) out[i] = state = pole * state + (1 - pole) * out[i];
    return out;
  };

/** A room: sparse reflections over `seconds`, decaying by 60 dB, `share` of the direct sound's power in all. */
export const inRoom =
  (seconds: number, share: number): Degradation =>
  (samples, rate, generator) => {
    const reflections = 40;
    const delays: number[] = [];
    const gains: number[] = [];
    let power = 0;
    for (let r = 0; r < reflections; r++) {
      const at = 0.003 + (seconds - 0.003) * generator.uniform() ** 1.5;
      const gain = generator.normal() * 10 ** ((-3 * at) / seconds);
      delays.push(Math.round(at * rate));
      gains.push(gain);
      power += gain * gain;
    }
    const scale = Math.sqrt(share / power);
    const out = samples.slice();
    for (let r = 0; r < reflections; r++) {
      const gain = gains[r] * scale;
      const delay = delays[r];
      for (let i = delay; i < out.length; i++) out[i] += gain * samples[i - delay];
    }
    return out;
  };

/** Digital zeros wherever 20 ms hold no sample above `share` of the peak: pauses cut by an editor. */
const emptied =
  (share: number): Degradation =>
  (samples, rate) => {
    const least = share * peakOf(samples);
    const block = Math.round(rate / 50);
    const out = samples.slice();
    for (let from = 0; from < out.length; from += block) {
      const part = out.subarray(from, from + block);
      if (part.every((sample) => Math.abs(sample) < least)) part.fill(0);
    }
    return out;
  };

/** One after the other. */
export const chained =
  (...parts: readonly Degradation[]): Degradation =>
  (samples, rate, generator) =>
    parts.reduce((now, part) => part(now, rate, generator), samples);

/** A random recording channel, from nearly clean to bad: what every training copy goes through. */
export function randomChannel(generator: SeededGenerator): Degradation {
  const between = (low: number, high: number): number => low + (high - low) * generator.uniform();
  const sometimes = (share: number, part: () => Degradation): Degradation[] =>
    generator.uniform() < share ? [part()] : [];
  const acoustic = [
    ...sometimes(0.35, () => inRoom(between(0.08, 0.5), between(0.05, 0.6))),
    ...sometimes(0.5, () => tilted(between(-0.6, 0.8))),
    ...sometimes(0.3, () => resonant(between(300, 3400), between(0.5, 3))),
    ...sometimes(0.15, () => dull(between(1500, 3500))),
  ];
  const noise = [
    ...sometimes(0.35, () => whiteNoise(between(5, 35))),
    ...sometimes(0.3, () => colouredNoise(between(0, 30), between(0.3, 0.98))),
  ];
  const quiet = generator.uniform();
  const gate =
    quiet < 0.15 ? [gated(between(0.003, 0.06))] : quiet < 0.3 ? [emptied(between(0.01, 0.08))] : [];
  const form = generator.uniform();
  const level = louder(between(-24, 0));
  const coding =
    form < 0.2
      ? [level, coarse(8)]
      : form < 0.3
        ? [louder(between(-12, 6)), coarse(6 + generator.below(7))]
        : form < 0.42
          ? [level, muLaw]
          : form < 0.5
            ? [overdriven(between(0.2, 0.9))]
            : [];
  return chained(...acoustic, ...noise, ...gate, ...coding);
}
