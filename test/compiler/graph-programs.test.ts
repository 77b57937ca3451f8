/** Graphs of every node that can run under encryption: the interpreter, the program in the clear, and ciphertexts agree. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import { readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../src/nn/graph/linear-map.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { AllocationFaults } from '../kernel/cases/allocation-faults.ts';
import { exchange, largestError } from '../protocols/exchange.ts';
import { randomInputs } from '../protocols/random-network.ts';
import { measured, SAMPLE_GRAPHS } from './sample-graphs.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

describe.each(Object.entries(SAMPLE_GRAPHS))('%s', (_, make) => {
  it('computes under encryption what the interpreter computes', async () => {
    const graph = measured(make());
    const program = compile(graph, { name: 'net' });
    const samples = 130;
    const inputs = randomInputs(samples, program.inputs, 5);
    const truth = interpret(graph, [inputs], samples);
    const range = program.output.range[1] - program.output.range[0];
    const clear = runClear(program, inputs);
    // Folded factors make other weights, which eight bits do not hold exactly; nothing else may differ.
    expect(largestError(Float32Array.from(clear), truth)).toBeLessThan(range * 2 ** -6);
    const { scores, offer } = await exchange(
      kernel,
      { program: readProgram(writeProgram({ program })).program },
      inputs,
      samples,
    );
    expect(largestError(scores, clear)).toBeLessThan(6 * offer.outputError);
    expect(6 * offer.outputError).toBeLessThan(range * 2 ** -9);
  });
});

it('computes with one map at two levels, and releases what it prepared for both', async () => {
  const builder = new GraphBuilder();
  const map = new DenseMap(
    3,
    3,
    Float64Array.of(1, -0.5, 0.25, 0.5, 1, -1, -0.25, 0.5, 1),
    new Float64Array(3),
  );
  const first = builder.linear(builder.input(tensorInput('x', [3])), map);
  const graph = measured(builder.build(builder.linear(builder.multiply(first, first), map)));
  const compiled = compile(graph, { name: 'net' });
  const steps = compiled.steps.map((step) => (step.op === 'linear' ? { ...step, map: 0 } : step));
  const program = { ...compiled, steps, maps: compiled.maps.slice(0, 1) };
  const inputs = randomInputs(2, 3, 5);
  const own = await openKernel();
  const faults = new AllocationFaults(own);
  const { scores, offer } = await exchange(faults.kernel, { program }, inputs, 2);
  expect(largestError(scores, runClear(program, inputs))).toBeLessThan(6 * offer.outputError);
  expect(faults.held).toEqual({ words: 0, handles: 0 });
  own[Symbol.dispose]();
});
