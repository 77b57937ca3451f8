/**
 * Drawn faces: an oval with eyes, brows, nose, mouth and hair on a shaded ground, under uneven light, with grain. Nobody's picture.
 * They reach the activations that calibration needs; they say nothing about how well faces are told apart.
 */
import { SeededGenerator } from '../../nn/index.ts';

type Colour = readonly [red: number, green: number, blue: number];

interface Oval {
  readonly centre: readonly [x: number, y: number];
  readonly radii: readonly [x: number, y: number];
  readonly colour: Colour;
}

/** `[count, 3, size, size]`, 0 to 255, whole numbers. */
export function syntheticFaces(count: number, size: number, seed: number): Float32Array {
  const out = new Float32Array(count * 3 * size * size);
  for (let face = 0; face < count; face++) {
    const generator = new SeededGenerator(seed + face);
    drawFace(out.subarray(face * 3 * size * size, (face + 1) * 3 * size * size), size, generator);
  }
  return out;
}

/** All lengths are shares of the image. */
function features(generator: SeededGenerator): Oval[] {
  const around = (value: number, spread: number): number => value + spread * (2 * generator.uniform() - 1);
  const tone = around(0.65, 0.3);
  const skin: Colour = [around(225, 25) * tone, around(180, 25) * tone, around(150, 30) * tone];
  const dark: Colour = [around(50, 45), around(40, 35), around(30, 30)];
  const [x, y] = [around(0.5, 0.06), around(0.52, 0.06)];
  const [wide, tall] = [around(0.3, 0.06), around(0.4, 0.06)];
  const eyes = around(0.13, 0.02);
  const pair = (height: number, radii: readonly [number, number], colour: Colour): Oval[] =>
    [-eyes, eyes].map((side) => ({ centre: [x + side, y + height], radii, colour }));
  const eye = around(0.045, 0.012);
  return [
    { centre: [x, y - 0.08], radii: [wide + around(0.05, 0.04), tall + 0.02], colour: dark },
    { centre: [x, y], radii: [wide, tall], colour: skin },
    ...pair(-0.08, [eye, eye * 0.6], [235, 235, 230]),
    ...pair(-0.08, [eye * 0.5, eye * 0.5], dark),
    ...pair(around(-0.15, 0.02), [eye * 1.3, 0.012], dark),
    {
      centre: [x, y + 0.05],
      radii: [around(0.03, 0.01), around(0.07, 0.02)],
      colour: [skin[0] * 0.85, skin[1] * 0.8, skin[2] * 0.8],
    },
    {
      centre: [x, y + around(0.19, 0.02)],
      radii: [around(0.1, 0.03), around(0.03, 0.015)],
      colour: [around(170, 30) * tone, around(80, 20) * tone, around(80, 20) * tone],
    },
  ];
}

function drawFace(image: Float32Array, size: number, generator: SeededGenerator): void {
  const ground: Colour = [generator.below(256), generator.below(256), generator.below(256)];
  const ovals = features(generator);
  const [lightX, lightY] = [generator.uniform() - 0.5, generator.uniform() - 0.5];
  const grain = 2 + 8 * generator.uniform();
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = [column / size, row / size];
      const light = 1 + lightX * (x - 0.5) + lightY * (y - 0.5);
      let colour = ground;
      for (const { centre, radii, colour: fill } of ovals) {
        if (((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 < 1) colour = fill;
      }
      for (let channel = 0; channel < 3; channel++) {
        const value = Math.round(colour[channel]! * light + grain * generator.normal());
        image[(channel * size + row) * size + column] = Math.min(255, Math.max(0, value));
      }
    }
  }
}
