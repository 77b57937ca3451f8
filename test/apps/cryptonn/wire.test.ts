/** What crosses the wire and lies in files: no master secret, no plaintext; shown to be found where it is planted. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { RemoteAuthority } from '../../../src/apps/cryptonn/remote-authority.ts';
import { systemRandom } from '../../../src/base/random.ts';
import type { FunctionKeys } from '../../../src/fe/inner-product-scheme.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { type OwnedBatch, writeBatch } from '../../../src/protocols/cryptonn/agreement/batch-bytes.ts';
import { DataOwner, fixedPoint } from '../../../src/protocols/cryptonn/owner/data-owner.ts';
import { LabelPermutation } from '../../../src/protocols/cryptonn/owner/label-permutation.ts';
import { MasterKeyring } from '../../../src/protocols/cryptonn/authority/master-keyring.ts';
import { LatticeSchemes } from '../../../src/protocols/cryptonn/agreement/lattice-schemes.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';
import { tapped } from '../tapped-link.ts';
import { MemoryStorage } from '../../protocols/cryptonn/memory-storage.ts';
import {
  BATCH,
  CLASSES,
  FEATURES,
  openAuthorityWorld,
  PROJECTED,
  PROJECTION_SEED,
  RANK,
  TOKENS,
} from './authority-world.ts';

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => kernel[Symbol.dispose]());

/** Bytes of a canary that must appear together to count: no accident makes so many equal. */
const WINDOW = 16;

/** The canary as it is, as hex and as base64. */
function appears(canary: Uint8Array, captured: Buffer): boolean {
  const raw = Buffer.from(canary.subarray(0, WINDOW));
  const forms = [raw, Buffer.from(raw.toString('hex')), Buffer.from(raw.toString('base64').slice(0, 20))];
  return forms.some((form) => captured.includes(form));
}

const bytesOf = (values: Int32Array | Int16Array | Float32Array) => new Uint8Array(values.buffer.slice(0));

test('neither master secrets nor data cross the wire or lie in an owner’s batch', async () => {
  using schemes = new LatticeSchemes(kernel);
  const storage = new MemoryStorage();
  await using world = await openAuthorityWorld(storage, {}, schemes.schemeFor);
  const tap = await tapped(world.server.url);
  const scheme = schemes.schemeFor(PROJECTED, 'projection');
  const as = (name: 'ann' | 'tom') => new RemoteAuthority(tap.url, { token: TOKENS[name], retries: 0 });
  using publicKey = await as('ann').publicKey(PROJECTED, 'projection', scheme);
  const generator = new SeededGenerator(1);
  const inputs = Float32Array.from({ length: BATCH * FEATURES }, () => generator.uniform());
  const labels = Int32Array.from({ length: BATCH }, () => generator.below(CLASSES));
  const permutation = new LabelPermutation(systemRandom.seed(), CLASSES);
  const owner = new DataOwner(
    'ann',
    PROJECTED,
    { projection: { scheme, publicKey } },
    permutation,
    systemRandom,
  );
  const owned = owner.encrypt(inputs, labels);
  const batch = Buffer.from(writeBatch(owned));
  for (const ciphertext of owned.samples) ciphertext[Symbol.dispose]();
  using keys = await as('tom').issue(
    PROJECTED,
    'projection',
    projectionMatrix(PROJECTION_SEED, RANK, FEATURES),
    scheme,
  );
  expect(keys.count).toBe(RANK);
  const integers = fixedPoint(inputs, PROJECTED.inputScale, PROJECTED.inputBound);
  const secrets = storage.secrets as Uint8Array;
  // Root, and the salts of the two data sets, as AuthoritySecrets.toBytes lays them out.
  const seeds = [4, 72, 136].map((at) => secrets.subarray(at, at + 32));
  expect(seeds.every((seed) => seed.length === 32)).toBe(true);
  const plaintexts = [integers, Int16Array.from(integers), inputs].map(bytesOf);
  const captured = Buffer.concat([tap.captured(), batch, Buffer.from(storage.log)]);
  expect(captured.length).toBeGreaterThan(publicKey.byteLength);
  for (const canary of [...seeds, ...plaintexts]) expect(appears(canary, captured)).toBe(false);
  // The search sees what it looks for: a leaky client would be caught.
  await fetch(tap.url, { method: 'POST', body: Buffer.from(bytesOf(integers)) });
  await fetch(tap.url, { method: 'POST', body: Buffer.from(seeds[0] as Uint8Array).toString('hex') });
  expect(appears(bytesOf(integers), tap.captured())).toBe(true);
  expect(appears(seeds[0] as Uint8Array, tap.captured())).toBe(true);
  tap.close();
});

test('attack: an authority is sent the same whatever an owner has; with an owner’s batch its secrets read every value (control)', async () => {
  using schemes = new LatticeSchemes(kernel);
  const everyValue = new Int32Array(FEATURES * FEATURES);
  for (let i = 0; i < FEATURES; i++) everyValue[i * FEATURES + i] = 1;
  let masterKeys: FunctionKeys | undefined;
  const derive = MasterKeyring.prototype.deriveKeys;
  using _spy = vi.spyOn(MasterKeyring.prototype, 'deriveKeys').mockImplementation(function (
    this: MasterKeyring,
    seed,
    spec,
    axis,
    weights,
  ) {
    masterKeys ??= derive.call(this, seed, spec, axis, everyValue);
    return derive.call(this, seed, spec, axis, weights);
  });
  await using world = await openAuthorityWorld(new MemoryStorage(), {}, schemes.schemeFor);
  const tap = await tapped(world.server.url);
  const scheme = schemes.schemeFor(PROJECTED, 'projection');
  /** What an owner and a trainer send to the authority for data from this seed, and what the owner makes of them. */
  const views: { readonly sent: Buffer; readonly batch: OwnedBatch; readonly inputs: Float32Array }[] = [];
  for (const seed of [1, 2]) {
    const generator = new SeededGenerator(seed);
    const before = tap.sent().length;
    const as = (name: 'ann' | 'tom') => new RemoteAuthority(tap.url, { token: TOKENS[name], retries: 0 });
    using publicKey = await as('ann').publicKey(PROJECTED, 'projection', scheme);
    const owner = new DataOwner(
      'ann',
      PROJECTED,
      { projection: { scheme, publicKey } },
      new LabelPermutation(systemRandom.seed(), CLASSES),
      systemRandom,
    );
    const inputs = Float32Array.from({ length: BATCH * FEATURES }, () => generator.uniform());
    const labels = Int32Array.from({ length: BATCH }, () => generator.below(CLASSES));
    const batch = owner.encrypt(inputs, labels);
    using _keys = await as('tom').issue(
      PROJECTED,
      'projection',
      projectionMatrix(PROJECTION_SEED, RANK, FEATURES),
      scheme,
    );
    views.push({ sent: tap.sent().subarray(before), batch, inputs });
  }
  tap.close();
  const [one, two] = views;
  expect(one!.inputs).not.toEqual(two!.inputs);
  expect(one!.sent.length).toBeGreaterThan(200);
  expect(two!.sent.toString('latin1')).toBe(one!.sent.toString('latin1'));
  using keys = masterKeys!;
  for (const { batch, inputs } of views) {
    const integers = fixedPoint(inputs, PROJECTED.inputScale, PROJECTED.inputBound);
    const read: number[] = [];
    for (const ciphertext of batch.samples) {
      const products = scheme.decrypt(ciphertext, keys, everyValue);
      const vectors = products.length / FEATURES;
      for (let v = 0; v < vectors; v++)
        for (let i = 0; i < FEATURES; i++) read.push(products[i * vectors + v]!);
      ciphertext[Symbol.dispose]();
    }
    expect(read.slice(0, integers.length)).toEqual([...integers]);
  }
});
