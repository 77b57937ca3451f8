/** Labelled images as examples, each time drawn a little differently and then normalised as a client would. */
import { SeededGenerator, normaliseDrawing } from '../../nn/index.ts';
import type { Examples, LabelledImages } from '../../nn/index.ts';
import { blurred, levels, noisy, placed, stroke } from './picture-changes.ts';
import type { PictureChange, Placement } from './picture-changes.ts';

/** Chances of one image to be changed in each way, independently, and how far. */
export interface ImageVariation {
  /** How often nothing is changed at all. */
  readonly untouched: number;
  readonly placement: number;
  readonly placed: Placement;
  readonly thicker: number;
  readonly thinner: number;
  readonly blurred: number;
  /** Levels `ground + gain * pixel`, gain from `leastGain` to 1. */
  readonly dimmed: number;
  readonly leastGain: number;
  /** Gaussian, of a deviation from 0 to `mostNoise` of 255. */
  readonly noisy: number;
  readonly mostNoise: number;
  /** Pixels that the normalised image is moved, either way, along both axes: centring is not exact either. */
  readonly shift: number;
}

/** One image as another pen, camera or scanner might have given it; draws from the generator. */
function variedPicture(
  pixels: Uint8Array,
  height: number,
  width: number,
  variation: ImageVariation,
  generator: SeededGenerator,
): Uint8Array {
  if (generator.uniform() < variation.untouched) return pixels;
  let picture = pixels;
  const perhaps = (chance: number, change: () => PictureChange): void => {
    if (generator.uniform() < chance) picture = change()(picture, height, width, generator);
  };
  perhaps(variation.placement, () => placed(variation.placed));
  const strokes = generator.uniform();
  if (strokes < variation.thicker) picture = stroke(Math.max)(picture, height, width, generator);
  else if (strokes < variation.thicker + variation.thinner)
    picture = stroke(Math.min)(picture, height, width, generator);
  perhaps(variation.blurred, () => blurred);
  perhaps(variation.dimmed, () => {
    const gain = variation.leastGain + (1 - variation.leastGain) * generator.uniform();
    return levels(255 * (1 - gain) * generator.uniform(), gain);
  });
  perhaps(variation.noisy, () => noisy(255 * variation.mostNoise * generator.uniform()));
  return picture;
}

/**
 * The first `count` images as real numbers in [0, 1], varied and normalised anew whenever they are read. The draws follow from
 * the seed and the order of reading.
 */
export function variedImages(
  images: LabelledImages,
  variation: ImageVariation,
  seed: number,
  count: number,
): Examples {
  const generator = new SeededGenerator(seed);
  const { height, width, pixels, labels } = images;
  const size = height * width;
  const move = (): number => generator.below(2 * variation.shift + 1) - variation.shift;
  return {
    count: Math.min(count, images.count),
    read(order, start, inputs, targets) {
      for (let row = 0; row < targets.length; row++) {
        const image = order[start + row];
        const drawn = pixels.subarray(image * size, (image + 1) * size);
        const varied = variedPicture(drawn, height, width, variation, generator);
        const normalised = normaliseDrawing({ channels: 1, height, width, pixels: varied }).pixels;
        moveImage(normalised, inputs.subarray(row * size, (row + 1) * size), height, width, move(), move());
        targets[row] = labels[image];
      }
    },
  };
}

function moveImage(
  from: Uint8Array,
  to: Float32Array,
  height: number,
  width: number,
  down: number,
  right: number,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromY, fromX] = [y - down, x - right];
      const inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
      to[y * width + x] = inside ? from[fromY * width + fromX] / 255 : 0;
    }
  }
}
