import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AudioError } from '../../src/base/errors.ts';
import { logMels } from '../../src/speech/features/features.ts';
import { dithered, spokenFeatures } from '../../src/speech/features/spoken-features.ts';
import { findSpeech, spokenPart, timeInRecording } from '../../src/speech/features/spoken-part.ts';

const RATE = 8000;

function noise(seconds: number, level: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: Math.round(seconds * RATE) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return level * (state / 2 ** 31 - 1);
  });
}

/** Syllables of a quarter second: a tone with a slow envelope, over a quiet background. */
function speech(seconds: number, seed = 2): Float32Array {
  const background = noise(seconds, 0.0005, seed);
  return background.map((sample, i) => {
    const envelope = Math.sin((Math.PI * i) / (RATE / 4)) ** 2;
    return sample + 0.3 * envelope * (Math.sin(i * 0.31) + 0.5 * Math.sin(i * 1.1));
  });
}

function joined(...parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const silence = (seconds: number): Float32Array => new Float32Array(Math.round(seconds * RATE));

describe('what is spoken', () => {
  it('is found in digital silence and in noise, with 0.3 s around it', () => {
    for (const quiet of [silence(5), noise(5, 0.0005), noise(5, 0.02)]) {
      const { samples, spans, hasSpeech } = spokenPart(joined(quiet, speech(1), quiet), RATE);
      expect(hasSpeech).toBe(true);
      expect(spans).toHaveLength(1);
      expect(spans[0].from).toBeGreaterThanOrEqual(4.6 * RATE);
      expect(spans[0].from).toBeLessThanOrEqual(4.8 * RATE);
      expect(samples.length / RATE).toBeGreaterThan(1.4);
      expect(samples.length / RATE).toBeLessThan(1.75);
    }
  });

  it('keeps short pauses and shortens long ones to 0.6 s', () => {
    const short = joined(speech(1), silence(0.4), speech(1));
    expect(spokenPart(short, RATE).samples).toBe(short);
    const { samples, spans } = spokenPart(joined(speech(1), silence(4), speech(1)), RATE);
    expect(spans).toHaveLength(2);
    expect(samples.length / RATE).toBeGreaterThan(2.4);
    expect(samples.length / RATE).toBeLessThan(2.75);
  });

  it('is found when it is half a second in ten minutes', () => {
    const { samples, hasSpeech } = spokenPart(joined(silence(400), speech(0.5), silence(200)), RATE);
    expect(hasSpeech).toBe(true);
    expect(samples.length / RATE).toBeLessThan(1.2);
  });

  it('is nothing in digital silence: half a second stays', () => {
    const { samples, hasSpeech } = spokenPart(silence(3), RATE);
    expect(hasSpeech).toBe(false);
    expect(samples.length).toBe(RATE / 2);
  });

  it('may be anywhere where nothing tells it from noise: everything stays', () => {
    const hiss = noise(2, 0.2);
    const drowned = speech(2).map((sample, i) => sample / 20 + hiss[i]);
    for (const steady of [noise(3, 0.1), drowned]) {
      const { samples, hasSpeech } = spokenPart(steady, RATE);
      expect(hasSpeech).toBe(true);
      expect(samples).toBe(steady);
    }
  });

  it('does not depend on the gain', () => {
    const recording = joined(noise(2, 0.0005), speech(1), noise(2, 0.0005));
    const quieter = recording.map((sample) => sample / 64);
    expect(spokenPart(quieter, RATE).spans).toEqual(spokenPart(recording, RATE).spans);
  });

  it('refuses what is not a number, wherever it is', () => {
    const broken = joined(silence(5), speech(1));
    broken[100] = Number.NaN;
    expect(() => spokenPart(broken, RATE)).toThrow(AudioError);
  });

  it('has times that lead back into the recording', () => {
    const { spans, samples } = spokenPart(joined(silence(3), speech(1), silence(3), speech(1)), RATE);
    expect(spans).toHaveLength(2);
    fc.assert(
      fc.property(fc.nat(samples.length - 1), (at) => {
        const time = timeInRecording(spans, at);
        expect(spans.some(({ from, to }) => time >= from && time < to)).toBe(true);
      }),
    );
    expect(timeInRecording(spans, 0)).toBe(spans[0].from);
    expect(timeInRecording(spans, spans[0].to - spans[0].from)).toBe(spans[1].from);
    expect(timeInRecording(spans, samples.length)).toBe(spans[1].to);
  });

  it('of a recording that was cut before is that recording', () => {
    const { samples } = spokenPart(joined(silence(3), speech(1), silence(3), speech(1)), RATE);
    expect(spokenPart(samples, RATE).samples).toBe(samples);
  });
});

describe('features of speech', () => {
  it('are the same for the same speech, whatever silence surrounds it', () => {
    const alone = spokenFeatures(speech(1), RATE);
    const padded = spokenFeatures(joined(silence(0.5), speech(1), silence(0.5)), RATE);
    // The filters of the tones, where they sound: elsewhere there is the noise that was added, which differs.
    let largest = 0;
    for (let t = 5; t < alone.frames - 5; t++) {
      for (let m = 5; m < 11; m++) {
        if (alone.data[t * 40 + m] < 0) continue;
        largest = Math.max(largest, Math.abs(alone.data[t * 40 + m] - padded.data[(t + 50) * 40 + m]));
      }
    }
    expect(largest).toBeLessThan(0.5);
    // The control: with the mean of everything, the same frames move by far more.
    const mean = (data: Float32Array): number => data.reduce((a, b) => a + b, 0) / data.length;
    const [one, other] = [speech(1), joined(silence(0.5), speech(1), silence(0.5))];
    expect(Math.abs(mean(logMels(one, RATE).data) - mean(logMels(other, RATE).data))).toBeGreaterThan(1);
  });

  it('have no frame of digital silence: the floor follows the level of the speech', () => {
    const recording = joined(silence(1), speech(1), silence(1));
    const { level } = findSpeech(recording, RATE);
    const quiet = logMels(dithered(recording, level), RATE);
    const gains = quiet.data.slice(0, 90 * 40);
    // Frames of noise differ; frames on a floor would be equal.
    expect(new Set(gains).size).toBeGreaterThan(2000);
    expect(dithered(recording, level)).toEqual(dithered(recording, level));
  });

  it('of digital silence alone are finite', () => {
    const { data } = spokenFeatures(silence(0.5), RATE);
    expect(data.every(Number.isFinite)).toBe(true);
  });
});
