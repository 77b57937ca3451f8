/** Images to the size and channels that a model takes. */
import type { ImageInput } from '../../../nn/graph/model-graph.ts';
import type { PixelImage } from '../../../nn/images/pixel-image.ts';

/** Rec. 601. */
const LUMA = [0.299, 0.587, 0.114] as const;

/** `[channels, height, width]`, or channels last where asked, of 0 to 255; each pixel the mean of the area that it covers. */
export function resizedImage(image: PixelImage, wanted: ImageInput): Float64Array {
  const [height, width] = wanted.size;
  const planes = channelsOf(image, wanted.channels);
  const out = new Float64Array(wanted.channels * height * width);
  planes.forEach((plane, c) => {
    const resized = areaMeans(plane, image, height, width);
    resized.forEach((value, i) => {
      out[wanted.order === 'channels-last' ? i * wanted.channels + c : c * height * width + i] = value;
    });
  });
  return out;
}

function channelsOf({ channels, height, width, pixels }: PixelImage, wanted: 1 | 3): Float64Array[] {
  const size = height * width;
  const plane = (c: number): Float64Array => Float64Array.from(pixels.subarray(c * size, (c + 1) * size));
  if (channels === 1) return Array.from({ length: wanted }, () => plane(0));
  if (wanted === 3) return [plane(0), plane(1), plane(2)];
  const colours = LUMA.map((share, c) => plane(c).map((value) => share * value));
  return [colours[0]!.map((value, i) => value + colours[1]![i]! + colours[2]![i]!)];
}

function areaMeans(
  plane: Float64Array,
  from: { readonly height: number; readonly width: number },
  height: number,
  width: number,
): Float64Array {
  if (from.height === height && from.width === width) return plane;
  const out = new Float64Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let [sum, area] = [0, 0];
      forEachShare((y * from.height) / height, ((y + 1) * from.height) / height, (row, tall) =>
        forEachShare((x * from.width) / width, ((x + 1) * from.width) / width, (col, wide) => {
          sum += tall * wide * plane[row * from.width + col]!;
          area += tall * wide;
        }),
      );
      out[y * width + x] = sum / area;
    }
  }
  return out;
}

/** Whole numbers that [start, end) touches, with how much of each. */
function forEachShare(start: number, end: number, visit: (index: number, share: number) => void): void {
  for (let i = Math.floor(start); i < end - 1e-9; i++) visit(i, Math.min(i + 1, end) - Math.max(i, start));
}
