/** Convolutions against seven loops over the definition: strides, padding, dilation and groups together. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ShapeError } from '../../src/base/errors.ts';
import { applyIntegerLinear } from '../../src/kernel/integer-linear-map.ts';
import type { Conv2d } from '../../src/nn/layers/conv2d.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { quantiseToIntegers } from '../../src/nn/integer/integer-quantise.ts';
import { buildLayer } from '../../src/nn/layers/layer-factory.ts';
import { LayerGraph } from '../../src/nn/layers/layer-graph.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { evaluateIntegerNetwork, quantiseInput, realOutput } from '../../src/nn/index.ts';
import { cosine } from './cosine.ts';

type ConvolutionSpec = LayerSpec & { kind: 'conv2d' };

/** One image; weights `[filters, channels / groups, y, x]`. Any place outside the image is 0. */
function byDefinition(layer: Conv2d, x: Float32Array): number[] {
  const { size, stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1, filters } = layer.spec;
  const [channels, height, width] = layer.inputShape as [number, number, number];
  const [, outHeight, outWidth] = layer.outputShape as [number, number, number];
  const depth = channels / groups;
  const y: number[] = [];
  for (let filter = 0; filter < filters; filter++) {
    for (let oy = 0; oy < outHeight; oy++) {
      for (let ox = 0; ox < outWidth; ox++) {
        let sum = layer.bias?.value[filter] ?? 0;
        for (let c = 0; c < depth; c++) {
          const channel = Math.floor((filter * groups) / filters) * depth + c;
          for (let ky = 0; ky < size[0]; ky++) {
            for (let kx = 0; kx < size[1]; kx++) {
              const row = oy * stride[0] + ky * dilation[0] - padding[0];
              const column = ox * stride[1] + kx * dilation[1] - padding[1];
              if (row < 0 || row >= height || column < 0 || column >= width) continue;
              const weight = layer.weights.value[((filter * depth + c) * size[0] + ky) * size[1] + kx]!;
              sum += weight * x[(channel * height + row) * width + column]!;
            }
          }
        }
        y.push(sum);
      }
    }
  }
  return y;
}

const axis = (max: number) => fc.tuple(fc.integer({ min: 1, max }), fc.integer({ min: 1, max }));
const SETTINGS = fc.record({
  size: axis(3),
  stride: axis(3),
  dilation: axis(3),
  padding: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  groups: fc.constantFrom(1, 2),
  extent: axis(9),
});

test('any stride, padding, dilation and grouping gives what the definition says', () => {
  let [compared, dilated] = [0, 0];
  fc.assert(
    fc.property(SETTINGS, ({ extent, ...settings }) => {
      const spec: ConvolutionSpec = { kind: 'conv2d', filters: 4, ...settings };
      const shape = [4, ...extent];
      const generator = new SeededGenerator(3);
      let layer: Conv2d;
      try {
        layer = buildLayer(spec, shape, generator) as Conv2d;
      } catch (error) {
        expect(error).toBeInstanceOf(ShapeError);
        return;
      }
      const x = Float32Array.from({ length: 4 * extent[0] * extent[1] }, () => generator.normal());
      const pass = { multiply: plainMatrixMultiply, training: false };
      const y = layer.forward(x, 1, pass);
      byDefinition(layer, x).forEach((value, i) => expect(y[i]).toBeCloseTo(value, 3));
      compared++;
      if (settings.dilation.some((d, i) => d > 1 && settings.size[i]! > 1)) dilated++;
    }),
    { numRuns: 300, seed: 7 },
  );
  expect(compared).toBeGreaterThan(100);
  expect(dilated).toBeGreaterThan(50);
});

test('windows that are too wide by their dilation alone are refused', () => {
  const spec = { kind: 'conv2d', filters: 1, size: [3, 3] } as const;
  const build = (dilation: [number, number]) =>
    buildLayer({ ...spec, dilation }, [1, 5, 5], new SeededGenerator(1)).outputShape;
  expect(build([2, 1])).toEqual([1, 1, 3]);
  expect(() => build([3, 1])).toThrow(ShapeError);
  expect(() => build([0, 1])).toThrow(ShapeError);
  expect(() => build([1, 1.5])).toThrow(ShapeError);
});

test('quantisation to integers keeps the dilation', () => {
  const generator = new SeededGenerator(5);
  const spec = { kind: 'conv2d', filters: 5, size: [3, 3], dilation: [2, 3], padding: [2, 1] } as const;
  const layer = buildLayer(spec, [2, 9, 12], generator);
  const graph = new LayerGraph([2, 9, 12], [{ kind: 'layer', layer }]);
  const x = Float32Array.from({ length: 4 * graph.inputs }, () => generator.below(256) / 255);
  const pixels = { scale: 1 / 255, offset: 0, low: 0, high: 255 };
  const network = quantiseToIntegers(graph, x, pixels, plainMatrixMultiply);
  expect(network.linears[0]!.map).toMatchObject({ dilation: [2, 3], padding: [2, 1] });
  const integers = evaluateIntegerNetwork(network, quantiseInput(network, x), (_layer, map, values, batch) =>
    applyIntegerLinear(map, values, batch),
  );
  const float = graph.infer(x, plainMatrixMultiply);
  expect(cosine(realOutput(network, integers), float)).toBeGreaterThan(0.9995);
});
