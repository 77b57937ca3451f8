/** A whole batch of the shipped CryptoNets on integers: 8,192 images, every score the integer of the integer network. About 3 GB, minutes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compileExact } from '../../src/compiler/exact/compile-exact.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { integerScores } from './integer-oracle.ts';

const MODEL = join(import.meta.dirname, '..', '..', 'models', 'mnist', 'cryptonets-polynomial-8bit.bin');

it('gives the integers of the integer network on 8,192 images', async () => {
  const network = PolynomialNetwork.fromBytes(readFileSync(MODEL));
  const program = compileExact(network, { name: 'net', inputRange: [0, 1], logN: [13], hiding: 8 });
  const samples = program.buckets[0]!.block;
  expect(samples).toBe(8192);
  using kernel = await openKernel();
  using responder = await InferenceResponder.open([{ program }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const [someone, net] = [tenantId('someone'), modelName('net')];
  const id = responder.enrol(someone, net, client.enrolment());
  // Any pictures will do, and random ones reach further than digits.
  const generator = new SeededGenerator(3);
  const inputs = Float32Array.from({ length: samples * program.inputs }, () => generator.below(16) / 15);
  const sent: { samples: number; bucket: (typeof program.buckets)[number]; nonce: string }[] = [];
  const replies: Uint8Array[] = [];
  let evaluationMs = 0;
  for (const { bytes, ...query } of client.queries(inputs, samples)) {
    const answer = responder.answer(someone, net, id, bytes);
    evaluationMs += answer.steps.reduce((sum, { ms }) => sum + ms, 0);
    sent.push(query);
    replies.push(answer.bytes);
  }
  const integers = client.openIntegers(sent, replies);
  const { scale } = program.values[0]!;
  const truth = integerScores(
    network,
    Int32Array.from(inputs, (value) => Math.round(value * scale)),
    scale,
  );
  expect(integers.length).toBe(10 * samples);
  expect(integers.every((value, i) => value === truth.scores[i])).toBe(true);
  console.log(
    `evaluation ${evaluationMs.toFixed(0)} ms, ${((1000 * samples) / evaluationMs).toFixed(0)} images/s`,
  );
});
