/** Faithful mode by the commands: LeNet-5 on the windows of drawn digits, with the attack that they allow, and encrypted labels. */
import { copyFileSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { drawnDigits } from '../../../src/apps/cryptonn/drawn-digits.ts';
import { plainMatrixMultiply, Sequential } from '../../../src/nn/index.ts';
import { at, done, opened, run, writeImages } from './training-world.ts';

const ACKNOWLEDGED = ['--mode', 'faithful', '--i-understand-what-leaks'];
const LENET = [...ACKNOWLEDGED, '--network', 'lenet5'];

test('windows are encrypted, LeNet-5 takes steps, and one forward pass gives every image', async () => {
  const { pixels, labels } = drawnDigits(1, 128);
  writeImages('digits', 'train', { pixels, labels });
  const shape = ['--features', '784', '--classes', '10', '--batch', '64'];
  const { encrypt, train } = await opened('lenet', ...LENET, ...shape);
  await done(...encrypt('ann', 'lenet-ann.enc', '--data', at('digits'), '--samples', '64'));
  await done(...encrypt('bob', 'lenet-bob.enc', '--data', at('digits'), '--skip', '64'));
  const dense = await run(...train('x.srnn', ...ACKNOWLEDGED));
  expect(dense).toMatchObject({ code: 2, out: '' });
  expect(dense.err).toMatch(/encrypted windows of LeNet-5, not what --network dense needs/);
  const flags = [...LENET, '--epochs', '1', '--transcript', at('lenet.transcript')];
  const result = JSON.parse(await done(...train('lenet.srnn', ...flags)));
  // Per step: 6 filters forward, and 6 for each of the 16 parts of the batch; before them, 6 for each owner's scale.
  expect(result).toMatchObject({
    network: 'LeNet-5',
    steps: 2,
    samples: 128,
    keysIssued: 2 * 6 * 17 + 2 * 6,
  });
  expect(result.unknownsSolvable).toBe(128 * 784);
  const network = Sequential.fromBytes(new Uint8Array(readFileSync(at('lenet.srnn'))), plainMatrixMultiply);
  expect(network.infer(Float32Array.from(pixels.subarray(0, 784), (value) => value / 255))).toHaveLength(10);
  const attack = ['attack', 'cryptonn', at('lenet.transcript'), '--originals', at('digits'), '--json'];
  const shown = JSON.parse(await done(...attack, '--batches', '1', '--out', at('lenet.svg')));
  expect(shown).toMatchObject({ images: 64, inOriginals: 64, forwardRank: 784 });
  expect(readFileSync(at('lenet.svg'), 'utf8')).toMatch(/originals<\/text>/);
});

test('labels that leave their owners encrypted give the same network, and keys of their own', async () => {
  const results = [];
  for (const [name, flags] of [
    ['plain', []],
    ['hidden', ['--encrypted-labels']],
  ] as const) {
    if (results.length > 0) copyFileSync(at('plain.labels'), at(`${name}.labels`));
    const { encrypt, train, child } = await opened(name, ...ACKNOWLEDGED, ...flags);
    await done(...encrypt('ann', `${name}-ann.enc`, '--samples', '128'));
    await done(...encrypt('bob', `${name}-bob.enc`, '--skip', '128'));
    results.push(JSON.parse(await done(...train(`${name}.srnn`, ...ACKNOWLEDGED))));
    child.kill('SIGTERM');
  }
  const [plain, hidden] = results;
  // 6 steps: a key per sample for the loss, and one per class whenever the labels of a batch are opened.
  expect(hidden.keysIssued - plain.keysIssued).toBe(6 * (64 + 3));
  expect(Math.abs(hidden.loss - plain.loss)).toBeLessThan(0.005);
  expect(readFileSync(at('hidden.srnn'))).toEqual(readFileSync(at('plain.srnn')));
  const labelsIn = (file: string) => {
    const bytes = readFileSync(at(file));
    return bytes.readUInt32LE(bytes.indexOf('SRCB') + 4);
  };
  expect([labelsIn('plain-ann.enc'), labelsIn('hidden-ann.enc')]).toEqual([64, 0]);
});
