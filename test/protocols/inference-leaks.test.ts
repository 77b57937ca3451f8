import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { exchange, largestError } from './exchange.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

/** Every form in which a secret could have slipped into a message: raw, hex and base64 runs of its bytes. */
function findSecret(wire: Uint8Array, secret: Uint8Array): boolean {
  const haystack = Buffer.from(wire);
  const text = haystack.toString('latin1');
  const run = Buffer.from(secret);
  const encoded = [
    run.toString('hex'),
    run.toString('hex').toUpperCase(),
    run.toString('base64').slice(0, -4),
  ];
  return haystack.includes(run) || encoded.some((form) => text.includes(form));
}

/** Six values in a row, as floats, doubles and fixed-point words. */
function clearForms(values: Float32Array, scale: number): Uint8Array[] {
  const some = values.slice(0, 6);
  const words = BigInt64Array.from(some, (value) => BigInt(Math.round(value * scale)));
  const forms = [
    some,
    Float64Array.from(some),
    words,
    Int32Array.from(some, (value) => Math.round(value * 65536)),
  ];
  return forms.map((form) => new Uint8Array(form.buffer));
}

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

describe('what crosses the wire', () => {
  it('holds neither the secret key, nor inputs, nor scores, and its length says nothing about them', async () => {
    const network = randomNetwork([6, 5, 4], 4, 11);
    const inputs = randomInputs(60, 6, 3);
    const { offer, enrolment, query, answer, scores, secret } = await exchange(kernel, network, inputs, 60);
    const streamKey = secret.slice(-32);
    const column = Float32Array.from({ length: 60 }, (_, t) => inputs[t * 6]!);
    const secrets = [
      streamKey,
      ...clearForms(inputs, offer.inputScale),
      ...clearForms(column, offer.inputScale / query.bucket.interleave),
      ...clearForms(scores, offer.outputScale),
    ];
    for (const message of [enrolment, query.bytes, answer.bytes]) {
      for (const canary of secrets) expect(findSecret(message, canary)).toBe(false);
    }
    // The scan can fail: a message with any of them in it is caught.
    for (const canary of secrets) {
      const leaky = Uint8Array.of(...query.bytes.slice(0, 1000), ...canary, 1, 2, 3);
      expect(findSecret(leaky, canary)).toBe(true);
    }
    using client = await InferenceClient.create(offer, kernel);
    const zeros = client.query(new Float32Array(60 * 6), 60);
    expect(zeros.bytes.length).toBe(query.bytes.length);
    expect(client.query(inputs.slice(0, 6), 1).bytes.length).toBe(query.bytes.length);
  });

  it('looks uniform: residues of a query have no bias, whatever is encrypted', async () => {
    const network = randomNetwork([6, 5, 4], 4, 11);
    using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
    using client = await InferenceClient.create(responder.offers()[0]!, kernel);
    // Chi-square over the byte values of the packed residues; 255 degrees of freedom, ten deviations: its upper tail is long, and every run has other masks.
    const chiSquare = (bytes: Uint8Array) => {
      const counts = new Float64Array(256);
      for (const byte of bytes) counts[byte]!++;
      const expected = bytes.length / 256;
      return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    };
    const limit = 255 + 10 * Math.sqrt(2 * 255);
    for (const inputs of [new Float32Array(128 * 6), randomInputs(128, 6, 1)]) {
      expect(chiSquare(client.query(inputs, 128).bytes.slice(200))).toBeLessThan(limit);
    }
    const biased = client.query(new Float32Array(6), 1).bytes.slice(200);
    biased.fill(7, 0, biased.length / 100);
    expect(chiSquare(biased)).toBeGreaterThan(limit);
  });

  it('drowns the exact result: replies to one query differ by noise of the promised size, centred on it', async () => {
    const network = randomNetwork([6, 5, 4], 4, 11);
    const inputs = randomInputs(128, 6, 3);
    const truth = network.run(inputs);
    const { scores, offer } = await exchange(kernel, network, inputs, 128);
    const errors = truth.map((value, i) => scores[i]! - value);
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
    const { outputError, outputRange } = offer;
    expect(deviation / outputError).toBeGreaterThan(0.4);
    expect(deviation / outputError).toBeLessThan(1.2);
    expect(largestError(scores, truth)).toBeLessThan(2 ** -10 * (outputRange[1] - outputRange[0]));
  });
});
