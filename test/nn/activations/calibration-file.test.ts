/** Calibrations in files: read back for the network that they were measured on, and for no other. */
import { expect, test } from 'vitest';
import { calibrate } from '../../../src/nn/activations/calibration.ts';
import { applyCalibration, writeCalibration } from '../../../src/nn/activations/calibration-file.ts';
import { interpret } from '../../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../../src/nn/graph/graph-builder.ts';
import { DenseMap, DiagonalMap, SparseMap } from '../../../src/nn/graph/linear-map.ts';
import type { ModelGraph } from '../../../src/nn/graph/model-graph.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';

const [INPUTS, HIDDEN, SAMPLES] = [5, 4, 60];

/** Inputs times `factors`, a dense layer, ReLU, a sparse layer with `weights`. */
function network(factors: Float64Array, weights: Float64Array): ModelGraph {
  const generator = new SeededGenerator(4);
  const matrix = Float32Array.from({ length: HIDDEN * INPUTS }, () => generator.normal());
  const builder = new GraphBuilder();
  let wire = builder.input(tensorInput('x', [INPUTS]));
  wire = builder.linear(wire, new DiagonalMap(factors));
  wire = builder.function(builder.linear(wire, new DenseMap(HIDDEN, INPUTS, matrix)), 'relu');
  const last = new SparseMap(HIDDEN, Int32Array.of(0, 2, 4), Int32Array.of(0, 1, 2, 3), weights);
  return builder.build(builder.linear(wire, last));
}

test('a calibration is that of its network, and refused by one with other factors or sparse weights', () => {
  const [factors, weights] = [Float64Array.of(1, 2, 0.5, -1, 1), Float64Array.of(1, -1, 0.5, 2)];
  const float = network(factors, weights);
  const generator = new SeededGenerator(6);
  const inputs = [Float32Array.from({ length: SAMPLES * INPUTS }, () => generator.normal())];
  const { graph, fits } = calibrate(float, { inputs });
  const text = writeCalibration(float, fits, 'a test');
  const ours = interpret(applyCalibration(float, text), inputs, SAMPLES);
  interpret(graph, inputs, SAMPLES).forEach((value, i) => expect(ours[i]).toBeCloseTo(value, 4));
  for (const other of [network(factors.with(2, 0.6), weights), network(factors, weights.with(1, -2))])
    expect(() => applyCalibration(other, text)).toThrow(/belongs to other weights/);
});
