/** The machine and the two sides of encrypted inference with each allocation failing in turn. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { AllocationFaults } from '../kernel/cases/allocation-faults.ts';
import { largestError } from './exchange.ts';
import { randomConvolution, randomInputs, randomNetwork } from './random-network.ts';

const NET = modelName('net');
const SOMEONE = tenantId('someone');

let kernel: Kernel;
let faults: AllocationFaults;
const network = randomNetwork([5, 4, 3], 4, 5);

beforeAll(async () => {
  kernel = await openKernel({ onFallback: () => undefined });
  faults = new AllocationFaults(kernel);
});
afterAll(() => {
  expect(faults.held).toEqual({ words: 0, handles: 0 });
  kernel[Symbol.dispose]();
});

test('a responder with two models', async () => {
  const models = [
    { name: 'dense', network },
    { name: 'convolution', network: randomConvolution(4, 4) },
  ];
  const failures = await faults.failEach(async () => {
    using _responder = await InferenceResponder.open(models, faults.kernel);
  });
  expect(failures).toBeGreaterThan(5);
});

test('enrolment, query, evaluation and reply; afterwards everything still works', async () => {
  using responder = await InferenceResponder.open([{ name: 'net', network }], faults.kernel);
  const offer = responder.offers()[0]!;
  const failures = await faults.failEach(async () => {
    using _client = await InferenceClient.create(offer, faults.kernel);
  });
  expect(failures).toBeGreaterThan(1);
  using client = await InferenceClient.create(offer, faults.kernel);
  expect(await faults.failEach(() => client.enrolment(), 'sparse')).toBeGreaterThan(4);
  const message = client.enrolment();
  const enrol = () => responder.enrol(SOMEONE, NET, message);
  expect(await faults.failEach(() => responder.forget(SOMEONE, NET, enrol()), 'sparse')).toBeGreaterThan(2);
  const keyId = enrol();
  const inputs = randomInputs(10, 5, 1);
  expect(await faults.failEach(() => client.query(inputs, 10), 'sparse')).toBeGreaterThan(2);
  const query = client.query(inputs, 10);
  // The monomials that the machine packs with are kept by the ring.
  responder.answer(SOMEONE, NET, keyId, query.bytes);
  const answer = () => responder.answer(SOMEONE, NET, keyId, query.bytes).bytes;
  // The machine's memory was made when the responder was opened.
  expect(await faults.failEach(answer, 'sparse')).toBeGreaterThan(3);
  const reply = answer();
  expect(await faults.failEach(() => client.open(query, reply), 'sparse')).toBeGreaterThan(2);
  expect(largestError(client.open(query, reply), network.run(inputs))).toBeLessThan(0.01);
});
