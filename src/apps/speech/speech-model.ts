/** A trained speech model on disk: the client's part, the polynomial networks, and the float network for comparison. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, ShapeError } from '../../base/errors.ts';
import { PolynomialNetwork, PolynomialRunner, Sequential } from '../../nn/index.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import { FRAMES_PER_SECOND } from '../../speech/index.ts';
import { needsEmbedding, readClientPart } from './client-part.ts';
import type { Embedder } from './embedder.ts';
import { loadSpeechEmbedding } from './embedding-package.ts';
import type { ClientPart } from './client-part.ts';
import type { SpeechTask } from './speech-task.ts';
import type { Audio, NetworkInputs } from './front-end.ts';

/** File names in a model directory. */
export const CLIENT_FILE = 'client.bin';
export const FLOAT_FILE = 'float-dnn.bin';
export const DEFAULT_POLYNOMIAL = 'polynomial-dnn-4bit';

/** Words of one utterance. */
export interface Recognition {
  readonly words: string[];
  /** Comparable only between searches of the same model. */
  readonly score: number;
}

async function readModelFile(directory: string, name: string): Promise<Uint8Array> {
  const path = join(directory, name);
  if (!existsSync(path)) throw new DataError(`${directory} is not a speech model: it has no ${name}`);
  return readFile(path);
}

export class SpeechModel {
  readonly task: SpeechTask;
  /** Hz; other rates are resampled. */
  readonly sampleRate: number;
  /** Seconds between frames. */
  readonly frameShift = 1 / FRAMES_PER_SECOND;
  /** Numbers per frame that go into the network. */
  readonly inputs: number;
  /** Scores per frame that come out of it. */
  readonly outputs: number;
  readonly client: ClientPart;
  readonly #polynomials: ReadonlyMap<string, PolynomialNetwork>;
  readonly #float: Sequential | undefined;
  readonly #multiply: MatrixMultiply;

  constructor(
    client: ClientPart,
    polynomials: ReadonlyMap<string, PolynomialNetwork>,
    float: Sequential | undefined,
    multiply: MatrixMultiply,
  ) {
    this.client = client;
    this.task = client.task;
    this.sampleRate = client.frontEnd.rate;
    this.inputs = client.frontEnd.inputs;
    this.outputs = client.decoder.logPriors.length;
    this.#polynomials = polynomials;
    this.#float = float;
    this.#multiply = multiply;
    for (const [name, network] of [...polynomials, ['the float network', float] as const]) {
      if (network === undefined || (network.inputs === this.inputs && network.outputs === this.outputs))
        continue;
      throw new ShapeError(
        name,
        `${this.inputs} to ${this.outputs}`,
        `${network.inputs} to ${network.outputs}`,
      );
    }
  }

  /**
   * Reads a model directory. Clear networks run on `multiply`, which is borrowed, and so does the public speech embedding of
   * models that take one, unless there is an `embedder`.
   * @throws {DataError} when a file is missing, or the package of the embedding. @throws {DecodeError} when one is damaged.
   */
  static async load(directory: string, multiply: MatrixMultiply, embedder?: Embedder): Promise<SpeechModel> {
    const bytes = await readModelFile(directory, CLIENT_FILE);
    const isNeeded = embedder === undefined && needsEmbedding(bytes);
    const client = readClientPart(bytes, isNeeded ? await loadSpeechEmbedding(multiply) : embedder);
    const polynomials = new Map<string, PolynomialNetwork>();
    for (const name of [
      DEFAULT_POLYNOMIAL,
      'polynomial-dnn-8bit',
      'polynomial-dnn-16bit',
      'polynomial-cnn-4bit',
    ]) {
      const path = join(directory, `${name}.bin`);
      if (existsSync(path)) polynomials.set(name, PolynomialNetwork.fromBytes(await readFile(path)));
    }
    if (polynomials.size === 0) await readModelFile(directory, `${DEFAULT_POLYNOMIAL}.bin`);
    const floatPath = join(directory, FLOAT_FILE);
    const float = existsSync(floatPath)
      ? Sequential.fromBytes(await readFile(floatPath), multiply)
      : undefined;
    return new SpeechModel(client, polynomials, float, multiply);
  }

  /** Names of the polynomial networks in the directory. */
  get polynomialNames(): string[] {
    return [...this.#polynomials.keys()];
  }

  /** {@link DEFAULT_POLYNOMIAL}, or the first there is in a directory without it. */
  get #defaultPolynomial(): string {
    const [first = DEFAULT_POLYNOMIAL] = this.polynomialNames;
    return this.#polynomials.has(DEFAULT_POLYNOMIAL) ? DEFAULT_POLYNOMIAL : first;
  }

  /** @throws {DataError} when the model has no network of that name. */
  polynomial(name = this.#defaultPolynomial): PolynomialNetwork {
    const network = this.#polynomials.get(name);
    if (network !== undefined) return network;
    throw new DataError(`the model has no network ${name}, only ${this.polynomialNames.join(', ')}`);
  }

  /** The float network that the polynomial one is compared with. @throws {DataError} when it was not shipped. */
  get float(): { infer(inputs: Float32Array): Float32Array } {
    if (this.#float === undefined) throw new DataError('the model comes without its float network');
    return this.#float;
  }

  /** Outputs [frames, outputs] of a polynomial network in the clear, in single precision. */
  polynomialScores(inputs: Float32Array, name = this.#defaultPolynomial): Float32Array {
    return new PolynomialRunner(this.polynomial(name), this.#multiply).run(inputs);
  }

  /** [frames, inputs] of what is spoken, normalised and bounded. @throws {AudioError} on audio that cannot be used. */
  features(audio: Audio): NetworkInputs {
    return this.client.frontEnd.inputsOf(audio);
  }

  /** `scores`: [frames, outputs] network outputs before the softmax. @throws {ShapeError} */
  decode(scores: Float32Array, frames: number): Recognition {
    if (scores.length !== frames * this.outputs) {
      throw new ShapeError('scores', `${frames} x ${this.outputs}`, scores.length);
    }
    const { words, score } = this.client.decoder.decode(scores);
    return { words: [...words], score };
  }
}
