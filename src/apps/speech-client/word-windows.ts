/**
 * What a network that listens for one word is asked: the last embeddings of a stream of sound, every 80 ms, as openWakeWord makes them
 * (github.com/dscripka/openWakeWord, Apache-2.0; its `AudioFeatures`), and what its answers say together.
 */
import { OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { EMBEDDING_SIZE, EMBEDDING_WINDOW, type Embedder } from '../speech/embedder.ts';

/** Hz. */
export const WORD_RATE = 16_000;
/** Samples from one window to the next: 80 ms. */
export const WORD_HOP = 1280;

const { frames: FRAMES, shift: SHIFT, spectrum: SPECTRUM, before: BEFORE } = EMBEDDING_WINDOW;
/** The newest mel frame of a hop ends so many samples before the hop does. */
const AHEAD = 128;
const HISTORY = (FRAMES - 1) * SHIFT + SPECTRUM + AHEAD;
/** Embeddings that are made at once: the same windows, however the sound comes in pieces. */
const BLOCK = 8;
/** Silence behind a recording, so that its last word is heard whole. */
const TAIL_SECONDS = 1;

export class WordWindows {
  readonly #embedder: Embedder;
  /** `[length, 96]` */
  #last: Float32Array;
  /** History, then what is not used yet. */
  #pending = new Float32Array(HISTORY - WORD_HOP);
  #isNew = true;

  /** Windows of `length` embeddings. Before the first piece there was silence. @throws {OutOfRangeError} for a length below 1. */
  constructor(embedder: Embedder, length: number) {
    if (!(Number.isInteger(length) && length >= 1))
      throw new OutOfRangeError('the embeddings of a window', 'an integer above 0', length);
    this.#embedder = embedder;
    this.#last = new Float32Array(length * EMBEDDING_SIZE);
  }

  /** `[length, 96]` for every hop of the next whole blocks of eight; `samples` at 16 kHz, -1 to 1. */
  push(samples: Float32Array): Float32Array[] {
    const joined = new Float32Array(this.#pending.length + samples.length);
    joined.set(this.#pending);
    joined.set(samples, this.#pending.length);
    this.#pending = joined;
    const windows: Float32Array[] = [];
    while (this.#ready() >= BLOCK) windows.push(...this.#take(BLOCK));
    return windows;
  }

  /** The windows of the hops that are left, with a second of silence behind the sound. */
  finish(): Float32Array[] {
    const windows = this.push(new Float32Array(TAIL_SECONDS * WORD_RATE));
    return [...windows, ...this.#take(this.#ready())];
  }

  /** Whole hops that wait. */
  #ready(): number {
    return Math.floor((this.#pending.length - HISTORY) / WORD_HOP) + 1;
  }

  #take(hops: number): Float32Array[] {
    if (hops < 1) return [];
    if (this.#isNew) {
      const silence = this.#embed(new Float32Array(HISTORY), 1);
      for (let at = 0; at < this.#last.length; at += EMBEDDING_SIZE) this.#last.set(silence, at);
      this.#isNew = false;
    }
    const embeddings = this.#embed(this.#pending.subarray(0, HISTORY + (hops - 1) * WORD_HOP), hops);
    this.#pending = this.#pending.slice(hops * WORD_HOP);
    return Array.from({ length: hops }, (_, hop) => {
      const next = new Float32Array(this.#last.length);
      next.set(this.#last.subarray(EMBEDDING_SIZE));
      const from = hop * EMBEDDING_SIZE;
      next.set(embeddings.subarray(from, from + EMBEDDING_SIZE), next.length - EMBEDDING_SIZE);
      this.#last = next;
      return next;
    });
  }

  /** `[hops, 96]` of a history and the hops behind it. */
  #embed(samples: Float32Array, hops: number): Float32Array {
    const step = WORD_HOP / SHIFT;
    const frames = BEFORE + (hops - 1) * step + 1;
    const all = this.#embedder.embed(samples.subarray(0, samples.length - AHEAD), frames);
    if (all.length !== frames * EMBEDDING_SIZE)
      throw new ShapeError('the embeddings', `${frames} x ${EMBEDDING_SIZE}`, `${all.length} values`);
    const chosen = new Float32Array(hops * EMBEDDING_SIZE);
    for (let hop = 0; hop < hops; hop++) {
      const from = (BEFORE + hop * step) * EMBEDDING_SIZE;
      chosen.set(all.subarray(from, from + EMBEDDING_SIZE), hop * EMBEDDING_SIZE);
    }
    return chosen;
  }
}

/** A word, once. */
export interface HeardWord {
  /** The end of the window with the best score, from the beginning of the sound. */
  readonly seconds: number;
  readonly score: number;
}

/** Seconds that must pass without the word before it is another one. */
const APART_SECONDS = 0.6;

/** From the score of every window, one after another: above 0 the word is in it. */
export function heardWords(scores: ArrayLike<number>): HeardWord[] {
  const heard: HeardWord[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    const score = scores[i]!;
    if (!(score > 0)) continue;
    const seconds = secondsOf(i);
    const isSame = seconds - last <= APART_SECONDS;
    last = seconds;
    const before = heard.at(-1);
    if (!isSame || before === undefined) heard.push({ seconds, score });
    else if (score > before.score) heard[heard.length - 1] = { seconds, score };
  }
  return heard;
}

/** Where window `i` ends. */
export function secondsOf(window: number): number {
  return ((window + 1) * WORD_HOP) / WORD_RATE;
}
