/** One sample in one ciphertext, from keys to scores. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import type { Program } from '../../src/compiler/program.ts';
import { readProgram } from '../../src/compiler/program-file.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { measured, SAMPLE_GRAPHS } from '../compiler/sample-graphs.ts';
import { interpret } from '../../src/nn/graph/clear-interpreter.ts';
import { randomConvolution, randomInputs } from './random-network.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel[Symbol.dispose]());

const SOMEONE = tenantId('someone');

/** Scores of each sample, asked one by one. */
async function ask(program: Program, inputs: Float32Array): Promise<Float32Array> {
  using responder = await InferenceResponder.open([{ program }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const model = modelName(program.name);
  const key = responder.enrol(SOMEONE, model, client.enrolment());
  const samples = inputs.length / program.inputs;
  const scores = new Float32Array(samples * program.outputs);
  for (let t = 0; t < samples; t++) {
    const query = client.query(inputs.slice(t * program.inputs, (t + 1) * program.inputs), 1);
    scores.set(
      client.open(query, responder.answer(SOMEONE, model, key, query.bytes).bytes),
      t * program.outputs,
    );
  }
  return scores;
}

/** Root mean square. */
function deviation(scores: Float32Array, expected: ArrayLike<number>): number {
  return Math.sqrt(scores.reduce((sum, score, i) => sum + (score - expected[i]!) ** 2, 0) / scores.length);
}

describe('a packed program', () => {
  it.each(['traced', 'whole'] as const)(
    'answers as the network does and as precisely as offered, %s reply',
    async (reply) => {
      const network = randomConvolution(4, 4);
      const program = compile(network, { name: 'net', layout: 'packed', reply });
      expect(program.steps.at(-1)!.op === 'trace').toBe(reply === 'traced');
      const inputs = randomInputs(12, network.inputs, 3);
      const expected = Array.from({ length: 12 }, (_, t) => [
        ...network.run(Float64Array.from(inputs.subarray(t * network.inputs, (t + 1) * network.inputs))),
      ]).flat();
      const { range, schemeError, flooding } = program.output;
      const error = deviation(await ask(program, inputs), expected);
      expect(error).toBeLessThan(1.1 * Math.hypot(schemeError, flooding));
      expect(error).toBeGreaterThan(flooding / 4);
      expect(error).toBeLessThan(2 ** -10 * (range[1] - range[0]));
    },
  );

  it('computes a residual sum across a square by rotations that standard keys make up', async () => {
    const graph = measured(SAMPLE_GRAPHS['a residual sum across a square']!());
    const program = compile(graph, { name: 'net', layout: 'packed', keys: 'standard' });
    const samples = 12;
    const inputs = randomInputs(samples, program.inputs, 9);
    const { schemeError, flooding } = program.output;
    const error = deviation(await ask(program, inputs), interpret(graph, [inputs], samples));
    expect(error).toBeLessThan(1.6 * Math.hypot(schemeError, flooding));
  });

  it('of a former file still answers, with a whole reply', async () => {
    const file = readFileSync(new URL('../golden/program.v2.bin', import.meta.url));
    const program = readProgram(Uint8Array.from(file)).program as Program;
    expect(program.version).toBe(2);
    const inputs = randomInputs(4, program.inputs, 3);
    const { schemeError, flooding } = program.output;
    const error = deviation(await ask(program, inputs), runClear(program, inputs));
    expect(error).toBeLessThan(2 * Math.hypot(schemeError, flooding));
  });

  it.each(['nearly linear quadratics', 'a residual sum across a square', 'a quartic', 'a linear model'])(
    'computes %s',
    async (name) => {
      const graph = measured(SAMPLE_GRAPHS[name]!());
      const program = compile(graph, { name: 'net', layout: 'packed' });
      const samples = 24;
      const inputs = randomInputs(samples, program.inputs, 9);
      const { schemeError, flooding } = program.output;
      const error = deviation(await ask(program, inputs), interpret(graph, [inputs], samples));
      // Of 72 scores: a few hundredths are chance, as much the steps of the flooding.
      expect(error).toBeLessThan(1.4 * Math.hypot(schemeError, flooding));
    },
  );
});
