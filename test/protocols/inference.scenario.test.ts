import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DecodeError, MissingKeyError, ParamsMismatchError, ProtocolError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { type KeyId, modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { exchange, largestError } from './exchange.ts';
import { randomConvolution, randomInputs, randomNetwork } from './random-network.ts';

const NET = modelName('net');
const ANOTHER = tenantId('another');
const ME = tenantId('me');
const SOMEONE = tenantId('someone');

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

describe('encrypted inference', () => {
  it.each([
    ['no square', () => randomNetwork([9, 5], 4, 6), 9],
    ['one square', () => randomNetwork([9, 6, 5], 4, 1), 9],
    ['two squares', () => randomNetwork([20, 12, 10, 7], 4, 2), 20],
    ['three squares, 8 bits', () => randomNetwork([12, 16, 16, 16, 6], 8, 3), 12],
    ['a convolution', () => randomConvolution(4, 4), 24],
  ])('computes what the clear network computes: %s', async (_, make, features) => {
    const network = make();
    const inputs = randomInputs(150, features, 7);
    const { scores, offer } = await exchange(kernel, network, inputs, 150);
    const truth = network.run(inputs);
    const range = offer.outputRange[1] - offer.outputRange[0];
    expect(largestError(scores, truth)).toBeLessThan(range * 2 ** -10);
    // The check can fail: one wrong score is seen.
    scores[3]! += range * 2 ** -9;
    expect(largestError(scores, truth)).toBeGreaterThan(range * 2 ** -10);
  });

  it('serves every bucket and hides the number of samples inside one', async () => {
    const network = randomNetwork([5, 4, 3], 4, 5);
    const sizes = new Set<number>();
    for (const samples of [1, 100, 128, 129, 4096]) {
      const inputs = randomInputs(samples, 5, samples);
      const { scores, query } = await exchange(kernel, network, inputs, samples);
      expect(largestError(scores, network.run(inputs))).toBeLessThan(0.01);
      if (samples <= 128) sizes.add(query.bytes.length);
    }
    expect(sizes.size).toBe(1);
  });

  it('answers a fresh encryption of the same data with other noise, and never with the exact result', async () => {
    const network = randomNetwork([5, 4, 3], 4, 5);
    using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
    using client = await InferenceClient.create(responder.offers()[0]!, kernel);
    const keyId = responder.enrol(SOMEONE, NET, client.enrolment());
    const inputs = randomInputs(10, 5, 1);
    const [a, b] = [0, 1].map(() => {
      const query = client.query(inputs, 10);
      return client.open(query, responder.answer(SOMEONE, NET, keyId, query.bytes).bytes);
    }) as [Float32Array, Float32Array];
    expect(a.some((value, i) => value !== b[i])).toBe(true);
    // Spread of the flooding: at least a tenth of the promised error, so that the exact low bits are gone.
    const spread = Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length);
    expect(spread).toBeGreaterThan(client.offer.outputError / 10);
  });

  it('keeps a restored key interchangeable and tenants apart', async () => {
    const network = randomNetwork([5, 4, 3], 4, 5);
    using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
    const offer = responder.offers()[0]!;
    using client = await InferenceClient.create(offer, kernel);
    const keyId = responder.enrol(SOMEONE, NET, client.enrolment());
    using restored = await InferenceClient.restore(offer, client.exportSecret(), kernel);
    const inputs = randomInputs(10, 5, 1);
    const query = restored.query(inputs, 10);
    const scores = restored.open(query, responder.answer(SOMEONE, NET, keyId, query.bytes).bytes);
    expect(largestError(scores, network.run(inputs))).toBeLessThan(0.01);
    expect(() => responder.answer(ANOTHER, NET, keyId, query.bytes)).toThrow(MissingKeyError);
    responder.forget(SOMEONE, NET, keyId);
    expect(() => responder.answer(SOMEONE, NET, keyId, query.bytes)).toThrow(MissingKeyError);
  });
});

describe('hostile messages', () => {
  const network = randomNetwork([5, 4, 3], 4, 5);
  let responder: InferenceResponder;
  let client: InferenceClient;
  let keyId: KeyId;
  let query: ReturnType<InferenceClient['query']>;
  beforeAll(async () => {
    responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
    client = await InferenceClient.create(responder.offers()[0]!, kernel);
    keyId = responder.enrol(ME, NET, client.enrolment());
    query = client.query(randomInputs(10, 5, 1), 10);
  });
  afterAll(() => {
    responder[Symbol.dispose]();
    client[Symbol.dispose]();
  });

  it('refuses truncated, extended and flipped queries, and leaks nothing', () => {
    const live = kernel.liveWords;
    const refusals = [DecodeError, ParamsMismatchError, ProtocolError];
    const isRefused = (bytes: Uint8Array) => {
      try {
        responder.answer(ME, NET, keyId, bytes);
        return false;
      } catch (error) {
        return refusals.some((type) => error instanceof type);
      }
    };
    for (const length of [0, 3, 40, 71, 100, 140, query.bytes.length - 1]) {
      expect(isRefused(query.bytes.slice(0, length))).toBe(true);
    }
    expect(isRefused(Uint8Array.of(...query.bytes.slice(0, 200), 0))).toBe(true);
    // Every byte before the residues is checked, except the nonce, which is free.
    for (let at = 0; at < 72 + 48 + 16; at++) {
      if (at >= 36 && at < 68) continue;
      const flipped = query.bytes.slice();
      flipped[at]! ^= 0x10;
      expect(isRefused(flipped), `byte ${at}`).toBe(true);
    }
    const forged = query.bytes.slice();
    new DataView(forged.buffer).setBigUint64(72 + 8, 2n ** 60n, true);
    expect(isRefused(forged)).toBe(true);
    expect(kernel.liveWords).toBe(live);
  });

  it('refuses replies to other queries and replies that are not encrypted', () => {
    const answer = responder.answer(ME, NET, keyId, query.bytes);
    const other = client.query(randomInputs(10, 5, 2), 10);
    expect(() => client.open(other, answer.bytes)).toThrow(ProtocolError);
    expect(() => client.open(query, answer.bytes.slice(0, -1))).toThrow(DecodeError);
    const transparent = answer.bytes.slice();
    transparent.fill(0, 68 + 48 + 16);
    expect(() => client.open(query, transparent)).toThrow(DecodeError);
  });

  it('refuses keys of other parameters and forged keys', async () => {
    using foreign = await InferenceResponder.open(
      [{ name: 'net', network: randomNetwork([5, 4, 4, 3], 4, 5) }],
      kernel,
    );
    expect(() => foreign.enrol(ME, NET, client.enrolment())).toThrow(
      /over the limit|belongs to parameters|kind|keys/,
    );
    const enrolment = client.enrolment();
    enrolment[enrolment.length - 3]! ^= 0xff;
    const forged = enrolment.slice(0, enrolment.length - 1);
    expect(() => responder.enrol(ME, NET, forged)).toThrow(DecodeError);
  });
});
