/** Labelled images as examples, moved a little at random. */
import { SeededGenerator } from '../../nn/index.ts';
import type { Examples, LabelledImages } from '../../nn/index.ts';

/**
 * The first `count` images as real numbers in [0, 1], each moved by up to `shift` pixels along both axes, zeros coming in. The
 * moves follow from the seed and the order of reading.
 */
export function shiftedImages(images: LabelledImages, shift: number, seed: number, count: number): Examples {
  const generator = new SeededGenerator(seed);
  const { height, width, pixels, labels } = images;
  const size = height * width;
  const move = (): number => generator.below(2 * shift + 1) - shift;
  return {
    count: Math.min(count, images.count),
    read(order, start, inputs, targets) {
      for (let row = 0; row < targets.length; row++) {
        const image = order[start + row];
        const to = inputs.subarray(row * size, (row + 1) * size);
        moveImage(pixels.subarray(image * size, (image + 1) * size), to, height, width, move(), move());
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
