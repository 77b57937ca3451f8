/**
 * Loss and accuracy of a training, noted step by step: of bounded size, part of the checkpoint, and bit for bit the same whether the
 * training was interrupted or not.
 */
import type { ByteReader, ByteWriter } from '../../base/bytes.ts';
import type { CurvePoint } from './curve-picture.ts';

/** Weight of the past in the smoothed loss and accuracy. */
const SMOOTHING = 0.95;
/** Where a curve becomes so long, every second point goes and half as many come. */
const MAX_POINTS = 1024;
const POINT_BYTES = 16;

type Measured = Pick<CurvePoint, 'loss' | 'accuracy'>;

export class LearningCurve {
  /** Steps of the training of which nothing is known: the curve begins after them. */
  readonly from: number;
  #steps: number;
  #stride = 1;
  /** The i-th is at step `from + (i + 1) * stride`. */
  #points: Measured[] = [];
  #now: Measured = { loss: Number.NaN, accuracy: Number.NaN };

  constructor(from = 0) {
    this.from = from;
    this.#steps = from;
  }

  /** What one step measured on its batch: nats per sample, and the share of samples that were right. */
  note({ loss, accuracy }: Measured): void {
    const { loss: before, accuracy: share } = this.#now;
    this.#now = { loss: smoothed(before, loss), accuracy: smoothed(share, accuracy) };
    this.#steps++;
    if ((this.#steps - this.from) % this.#stride !== 0) return;
    this.#points.push(this.#now);
    if (this.#points.length < MAX_POINTS) return;
    this.#points = this.#points.filter((_, i) => i % 2 === 1);
    this.#stride *= 2;
  }

  /** Of the last steps, smoothed; NaN before the first. */
  get latest(): Measured {
    return this.#now;
  }

  /** Smoothed, evenly spaced, and the latest. */
  points(samplesPerStep: number): CurvePoint[] {
    const at = (step: number, measured: Measured) => ({ samples: step * samplesPerStep, ...measured });
    const points = this.#points.map((point, i) => at(this.from + (i + 1) * this.#stride, point));
    const isEnded = (this.#steps - this.from) % this.#stride === 0;
    return isEnded ? points : [...points, at(this.#steps, this.#now)];
  }

  get byteLength(): number {
    return 4 + POINT_BYTES * (1 + this.#points.length);
  }

  /** `from` u32; loss and accuracy f64 of the latest, then of every point. Their number and distance follow from the step. */
  write(writer: ByteWriter): void {
    writer.u32(this.from);
    for (const { loss, accuracy } of [this.#now, ...this.#points]) {
      writer.f64(loss);
      writer.f64(accuracy);
    }
  }

  /** The curve of a training that has taken `steps` steps. @throws {DecodeError} */
  static read(reader: ByteReader, steps: number): LearningCurve {
    const curve = new LearningCurve(reader.u32());
    const length = steps - curve.from;
    if (length < 0) throw reader.error('its curve begins after its last step');
    while (Math.floor(length / curve.#stride) >= MAX_POINTS) curve.#stride *= 2;
    curve.#now = readMeasured(reader, length === 0);
    for (let i = Math.floor(length / curve.#stride); i > 0; i--)
      curve.#points.push(readMeasured(reader, false));
    curve.#steps = steps;
    return curve;
  }
}

function smoothed(before: number, value: number): number {
  return Number.isNaN(before) ? value : SMOOTHING * before + (1 - SMOOTHING) * value;
}

/** A training that diverges has losses without a number, and nothing but an empty curve has such shares. */
function readMeasured(reader: ByteReader, isEmpty: boolean): Measured {
  const [loss, accuracy] = [reader.f64(), reader.f64()];
  if (isEmpty ? !Number.isNaN(accuracy) : !(accuracy >= 0 && accuracy <= 1))
    throw reader.error('a point of its curve has an impossible accuracy');
  if (loss < 0) throw reader.error('a point of its curve has a negative loss');
  return { loss, accuracy };
}
