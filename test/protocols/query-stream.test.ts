import { afterAll, beforeAll, expect, it } from 'vitest';
import { ShapeError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { wholeBody } from '../../src/apps/transport/attempt.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { readQuery } from '../../src/protocols/inference/messages.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { EncryptionStream } from '../../src/schemes/ckks/encryption-stream.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { largestError } from './exchange.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

const [NET, ME] = [modelName('net'), tenantId('me')];
const FEATURES = 70;

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

it('is answered as a whole query is, in every bucket, over several pieces', async () => {
  const network = randomNetwork([FEATURES, 6, 5], 4, 1);
  using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const keyId = responder.enrol(ME, NET, client.enrolment());
  for (const samples of [1, 130, 4096]) {
    const inputs = randomInputs(samples, FEATURES, samples);
    const stream = client.queryStream(inputs, samples);
    const bytes = wholeBody(stream);
    expect(bytes.length).toBe(stream.byteLength);
    expect(bytes.length).toBe(client.query(inputs, samples).bytes.length);
    const { bytes: reply } = responder.answer(ME, NET, keyId, bytes);
    expect(largestError(client.open(stream, reply), network.run(inputs))).toBeLessThan(0.01);
  }
});

it('encrypts every attempt anew, and opens the reply to the last one alone', async () => {
  const network = randomNetwork([FEATURES, 3], 4, 2);
  using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const keyId = responder.enrol(ME, NET, client.enrolment());
  const inputs = randomInputs(5, FEATURES, 3);
  inputs[1] = 99;
  const stream = client.queryStream(inputs, 5);
  const first = wholeBody(stream);
  // An attempt that breaks off leaves nothing behind.
  const broken = stream.pieces()[Symbol.iterator]();
  broken.next();
  broken.return?.();
  const second = wholeBody(stream);
  expect(stream.clipped).toBe(1);
  const [a, b] = [readQuery(first), readQuery(second)];
  expect(a.nonce).not.toBe(b.nonce);
  // Seed and ciphertexts: no run of 32 bytes after the public facts is the same.
  const facts = 48 + 16;
  const windows = (bytes: Uint8Array): string[] =>
    Array.from({ length: 100 }, (_, i) => bytes.subarray(facts + 32 * i, facts + 32 * (i + 1)).join());
  const seen = new Set(windows(a.ciphertexts));
  expect(windows(b.ciphertexts).filter((window) => seen.has(window))).toEqual([]);
  const reply = responder.answer(ME, NET, keyId, first).bytes;
  expect(() => client.open(stream, reply)).toThrow('another query');
});

it('holds the memory of a piece, not of the query', async () => {
  const network = randomNetwork([40 * FEATURES, 3], 4, 2);
  using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const held = kernel.liveWords;
  const inputs = randomInputs(4096, 40 * FEATURES, 3);
  let most = 0;
  let bytes = 0;
  for (const piece of client.queryStream(inputs, 4096).pieces()) {
    most = Math.max(most, kernel.liveWords - held);
    bytes += piece.length;
  }
  expect(bytes).toBeGreaterThan(100e6);
  expect(8 * most).toBeLessThan(20e6);
  expect(kernel.liveWords).toBe(held);
});

it('refuses plaintexts that do not belong to the batch', async () => {
  const params = CkksParams.create({ logN: 12, logQ: [34, 34], logP: [36], logScale: 30 });
  using context = await CkksContext.open(params, { kernel });
  using generator = context.keyGenerator();
  using key = generator.secretKey();
  using arena = context.arena();
  const encoder = context.encoder(arena);
  using stream = new EncryptionStream(context, key, { count: 3, level: 1, scale: 2 ** 20, most: 2 });
  const good = (): ReturnType<typeof encoder.encode> => encoder.encode([1], { scale: 2 ** 20 });
  expect(() => stream.next([])).toThrow(ShapeError);
  expect(() => stream.next([good(), good(), good()])).toThrow(ShapeError);
  expect(() => stream.next([encoder.encode([1], { scale: 2 ** 21 })])).toThrow('one level and scale');
  stream.next([good(), good()]);
  expect(() => stream.next([good(), good()])).toThrow(ShapeError);
  stream.next([good()]);
  expect(() => stream.next([good()])).toThrow(ShapeError);
});
