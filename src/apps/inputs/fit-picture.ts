/** Pictures of any size and kind in the size and kind of a model's input. */
import { DecodeError } from '../../base/errors.ts';
import type { ImageInput } from '../../nn/graph/model-graph.ts';
import { stretchImage, withChannels } from '../../nn/images/pixel-image.ts';
import type { PixelImage } from '../../nn/images/pixel-image.ts';

/** Of 255: fainter than this is ground. */
const INK = 32;
/** MNIST: signs fill 20 x 20 of 28 x 28, with their centre of mass in the middle. */
const INK_SHARE = 20 / 28;

/**
 * `stretch`: the whole picture. `contain`: the whole picture in its proportions, bars of the mean beside it. `mnist`: cropped to the ink,
 * which is made bright, 20 of 28 parts large, its centre of mass in the middle.
 * @throws {DecodeError} for `mnist` when there is no ink. @throws {LimitError} above 2^24 values.
 */
export function fitPicture(picture: PixelImage, to: ImageInput, mean: readonly number[]): PixelImage {
  const [height, width] = to.size;
  const converted = withChannels(picture, to.channels);
  const image = to.invert
    ? { ...converted, pixels: converted.pixels.map((value) => 255 - value) }
    : converted;
  if (to.fit === 'stretch') return stretchImage(image, height, width);
  if (to.fit === 'mnist') return centredInk(image, height, width);
  const scale = Math.min(height / image.height, width / image.width);
  const [innerHeight, innerWidth] = [image.height, image.width].map((extent) =>
    Math.max(1, Math.round(extent * scale)),
  ) as [number, number];
  const inner = stretchImage(image, innerHeight, innerWidth);
  const ground = Array.from(
    { length: to.channels },
    (_, i) => (255 * mean[mean.length === 1 ? 0 : i]!) / to.white,
  );
  return placed(
    inner,
    height,
    width,
    Math.floor((height - innerHeight) / 2),
    Math.floor((width - innerWidth) / 2),
    ground,
  );
}

/** The image with its corner at (top, left) of a larger one; what falls outside is cut off. */
function placed(
  image: PixelImage,
  height: number,
  width: number,
  top: number,
  left: number,
  ground: readonly number[],
): PixelImage {
  const { channels } = image;
  const pixels = new Uint8Array(channels * height * width);
  for (let channel = 0; channel < channels; channel++) {
    pixels.fill(
      Math.min(255, Math.max(0, Math.round(ground[channel]!))),
      channel * height * width,
      (channel + 1) * height * width,
    );
    for (let y = Math.max(0, -top); y < Math.min(image.height, height - top); y++)
      for (let x = Math.max(0, -left); x < Math.min(image.width, width - left); x++)
        pixels[(channel * height + y + top) * width + x + left] =
          image.pixels[(channel * image.height + y) * image.width + x]!;
  }
  return { channels, height, width, pixels };
}

function centredInk(image: PixelImage, height: number, width: number): PixelImage {
  let [top, bottom, left, right] = [image.height, -1, image.width, -1];
  image.pixels.forEach((value, i) => {
    if (value < INK) return;
    const [y, x] = [Math.floor(i / image.width) % image.height, i % image.width];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
  });
  if (bottom < 0)
    throw new DecodeError('a picture', 'there is nothing bright in it; is its ground light (invert)?');
  const ink = placed(
    image,
    bottom - top + 1,
    right - left + 1,
    -top,
    -left,
    new Array<number>(image.channels).fill(0),
  );
  const scale = Math.min((INK_SHARE * height) / ink.height, (INK_SHARE * width) / ink.width);
  const small = stretchImage(
    ink,
    Math.max(1, Math.round(ink.height * scale)),
    Math.max(1, Math.round(ink.width * scale)),
  );
  let [weight, rows, columns] = [0, 0, 0];
  small.pixels.forEach((value, i) => {
    weight += value;
    rows += value * (Math.floor(i / small.width) % small.height);
    columns += value * (i % small.width);
  });
  const offset = (middle: number, sum: number): number => Math.round((middle - 1) / 2 - sum / weight);
  return placed(
    small,
    height,
    width,
    offset(height, rows),
    offset(width, columns),
    new Array<number>(image.channels).fill(0),
  );
}
