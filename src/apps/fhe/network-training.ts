/** The owner's own run of a network's training, in the clear: pictures from files, steps from a seed, and what they are worth. */
import { DataError, UsageError } from '../../base/errors.ts';
import {
  batchOrder,
  initialPerceptron,
  type LabelledSamples,
  PerceptronMirror,
  type PerceptronRange,
  type PerceptronSpec,
  type PerceptronState,
  samplesAt,
  smallPictures,
  widerRange,
  wholePictures,
} from '../../runtime/training/index.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import { seededNumbers } from './network-folder.ts';

/** Room for rounding and noise below the bounds. */
const ROOM = 1.25;
const [LEAST_BOUND, MOST_BOUND] = [2 ** -6, 2 ** 6];

/** Pictures as the first layer takes them. @throws {UsageError} for a network of other inputs. */
export function pictureSamples(
  { layers }: Pick<PerceptronSpec, 'layers'>,
  pictures: { readonly pixels: Uint8Array; readonly labels: Uint8Array },
): LabelledSamples {
  if (layers[0] === 64) return smallPictures(pictures);
  if (layers[0] === 784) return wholePictures(pictures);
  throw new UsageError('a network on pictures of 28 x 28 has 64 inputs (means of blocks) or 784');
}

export interface MirrorPoint {
  readonly step: number;
  readonly accuracy: number;
}

export interface MirrorRun {
  readonly state: PerceptronState;
  readonly range: PerceptronRange;
  /** On test pictures, at steps that are near each other at first. */
  readonly points: readonly MirrorPoint[];
  /** After the steps that were marked. */
  readonly states: ReadonlyMap<number, PerceptronState>;
}

/** The first weights and the samples of every step: of the seed alone. @throws {DataError} */
export function plannedSteps(
  spec: PerceptronSpec,
  seed: string,
  images: number,
): { readonly first: PerceptronState; readonly orders: readonly Uint32Array[] } {
  const uniform = seededNumbers(seed);
  const first = initialPerceptron(spec, uniform);
  return { first, orders: batchOrder(images, spec, uniform) };
}

/** The first weights, then the state after every step in the clear, with the range of all steps so far. @throws {DataError} */
function* mirrorSteps(
  spec: PerceptronSpec,
  seed: string,
  train: LabelledSamples,
  steps: number,
): Generator<{ readonly step: number; readonly state: PerceptronState; readonly range: PerceptronRange }> {
  const mirror = new PerceptronMirror(spec);
  const { first, orders } = plannedSteps(spec, seed, train.labels.length);
  let [state, range]: [PerceptronState, PerceptronRange] = [first, { sum: 0, weight: 0, error: 0 }];
  for (const { weights } of first.layers)
    range = widerRange(range, {
      sum: 0,
      weight: weights.reduce((m, w) => Math.max(m, Math.abs(w)), 0),
      error: 0,
    });
  yield { step: 0, state, range };
  for (const [i, order] of orders.slice(0, steps).entries()) {
    const done = mirror.step(state, samplesAt(train, order));
    state = done.state;
    range = widerRange(range, done.range);
    yield { step: i + 1, state, range };
  }
}

/** All steps, or the first of them, in the clear; those of `marked` are points as well, and their states are kept. @throws {DataError} */
export function mirrorRun(
  spec: PerceptronSpec,
  seed: string,
  train: LabelledSamples,
  test: LabelledSamples,
  steps: number = spec.steps,
  marked: ReadonlySet<number> = new Set(),
): MirrorRun {
  const mirror = new PerceptronMirror(spec);
  const points: MirrorPoint[] = [];
  const states = new Map<number, PerceptronState>();
  let last: Pick<MirrorRun, 'state' | 'range'> | undefined;
  for (const { step, state, range } of mirrorSteps(spec, seed, train, steps)) {
    last = { state, range };
    if (marked.has(step)) states.set(step, state);
    const isMark = step === steps || step <= 5 || step % (step <= 50 ? 5 : 10) === 0 || marked.has(step);
    if (isMark) points.push({ step, accuracy: mirror.accuracy(state.layers, test) });
  }
  return { ...last!, points, states };
}

/** The specification with bounds that this run keeps. @throws {DataError} when sums leave the range of the activations. */
export function boundedSpec(spec: PerceptronSpec, { range }: MirrorRun): PerceptronSpec {
  if (!(range.sum <= spec.sumBound))
    throw new DataError(
      `sums reach ${range.sum.toFixed(1)}, beyond the ${spec.sumBound} of the activations: take a lower rate, fewer steps or a larger --sum-bound`,
    );
  const bound = (largest: number): number => {
    const power = 2 ** Math.ceil(Math.log2(ROOM * largest));
    if (power > MOST_BOUND)
      throw new DataError(`a weight or an error reaches ${largest.toFixed(1)}: take a lower rate`);
    return Math.max(LEAST_BOUND, power);
  };
  return { ...spec, weightBound: bound(range.weight), errorBound: bound(range.error) };
}

export interface TriedSteps {
  readonly rate: number;
  readonly momentum: number;
  /** On the pictures that were held out. */
  readonly accuracy: number;
  /** The largest sum before an activation. */
  readonly sum: number;
}

/** Of training samples, every so many-th judges a rate: test pictures choose nothing. */
const HELD_OUT_ONE_IN = 6;
const RATE_FACTORS = [0.5, 1, 2];
const MOMENTA = [0.5, 0.7, 0.9];
/** Of their bound: sums of another seed are a little larger. */
const SUM_SHARE = 0.9;

/**
 * Rates and momenta around the program's, each with all steps in the clear on five sixths of the training samples and judged by the rest;
 * best first, those whose sums leave no room below their bound last.
 *
 * @throws {DataError} with too few samples.
 */
export function triedSteps(spec: PerceptronSpec, seed: string, train: LabelledSamples): TriedSteps[] {
  const places = Array.from(train.labels.keys());
  const isHeldOut = (at: number): boolean => at % HELD_OUT_ONE_IN === HELD_OUT_ONE_IN - 1;
  const held = samplesAt(train, places.filter(isHeldOut));
  const kept = samplesAt(
    train,
    places.filter((at) => !isHeldOut(at)),
  );
  if (held.labels.length === 0) throw new DataError(`a search needs at least ${HELD_OUT_ONE_IN} pictures`);
  const mirror = new PerceptronMirror(spec);
  const tried = RATE_FACTORS.flatMap((factor) =>
    MOMENTA.map((momentum) => {
      const rate = Number((factor * spec.rate).toPrecision(2));
      let last: Pick<MirrorRun, 'state' | 'range'> | undefined;
      for (const each of mirrorSteps({ ...spec, rate, momentum }, seed, kept, spec.steps)) last = each;
      const { state, range } = last!;
      return { rate, momentum, accuracy: mirror.accuracy(state.layers, held), sum: range.sum };
    }),
  );
  const fits = ({ sum }: TriedSteps): number => (sum <= SUM_SHARE * spec.sumBound ? 1 : 0);
  return tried.sort((a, b) => fits(b) - fits(a) || b.accuracy - a.accuracy);
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 360, 56, 24, 36, 44];

/** Accuracy by step as SVG: a line for the clear mirror, circles for what was trained under encryption. */
export function accuracyCurve(
  mirror: readonly MirrorPoint[],
  encrypted: readonly MirrorPoint[] = [],
): string {
  const last = Math.max(1, ...[...mirror, ...encrypted].map(({ step }) => step));
  const x = (step: number): string => (LEFT + ((WIDTH - LEFT - RIGHT) * step) / last).toFixed(1);
  const y = (value: number): string => (TOP + (HEIGHT - TOP - BOTTOM) * (1 - value)).toFixed(1);
  const text = (atX: string, atY: string, anchor: string, content: string): string =>
    `<text x="${atX}" y="${atY}" text-anchor="${anchor}" fill="#333">${content}</text>`;
  const parts = [0, 0.2, 0.4, 0.6, 0.8, 1].flatMap((value) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`,
    text(String(LEFT - 8), String(Number(y(value)) + 4), 'end', `${Math.round(100 * value)} %`),
  ]);
  const stride = Math.max(1, Math.ceil(last / 10));
  for (let step = 0; step <= last; step += stride)
    parts.push(text(x(step), String(HEIGHT - BOTTOM + 18), 'middle', String(step)));
  parts.push(text(String((LEFT + WIDTH - RIGHT) / 2), String(HEIGHT - 8), 'middle', 'step'));
  const line = mirror.map(({ step, accuracy }) => `${x(step)},${y(accuracy)}`).join(' ');
  parts.push(`<polyline points="${line}" fill="none" stroke="#1f5fa8" stroke-width="2"/>`);
  for (const { step, accuracy } of encrypted)
    parts.push(
      `<circle cx="${x(step)}" cy="${y(accuracy)}" r="5" fill="none" stroke="#b3541e" stroke-width="2"/>`,
    );
  const circles = encrypted.length === 0 ? '' : '; circles: trained under encryption';
  parts.push(
    text(
      String(LEFT),
      String(TOP - 14),
      'start',
      `accuracy on test pictures; line: the same steps in the clear${circles}`,
    ),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12"><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>${parts.join('')}</svg>\n`;
}

/** @throws {FileWriteError} */
export function writeAccuracyCurve(
  path: string,
  mirror: readonly MirrorPoint[],
  encrypted: readonly MirrorPoint[] = [],
): void {
  replaceFileSync(path, accuracyCurve(mirror, encrypted));
}
