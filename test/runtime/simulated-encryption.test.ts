import { afterAll, beforeAll, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import type { Program } from '../../src/compiler/program.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { layerModel } from '../../src/nn/graph/layer-model.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { runSimulated } from '../../src/runtime/simulated-encryption.ts';
import { measured } from '../compiler/sample-graphs.ts';
import { exchange } from '../protocols/exchange.ts';
import { randomInputs, randomNetwork } from '../protocols/random-network.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel[Symbol.dispose]());

const dense = (outputs: number): LayerSpec => ({ kind: 'dense', outputs });
const programOf = (specs: readonly LayerSpec[]): Program => {
  const network = new Sequential([8], specs, { multiply: plainMatrixMultiply, seed: 4 });
  return compile(measured(layerModel(network)), { name: 'net', inputBound: 1 });
};
/** The noise alone: without flooding, which would cover it. */
const bare = (program: Program): Program => ({ ...program, output: { ...program.output, flooding: 0 } });
const deviation = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum / a.length);
};

it.each([
  ['a linear map', [dense(5)]],
  ['two squares', [dense(9), { kind: 'square' }, dense(7), { kind: 'square' }, dense(4)]],
] as const)('stays below the deviation that the compiler counts with, and near it: %s', (_, specs) => {
  const program = bare(programOf(specs));
  const inputs = randomInputs(400, 8, 5);
  const clear = runClear(program, inputs);
  const off = deviation(runSimulated(program, inputs, new SeededGenerator(1)), clear);
  expect(off).toBeLessThan(1.05 * program.output.schemeError);
  // The largest rows and factors are counted for all.
  expect(off).toBeGreaterThan(0.05 * program.output.schemeError);
});

it.each(['traced', 'whole'] as const)(
  'carries the noise of every step of a packed program, %s reply',
  (reply) => {
    const network = randomNetwork([40, 12, 5], 4, 1);
    const program = bare(compile(network, { name: 'net', layout: 'packed', reply }));
    const inputs = randomInputs(24, 40, 5);
    const clear = runClear(program, inputs);
    const off = deviation(runSimulated(program, inputs, new SeededGenerator(1)), clear);
    expect(off).toBeLessThan(1.1 * program.output.schemeError);
    expect(off).toBeGreaterThan(0.05 * program.output.schemeError);
  },
);

it('spreads scores as encryption does', async () => {
  const program = programOf([dense(9), { kind: 'square' }, dense(4)]);
  const inputs = randomInputs(128, 8, 5);
  const clear = runClear(program, inputs);
  const { scores } = await exchange(kernel, { program }, inputs, 128);
  const simulated = deviation(runSimulated(program, inputs, new SeededGenerator(1)), clear);
  const encrypted = deviation(scores, clear);
  expect(encrypted / simulated).toBeGreaterThan(0.7);
  expect(encrypted / simulated).toBeLessThan(1.4);
  expect(simulated).toBeLessThan(1.3 * offerOf(program).outputError);
});

it('sees an error that grows with the values, which one number at the end does not', () => {
  const program = bare(programOf([dense(9), { kind: 'square' }, dense(4)]));
  const small = Float32Array.from(randomInputs(300, 8, 5), (value) => value / 50);
  const off = (inputs: Float32Array): number =>
    deviation(runSimulated(program, inputs, new SeededGenerator(1)), runClear(program, inputs));
  expect(off(randomInputs(300, 8, 5))).toBeGreaterThan(off(small));
});
