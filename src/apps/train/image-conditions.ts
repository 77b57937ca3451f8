/** The test images under conditions that they were not drawn in: what the card measures beside the clean ones. */
import { SeededGenerator, normaliseDrawing, unitPixels } from '../../nn/index.ts';
import type { LabelledImages } from '../../nn/index.ts';
import { imageAccuracy } from './image-training.ts';
import { blurred, levels, noisy, placed, speckled, stroke } from './picture-changes.ts';
import type { PictureChange } from './picture-changes.ts';

const dimmed = levels(0, 1 / 3);
const faintNoise = noisy(25.5);

export interface ImageCondition {
  readonly name: string;
  readonly change: PictureChange;
}

/** What the test images go through for the card. Black or white pixels are not in the training. */
export const IMAGE_CONDITIONS: readonly ImageCondition[] = [
  { name: 'as they are', change: (pixels) => pixels },
  { name: 'dimmed to a third', change: dimmed },
  { name: 'grey on grey (100 to 160)', change: levels(100, 60 / 255) },
  { name: 'dark on light', change: levels(255, -1) },
  { name: 'moved by up to 4 pixels', change: placed({ shift: 4, turn: 0, size: [1, 1] }) },
  { name: 'turned by up to 15 degrees', change: placed({ shift: 0, turn: 15, size: [1, 1] }) },
  { name: '75 to 115 % of the size', change: placed({ shift: 0, turn: 0, size: [0.75, 1.15] }) },
  { name: 'thicker strokes', change: stroke(Math.max) },
  { name: 'thinner strokes', change: stroke(Math.min) },
  { name: 'noise, deviation 25 %', change: noisy(64) },
  { name: 'noise, deviation 50 %', change: noisy(128) },
  {
    name: 'dimmed to a third, noise 10 %',
    change: (pixels, ...rest) => faintNoise(dimmed(pixels, ...rest), ...rest),
  },
  { name: '5 % black or white pixels', change: speckled(0.05) },
  { name: 'blurred', change: blurred },
];

/** All images changed, by draws from the seed. */
function changedImages(images: LabelledImages, change: PictureChange, seed: number): LabelledImages {
  const generator = new SeededGenerator(seed);
  const { count, height, width } = images;
  const size = height * width;
  const pixels = new Uint8Array(images.pixels.length);
  for (let i = 0; i < count; i++)
    pixels.set(change(images.pixels.subarray(i * size, (i + 1) * size), height, width, generator), i * size);
  return { ...images, pixels };
}

/** All images as a client would send them. */
export function normalisedImages(images: LabelledImages): LabelledImages {
  const { count, height, width } = images;
  const size = height * width;
  const pixels = new Uint8Array(images.pixels.length);
  for (let i = 0; i < count; i++) {
    const picture = { channels: 1, height, width, pixels: images.pixels.subarray(i * size, (i + 1) * size) };
    pixels.set(normaliseDrawing(picture).pixels, i * size);
  }
  return { ...images, pixels };
}

/** A form of a network under test. */
export interface TestedForm {
  readonly form: string;
  /** Whether its inputs are normalised first, as they should be. */
  readonly isNormalised: boolean;
  /** `[count, classes]` of real inputs `[count, height * width]` in [0, 1]. */
  scores(inputs: Float32Array): ArrayLike<number>;
}

export interface ConditionRow {
  readonly condition: string;
  readonly form: string;
  readonly images: number;
  /** Share of images whose best class is the label. */
  readonly accuracy: number;
}

const CONDITION_SEED = 7;

/** Every form on the images under every condition; equal calls draw equal pictures. `progress` takes the share that is done. */
export function measureConditions(
  test: LabelledImages,
  forms: readonly TestedForm[],
  progress: (share: number) => void,
  conditions: readonly ImageCondition[] = IMAGE_CONDITIONS,
): ConditionRow[] {
  return conditions.flatMap(({ name: condition, change }, i) => {
    progress(i / conditions.length);
    const changed = changedImages(test, change, CONDITION_SEED);
    const [raw, normalised] = [unitPixels(changed.pixels), unitPixels(normalisedImages(changed).pixels)];
    return forms.map(({ form, isNormalised, scores }) => ({
      condition,
      form,
      images: test.count,
      accuracy: imageAccuracy(scores(isNormalised ? normalised : raw), test.labels),
    }));
  });
}
