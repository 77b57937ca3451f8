/**
 * Networks of published sizes on generated weights: what an answer costs does not depend on what they are. LoLa's network for MNIST (Brutzkus,
 * Gilad-Bachrach, Elisha 2019) is a convolution of 5 x 5 at stride 2 to five maps, 100 units and ten scores with squares between them; the
 * perceptron 784-128-128-10 is Orion's (Ebel, Garimella, Reagen 2025).
 */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PolynomialNetwork, PolynomialRunner } from '../../src/nn/index.ts';
import type { PolynomialLayer } from '../../src/nn/polynomial/polynomial-layer.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';

const BITS = 8;
const LARGEST = 2 ** (BITS - 1) - 1;
const SIDE = 28;
/** Of an image with a line of zeros above and to the left. */
const PADDED = SIDE + 1;

interface Shape {
  readonly rows: number;
  readonly cols: number;
  readonly gather?: PolynomialLayer['gather'];
}

interface GeneratedSubject {
  readonly name: string;
  /** Lines of the images that it takes. */
  readonly side: number;
  readonly shapes: readonly Shape[];
}

/** Every 5 x 5 window at stride 2: 13 x 13. */
function lolaWindows(): NonNullable<PolynomialLayer['gather']> {
  const [taps, across, stride] = [5, 13, 2];
  const rowIndex = new Uint32Array(across * across * taps * taps);
  let at = 0;
  for (let y = 0; y < across; y++)
    for (let x = 0; x < across; x++)
      for (let tap = 0; tap < taps * taps; tap++)
        rowIndex[at++] = (stride * y + Math.floor(tap / taps)) * PADDED + stride * x + (tap % taps);
  return { positions: across * across, rowIndex };
}

export const GENERATED: readonly GeneratedSubject[] = [
  {
    name: 'perceptron 784-128-128-10',
    side: SIDE,
    shapes: [
      { rows: 128, cols: SIDE * SIDE },
      { rows: 128, cols: 128 },
      { rows: 10, cols: 128 },
    ],
  },
  {
    name: 'LoLa-MNIST',
    side: PADDED,
    shapes: [
      { rows: 5, cols: 25, gather: lolaWindows() },
      { rows: 100, cols: 5 * 169 },
      { rows: 10, cols: 100 },
    ],
  },
];

/** Images as a subject takes them. */
export function bordered(images: Float32Array, side: number): Float32Array {
  const border = side - SIDE;
  const count = images.length / SIDE ** 2;
  const out = new Float32Array(count * side ** 2);
  for (let t = 0; t < count; t++)
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++)
        out[t * side ** 2 + (y + border) * side + x + border] = images[t * SIDE ** 2 + y * SIDE + x]!;
  return out;
}

/** Squares between the layers; ranges are those over `images`. */
export function generatedNetwork(
  { shapes, side }: GeneratedSubject,
  kernel: Kernel,
  images: Float32Array,
): PolynomialNetwork {
  const generator = new SeededGenerator(1);
  const layers = shapes.map(({ rows, cols, gather }, i): PolynomialLayer => {
    const weights = Int32Array.from(
      { length: rows * cols },
      () => generator.below(2 * LARGEST + 1) - LARGEST,
    );
    const positions = gather?.positions ?? 1;
    return {
      ...{ weights, rows, cols, step: 2 / (LARGEST * Math.sqrt(cols)), square: i + 1 < shapes.length },
      offset: Float64Array.from({ length: rows * positions }, () => 0.1 * generator.normal()),
      ...(gather && { gather }),
    };
  });
  // One layer after another to values up to one, as training leaves them.
  for (let i = 0; i < layers.length; i++) {
    const largest = Math.max(...rangesOf(layers, side, kernel, images)[i]!.map(Math.abs));
    const { step, offset } = layers[i]!;
    layers[i] = { ...layers[i]!, step: step / largest, offset: offset.map((value) => value / largest) };
  }
  return new PolynomialNetwork(layers, side ** 2, BITS).withRanges(rangesOf(layers, side, kernel, images));
}

function rangesOf(layers: readonly PolynomialLayer[], side: number, kernel: Kernel, images: Float32Array) {
  const runner = new PolynomialRunner(new PolynomialNetwork(layers, side ** 2, BITS), kernel);
  runner.run(images);
  return runner.ranges;
}
