/** What console.log shows of objects that hold secrets or many words: one line, and none of them. */
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { systemRandom } from '../../src/base/random.ts';
import { provision, readDevice, readEdge } from '../../src/apps/edge/provisioning.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { DdhInnerProduct } from '../../src/fe/index.ts';
import * as ckks from '../../src/schemes/ckks/index.ts';
import { denseNetwork } from '../protocols/edge/edge-pair.ts';
import { INSECURE_TINY } from './ckks/insecure-params.ts';

const LONGEST = 200;

function expectOneLine(object: object): void {
  const line = inspect(object);
  const name = object.constructor.name;
  expect({ name, lines: line.split('\n').length, isShort: line.length < LONGEST }).toEqual({
    name,
    lines: 1,
    isShort: true,
  });
}

test('objects of the schemes print as one line, bounds that follow from values left out', async () => {
  const context = await ckks.CkksContext.open(ckks.CkksParams.create(INSECURE_TINY));
  const arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, { relinearize: true });
  const encoder = context.encoder(arena);
  const plaintext = encoder.encode([0.123]);
  using encryptor = context.encryptor(secret, arena);
  const ciphertext = encryptor.encrypt(plaintext);
  const roles = [
    encoder,
    encryptor,
    context.decryptor(secret, arena),
    context.evaluator(keys, arena),
    generator,
  ];
  const objects = [context, context.params, arena, secret, publicKey, keys, plaintext, ciphertext, ...roles];
  for (const object of objects) expectOneLine(object);
  expect(inspect(ciphertext)).toMatch(/^CkksCiphertext\(.*level 2.*scale 2\^34\.00/);
  expect(inspect([plaintext, ciphertext]).includes(`${ciphertext.maxAbs}`)).toBe(false);
  arena[Symbol.dispose]();
  context[Symbol.dispose]();
});

test('kernels and the identities of edges and devices print as one line', async () => {
  using kernel = await openKernel();
  using words = kernel.allocate(8);
  const network = denseNetwork(1, 4, 2);
  const parts = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
  const device = await readDevice(parts.devices[0]!);
  using _root = device.root;
  const objects = [kernel, words, network, await readEdge(parts.edgeA), device, device.root];
  for (const object of objects) expectOneLine(object);
  expect(inspect(kernel)).toMatch(/Kernel\(.*name \w+.*isa \w+/);
});

test('keys of functional encryption print no scalar', () => {
  const sizes = { length: 2, inputBound: 10, weightBound: 10 };
  const scheme = new DdhInnerProduct(sizes);
  // Any source of 32 bytes will do.
  const { publicKey, secretKey } = scheme.setup({ seed: () => crypto.getRandomValues(new Uint8Array(32)) });
  const keys = scheme.deriveKeys(secretKey, Int32Array.of(1, 2));
  const ciphertext = scheme.encrypt(publicKey, Int32Array.of(3, 4), systemRandom);
  for (const object of [publicKey, secretKey, keys, ciphertext]) {
    expectOneLine(object);
    expect(inspect(object)).not.toMatch(/\d{13}|\dn\b/);
  }
});
