import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/base/random.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { isPlausible } from '../../src/protocols/inference/plausibility.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

const NET = modelName('net');
const ME = tenantId('me');

const [SAMPLES, FEATURES, REPLIES] = [100, 6, 12];
/** Program id, nonce, and the head of the ciphertexts, which stay as they are. */
const HEAD = 68 + 48 + 16;

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

describe('isPlausible', () => {
  it('holds for every honest reply and for none that its sender could not open', async () => {
    const network = randomNetwork([FEATURES, 5, 4], 4, 11);
    using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
    using client = await InferenceClient.create(responder.offers()[0]!, kernel);
    const keyId = responder.enrol(ME, NET, client.enrolment());
    const verdicts = { honest: 0, garbage: 0, exchanged: 0 };
    let other: Uint8Array | undefined;
    for (let i = 0; i < REPLIES; i++) {
      const query = client.query(randomInputs(SAMPLES, FEATURES, i), SAMPLES);
      const { bytes } = responder.answer(ME, NET, keyId, query.bytes);
      if (isPlausible(client.open(query, bytes), client.offer)) verdicts.honest++;
      // Bytes that are residues still, but of nothing: random high bits would be refused by the parser already.
      const garbage = bytes.slice();
      for (let at = HEAD; at + 32 <= bytes.length; at += 32) garbage.set(systemRandom.seed(), at);
      if (opensPlausibly(client, query, garbage)) verdicts.garbage++;
      // Half of one valid reply and half of another.
      const exchanged = bytes.slice();
      if (other !== undefined) exchanged.set(other.subarray(bytes.length >> 1), bytes.length >> 1);
      if (other !== undefined && opensPlausibly(client, query, exchanged)) verdicts.exchanged++;
      other = bytes;
    }
    expect(verdicts).toEqual({ honest: REPLIES, garbage: 0, exchanged: 0 });
  });

  it('sees one coefficient that is off by half the modulus, in any sample', () => {
    const outputRange = [-1, 0.5] as const;
    // The score range takes at most an eighth of the modulus, so half of it is four times the range.
    const shifted = Float32Array.from(
      { length: SAMPLES },
      (_, t) => 0.4 + 4 * Math.cos((Math.PI * (2 * t + 1)) / 256),
    );
    expect(isPlausible(shifted, { outputRange, outputs: 1 })).toBe(false);
    expect(isPlausible(Float32Array.of(0.4, -3.9), { outputRange, outputs: 1 })).toBe(true);
    expect(isPlausible(Float32Array.of(0.4, Number.NaN), { outputRange, outputs: 1 })).toBe(false);
  });
});

/** Replies that the parser refuses are counted as not opened, which is an anomaly as well. */
function opensPlausibly(
  client: InferenceClient,
  query: ReturnType<InferenceClient['query']>,
  reply: Uint8Array,
): boolean {
  try {
    return isPlausible(client.open(query, reply), client.offer);
  } catch {
    return false;
  }
}
