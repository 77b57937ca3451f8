/** What a projection gives away, measured with the attack by priors and said in sentences and pictures. */
import { ShapeError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type LabelledImages, unitPixels } from '../../nn/index.ts';
import { fixedPoint } from '../../protocols/cryptonn/owner/data-owner.ts';
import type { DatasetSpec } from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import {
  type LabelledIntegers,
  type MeasuredLeak,
  measureLeak,
} from '../../protocols/cryptonn/leakage/prior-attack.ts';
import { drawnDigits } from './drawn-digits.ts';
import { type GreyPicture, pictureLines, picturesPng, pictureSvg } from './picture.ts';

/** Look-alikes of our own: enough for every rank that policies have by default. */
const [DRAWN_SEED, DRAWN_COUNT] = [991, 4096];
/** Names them on a command line. */
export const DRAWN = 'drawn';

export interface LookAlikeSource {
  /** As it is printed. */
  readonly name: string;
  readonly images: LabelledImages;
}

export function drawnSource(): LookAlikeSource {
  return { name: 'digits drawn by code', images: drawnDigits(DRAWN_SEED, DRAWN_COUNT) };
}

/** Images as owners encrypt them, white as 1. @throws {ShapeError} */
export function integersOf(
  spec: DatasetSpec,
  { pixels, labels, height, width }: LabelledImages,
): LabelledIntegers {
  if (height * width !== spec.features)
    throw new ShapeError('look-alike images', `${spec.features} pixels large`, height * width);
  return { inputs: fixedPoint(unitPixels(pixels), spec.inputScale, spec.inputBound), labels };
}

/** @throws {ShapeError} {@link InvalidParamsError} when they are too few. */
export function measureLookAlike(
  spec: DatasetSpec,
  { images }: LookAlikeSource,
  kernel: Kernel,
): MeasuredLeak {
  return measureLeak(spec, integersOf(spec, images), kernel, kernel, systemRandom);
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** Sentences that nobody can overlook. */
export function leakLines(leak: MeasuredLeak, source: string): string[] {
  const { rank, sigma, classes, namesRecovered, varianceExplained, known } = leak;
  const noise = sigma === 0 ? 'no noise' : `noise of deviation ${sigma}`;
  return [
    `Measured leak (rank ${rank}, ${noise}; ${source}, ${known} of them known to the attack):`,
    `  names of classes recovered: ${namesRecovered} of ${classes}; of each image: ${percent(varianceExplained)} of the variance.`,
    '  These are the simplest attacks, so a lower bound: whoever has better priors recovers more.',
  ];
}

/** For programs. */
export function leakFigures(leak: MeasuredLeak, source: string) {
  const { rank, sigma, namesRecovered, classes, varianceExplained } = leak;
  return { source, rank, sigma, namesRecovered, classes, varianceExplained };
}

export function notMeasured({ projection, features }: DatasetSpec): string {
  return `What ${projection?.rank ?? features} of ${features} dimensions give away was not measured: --look-alike FILE with images like the data, or --look-alike ${DRAWN}.`;
}

function pictures({ sample }: MeasuredLeak, { features, inputScale }: DatasetSpec): GreyPicture[] {
  const width = Math.round(Math.sqrt(features));
  return [sample.original, sample.estimate].map((pixels) => ({ pixels, width, white: inputScale }));
}

/** Lines of blocks: a sample, and beside it what P x tells of it. Empty where samples are no squares. */
export function samplePicture(leak: MeasuredLeak, spec: DatasetSpec): string[] {
  const [original, estimate] = pictures(leak, spec) as [GreyPicture, GreyPicture];
  if (original.width ** 2 !== spec.features) return [];
  const beside = pictureLines(estimate);
  return [
    'a sample | what the trainer makes of it',
    ...pictureLines(original).map((line, row) => `${line} | ${beside[row] ?? ''}`),
  ];
}

/** The same as a grey PNG, the two beside one another, enlarged. Undefined where samples are no squares. */
export function samplePicturePng(leak: MeasuredLeak, spec: DatasetSpec): Uint8Array | undefined {
  const shown = pictures(leak, spec);
  return shown.every(({ width }) => width ** 2 === spec.features) ? picturesPng(shown) : undefined;
}

export function samplePictureSvg(leak: MeasuredLeak, spec: DatasetSpec): string {
  const [original, estimate] = pictures(leak, spec) as [GreyPicture, GreyPicture];
  return pictureSvg([
    { caption: 'a sample', pictures: [original] },
    { caption: `what rank ${leak.rank} of ${spec.features} tells of it`, pictures: [estimate] },
  ]);
}
