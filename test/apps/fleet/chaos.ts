/** Clients that ask while a fleet breaks around them. Every answer is decrypted and compared with what is true. */
import { type BlobStore, BlobStoreError } from '../../../src/apps/fleet/blobs/blob-store.ts';
import { InferenceSession } from '../../../src/apps/client/inference-session.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { randomInputs } from '../../protocols/random-network.ts';
import { NETWORK } from './small-fleet.ts';

export interface ChaosResult {
  /** Queries whose answer decrypted to what is true. */
  right: number;
  wrong: number;
  /** Queries that were asked twice, and got other bytes the second time. */
  divergent: number;
  failed: string[];
}

/** `tenants` clients ask `each` queries, one after another, and each query once more when it was answered. */
export async function askThroughChaos(url: string, tenants: number, each: number): Promise<ChaosResult> {
  const result: ChaosResult = { right: 0, wrong: 0, divergent: 0, failed: [] };
  const ask = async (tenant: number) => {
    using session = await InferenceSession.open(url, { keys: 'session', retries: 20 });
    for (let i = 0; i < each; i++) {
      const inputs = randomInputs(3, 5, 1000 * tenant + i);
      const query = session.client.query(inputs, 3);
      const { bytes } = await session.remote.ask(query.bytes);
      const again = await session.remote.ask(query.bytes);
      if (Buffer.compare(bytes, again.bytes) !== 0) result.divergent++;
      const scores = session.client.open(query, bytes);
      const truth = NETWORK.run(inputs);
      const isRight = truth.every((value, at) => Math.abs(value - scores[at]!) < 0.01);
      if (isRight) result.right++;
      else result.wrong++;
    }
  };
  const asked = await Promise.allSettled(Array.from({ length: tenants }, (_, tenant) => ask(tenant)));
  for (const each of asked) if (each.status === 'rejected') result.failed.push(String(each.reason));
  return result;
}

/** A store whose reads fail now and then, as often as `share` says. */
export function failingStore(
  store: BlobStore,
  share: number,
  seed: number,
): BlobStore & { failures: number } {
  const random = new SeededGenerator(seed);
  const failing = {
    failures: 0,
    place: store.place,
    putOnce: (name: string, bytes: Uint8Array) => store.putOnce(name, bytes),
    get: async (name: string, most: number) => {
      if (random.uniform() < share) {
        failing.failures++;
        throw new BlobStoreError('read', name, 'planted');
      }
      return store.get(name, most);
    },
    has: (name: string) => store.has(name),
    remove: (name: string) => store.remove(name),
    list: (prefix: string) => store.list(prefix),
  };
  return failing;
}
