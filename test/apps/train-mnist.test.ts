/** `train mnist` on synthetic digits: a model directory with both networks, exact resume, refusals. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { trainMnist } from '../../src/apps/cli/train/train-mnist.ts';
import type { ImageCard } from '../../src/apps/train/image-card.ts';
import { IMAGE_CONDITIONS } from '../../src/apps/train/image-conditions.ts';
import { imagePlanFor } from '../../src/apps/train/image-plan.ts';
import { imageAccuracy, trainImageNetworks } from '../../src/apps/train/image-training.ts';
import { readMnist } from '../../src/apps/train/mnist-corpus.ts';
import { SILENT_LOG } from '../../src/apps/train/training-log.ts';
import type { TrainingLog } from '../../src/apps/train/training-log.ts';
import { variedImages } from '../../src/apps/train/varied-images.ts';
import { DataError } from '../../src/base/errors.ts';
import { openKernel } from '../../src/kernel/open.ts';
import {
  IntegerNetwork,
  PolynomialNetwork,
  SeededGenerator,
  Sequential,
  plainMatrixMultiply,
} from '../../src/nn/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'subrosa-mnist-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Class c is a bright bar over four legs, of which those are long whose bits are set in c; the rest is noise. */
function writeDigits(split: 'train' | 't10k', count: number, seed: number): void {
  const generator = new SeededGenerator(seed);
  const images = Buffer.alloc(16 + count * 784);
  const labels = Buffer.alloc(8 + count);
  images.set([0, 0, 8, 3]);
  for (const [at, extent] of [count, 28, 28].entries()) images.writeUInt32BE(extent, 4 + 4 * at);
  labels.set([0, 0, 8, 1]);
  labels.writeUInt32BE(count, 4);
  for (let i = 0; i < count; i++) {
    const label = generator.below(10);
    labels[8 + i] = label;
    for (let pixel = 0; pixel < 784; pixel++) {
      const [y, x] = [Math.floor(pixel / 28), pixel % 28];
      const leg = (x - 6) >> 2;
      const inside = x >= 6 && x < 22 && y >= 8 && y < ((label >> leg) & 1 ? 20 : 11);
      images[16 + 784 * i + pixel] = inside ? 200 + generator.below(56) : generator.below(60);
    }
  }
  mkdirSync(join(folder, 'mnist'), { recursive: true });
  writeFileSync(join(folder, 'mnist', `${split}-images-idx3-ubyte.gz`), gzipSync(images));
  writeFileSync(join(folder, 'mnist', `${split}-labels-idx1-ubyte.gz`), gzipSync(labels));
}

writeDigits('train', 256, 1);
writeDigits('t10k', 100, 2);

const quiet = {
  out: () => undefined,
  err: () => undefined,
  outIsTerminal: false,
  errIsTerminal: false,
  env: {},
};
const flags = { data: folder, work: join(folder, 'work'), out: join(folder, 'models') };

describe('train mnist', () => {
  it('writes both networks into one directory with one card', async () => {
    await trainMnist({ ...flags, network: 'lenet5', epochs: 6 }, quiet);
    await trainMnist({ ...flags, network: 'cryptonets', epochs: 6 }, quiet);
    const read = (name: string): Buffer => readFileSync(join(folder, 'models', 'mnist', name));
    const card = JSON.parse(read('card.json').toString()) as ImageCard;
    expect(Object.keys(card.networks)).toEqual(['lenet5', 'cryptonets']);
    const results = Object.values(card.networks).flatMap((entry) => entry.results);
    const clean = results.filter(({ condition }) => condition === 'as they are');
    expect(clean.map(({ network, form }) => `${network} ${form}`)).toEqual([
      'lenet5 float',
      'lenet5 int8',
      'lenet5 float, not normalised',
      'cryptonets float',
      'cryptonets int8',
      'cryptonets polynomial, 8-bit weights',
      'cryptonets float, not normalised',
    ]);
    expect(results.length).toBe(clean.length * IMAGE_CONDITIONS.length);
    for (const { images, accuracy, form } of clean) {
      expect(images).toBe(100);
      if (!form.endsWith('not normalised')) expect(accuracy).toBeGreaterThan(0.4);
    }
    expect(JSON.parse(read('results.json').toString())).toEqual(results);
    const text = read('card.md').toString();
    expect(text).toContain('| accuracy, % | lenet5 float | lenet5 int8 | lenet5 float, not normalised |');
    expect(text).toMatch(/\| dark on light( \| \d+\.\d\d){7} \|/);
    for (const kind of ['lenet5', 'cryptonets']) {
      expect(Sequential.fromBytes(read(`${kind}-float.bin`), plainMatrixMultiply).outputs).toBe(10);
      expect(IntegerNetwork.fromBytes(read(`${kind}-int8.bin`)).input).toMatchObject({
        shape: [1, 28, 28],
        normalisation: 'drawing',
      });
    }
    expect(PolynomialNetwork.fromBytes(read('cryptonets-polynomial-8bit.bin')).outputs).toBe(10);
  });

  it('ends with the same bits when it was interrupted, and refuses the work of another plan', async () => {
    using kernel = await openKernel();
    const images = readMnist(folder, 'train');
    const plan = { ...imagePlanFor('cryptonets', true), epochs: 2 };
    const train = (work: string, log: TrainingLog, chosen = plan): Uint8Array =>
      trainImageNetworks(chosen, images, kernel, join(folder, work), log).at(-1)!.network.toBytes();
    let steps = 0;
    const powerCut: TrainingLog = {
      note: () => undefined,
      progress: () => {
        if (++steps === 3) throw new Error('power cut');
      },
    };
    expect(() => train('broken', powerCut)).toThrow('power cut');
    expect(train('broken', powerCut)).toEqual(train('straight', SILENT_LOG));
    expect(() => train('straight', SILENT_LOG, { ...plan, seed: 2 })).toThrow(DataError);
  });

  it('replaces no model unless told, and says so before it trains', async () => {
    const path = join(folder, 'models', 'mnist', 'lenet5-float.bin');
    const before = readFileSync(path);
    await expect(trainMnist({ ...flags, network: 'lenet5' }, quiet)).rejects.toThrow(
      /already holds a model \(lenet5-.*--force replaces it, --out names another folder/,
    );
    expect(readFileSync(path)).toEqual(before);
  });

  it('says which file is missing', async () => {
    const missing = trainMnist(
      { ...flags, data: join(folder, 'none'), network: 'lenet5', force: true },
      quiet,
    );
    await expect(missing).rejects.toThrow(DataError);
  });
});

describe('varied images', () => {
  /** A bar of 2 x 8 in the middle of 16 x 16. */
  const bar = new Uint8Array(256);
  for (let y = 4; y < 12; y++) bar.fill(255, 16 * y + 7, 16 * y + 9);
  const images = { count: 1, height: 16, width: 16, pixels: bar, labels: Uint8Array.of(7) };
  const { variation } = imagePlanFor('cryptonets');
  const draw = (changes: Partial<typeof variation>, count = 60): Float32Array[] => {
    const examples = variedImages(images, { ...variation, ...changes }, 5, 100);
    expect(examples.count).toBe(1);
    return Array.from({ length: count }, () => {
      const [inputs, labels] = [new Float32Array(256), new Int32Array(1)];
      examples.read(Uint32Array.of(0), 0, inputs, labels);
      expect(labels[0]).toBe(7);
      return inputs;
    });
  };

  it('an untouched image moves by no more than the limit, the same way for the same seed', () => {
    const firsts = draw({ untouched: 1 }).map((inputs) => {
      expect(inputs.reduce((a, b) => a + b)).toBe(16);
      return inputs.indexOf(1);
    });
    expect(new Set(firsts)).toEqual(
      new Set([-1, 0, 1].flatMap((y) => [-1, 0, 1].map((x) => 88 + 16 * y + x))),
    );
    expect(new Set(draw({ untouched: 1, shift: 0 }).map((inputs) => inputs.indexOf(1)))).toEqual(
      new Set([88]),
    );
    expect(draw({})).toEqual(draw({}));
  });

  it('the others change, and stay pictures', () => {
    const drawn = draw({ untouched: 0, shift: 0 });
    expect(new Set(drawn.map((inputs) => inputs.join())).size).toBeGreaterThan(30);
    for (const inputs of drawn) expect(Math.max(...inputs)).toBeGreaterThan(0.9);
  });

  it('the accuracy counts the largest score, first of equals', () => {
    expect(imageAccuracy([0, 1, 1, 0, 2, 2], Uint8Array.of(1, 0, 1))).toBeCloseTo(2 / 3, 12);
  });
});
