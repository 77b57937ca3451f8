/** What `subrosa compile` reads: ONNX files, and networks as our trainers write them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { DataError, LimitError, UsageError } from '../../../base/errors.ts';
import { EMBEDDING_NAME, EMBEDDING_SIZE } from '../../speech/embedder.ts';
import { WORD_RATE } from '../../speech-client/word-windows.ts';
import type { ImageInput, InputDescription, ModelGraph } from '../../../nn/graph/model-graph.ts';
import { externalFiles } from './external-files.ts';
import { layerModel } from '../../../nn/graph/layer-model.ts';
import { toModelGraph } from '../../../nn/graph/polynomial-model.ts';
import { importOnnx } from '../../../nn/onnx/index.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import { plainMatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { PolynomialNetwork } from '../../../nn/polynomial/polynomial-network.ts';

const MAX_MODEL_BYTES = 2 ** 28;
/** What our trainers write: polynomial networks, and networks in floats, whose activations --calibrate replaces. */
const OWN_FORMATS: Readonly<Record<string, (bytes: Uint8Array) => ModelGraph>> = {
  SRPN: (bytes) => toModelGraph(PolynomialNetwork.fromBytes(bytes)),
  SRNN: (bytes) => layerModel(Sequential.fromBytes(bytes, plainMatrixMultiply)),
};

/** How the input is to be read, where the file does not say. */
export interface InputFlags {
  /** Height x width; true takes them from the shape of the input. */
  readonly image?: string | true;
  readonly white?: number;
  readonly mean?: readonly number[];
  readonly deviation?: readonly number[];
  readonly invert?: boolean;
  readonly labels?: readonly string[];
  /** The input is a window of speech embeddings. */
  readonly speech?: boolean;
}

export interface ModelFlags extends InputFlags {
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly shape?: readonly string[];
  /** The folder in which the data files of the model are. */
  readonly externalData?: string;
}

/** @throws {DataError} {@link DecodeError} {@link UnsupportedOpError} {@link UsageError} */
export function readModelFile(path: string, flags: ModelFlags): ModelGraph {
  if (!existsSync(path)) throw new DataError(`there is no file ${path}`);
  const { size } = statSync(path);
  if (size > MAX_MODEL_BYTES) throw new LimitError('a model file', MAX_MODEL_BYTES, size);
  const bytes = readFileSync(path);
  const own = OWN_FORMATS[bytes.subarray(0, 4).toString('latin1')];
  const graph = own
    ? { ...own(bytes), source: { file: basename(path), producer: 'subrosa' } }
    : importOnnx(bytes, {
        file: basename(path),
        ...(flags.from && { from: flags.from }),
        ...(flags.to && { to: flags.to }),
        ...(flags.externalData !== undefined && { external: externalFiles(flags.externalData) }),
        ...(flags.shape && { shapes: shapesOf(flags.shape) }),
      });
  const input = graph.inputs[0];
  return input === undefined
    ? graph
    : { ...graph, inputs: [described(input, flags), ...graph.inputs.slice(1)] };
}

function shapesOf(texts: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, extents] = /^([^=]+)=(\d+(?:x\d+)*)$/.exec(text) ?? [];
      if (name === undefined || extents === undefined)
        throw new UsageError(`--shape takes NAME=1x1x28x28, not "${text}"`);
      return [name, extents.split('x').map(Number)];
    }),
  );
}

/** The description that the file brings, with what the flags say of it. */
function described(input: InputDescription, flags: InputFlags): InputDescription {
  if (flags.speech === true) return describedSpeech(input, flags);
  const image = imageOf(input, flags);
  const mean = flags.mean ?? input.mean;
  const deviation = flags.deviation ?? input.deviation;
  const labels = flags.labels ?? input.labels;
  const named = { ...input, mean, deviation, ...(labels && { labels }) };
  if (image === undefined) return named;
  const ends = mean.flatMap((m, c) =>
    [0, image.white].map((value) => (value - m) / (deviation[c] ?? deviation[0]!)),
  );
  const interval = [Math.min(...ends), Math.max(...ends)] as const;
  return { ...named, kind: 'image', image, interval, clip: interval };
}

/** @throws {UsageError} when the input is not n x 96. */
function describedSpeech(input: InputDescription, { image, labels }: InputFlags): InputDescription {
  if (image !== undefined) throw new UsageError('an input is either --image or --speech');
  if (input.shape.length !== 2 || input.shape[1] !== EMBEDDING_SIZE)
    throw new UsageError(
      `--speech is for inputs of n x ${EMBEDDING_SIZE} values, windows of the public speech embedding; this model takes ${input.shape.join(' x ')}`,
    );
  const audio = { rate: WORD_RATE, embedding: EMBEDDING_NAME } as const;
  return { ...input, kind: 'audio', audio, ...(labels && { labels }) };
}

/** Where --image says so, of that size or of `[1 or 3, height, width]`. @throws {UsageError} when the values are not as many. */
function imageOf({ shape, image }: InputDescription, flags: InputFlags): ImageInput | undefined {
  if (image !== undefined) return { ...image, ...(flags.white !== undefined && { white: flags.white }) };
  if (flags.image === undefined) return undefined;
  const asked = flags.image === true ? shape.slice(1) : flags.image.split('x').map(Number);
  const values = shape.reduce((a, b) => a * b, 1);
  const found = [1, 3].find((each) => each * asked[0]! * asked[1]! === values);
  if (asked.length !== 2 || found === undefined)
    throw new UsageError(
      `--image ${flags.image === true ? '' : `${flags.image} `}does not fit the ${shape.join(' x ')} values of the model's input`,
    );
  return {
    channels: found as 1 | 3,
    size: [asked[0]!, asked[1]!],
    fit: 'stretch',
    invert: flags.invert === true,
    white: flags.white ?? 1,
  };
}
