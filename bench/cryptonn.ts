/**
 * Training on encrypted MNIST with the lattice scheme. Faithful mode runs on a subset, `--part faithful`, and is compared step by
 * step with clear fixed-point training of the same trainer; projected mode runs on all 60,000 images. Accuracy is on
 * the 10,000 test images, in the clear. Encrypting is timed apart from training.
 */
import { join } from 'node:path';
import { readMnist } from '../src/apps/train/mnist-corpus.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import { arrayExamples, type LayerSpec, Sequential, Trainer, unitPixels } from '../src/nn/index.ts';
import { ClearBatch, EncryptedBatch } from '../src/protocols/cryptonn/batch-products.ts';
import { fixedPoint } from '../src/protocols/cryptonn/data-owner.ts';
import type { DatasetSpec } from '../src/protocols/cryptonn/dataset-spec.ts';
import { FixedPointTrainer } from '../src/protocols/cryptonn/fixed-point-trainer.ts';
import { solvableUnknowns } from '../src/protocols/cryptonn/leak-budget.ts';
import { projectedInputs, standardisationOf } from '../src/protocols/cryptonn/projected-inputs.ts';
import { projectionMatrix } from '../src/protocols/cryptonn/projection.ts';
import { openCryptonnWorld } from './cryptonn-world.ts';
import { type Bench, type BenchRow, reportFor } from './report.ts';

const [FEATURES, CLASSES, SCALE, BATCH, UNITS] = [784, 10, 100, 64, 128];
const UPPER: readonly LayerSpec[] = [
  { kind: 'relu' },
  { kind: 'dense', outputs: 32 },
  { kind: 'relu' },
  { kind: 'dense', outputs: CLASSES },
];
const EPOCHS = 2;
/** Divides 60,000; with 4,096 vectors in a ciphertext it leaves 2 % empty. */
const PROJECTED_BATCH = 4000;
const PROJECTION_SEED = '5b'.repeat(32);

interface Digits {
  readonly pixels: Float32Array;
  readonly labels: Int32Array;
}

function digits(data: string, split: 'train' | 'test'): Digits {
  const { pixels, labels } = readMnist(data, split);
  return { pixels: unitPixels(pixels), labels: Int32Array.from(labels) };
}

const base = {
  scheme: 'lattice',
  features: FEATURES,
  inputScale: SCALE,
  inputBound: SCALE,
  classes: CLASSES,
} as const;

async function faithfulRows(
  kernel: Kernel,
  train: Digits,
  test: Digits,
  samples: number,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const spec: DatasetSpec = {
    ...{ ...base, id: 'faithful', mode: 'faithful', batch: BATCH },
    faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
  };
  using world = await openCryptonnWorld(spec, kernel);
  const options = {
    ...{ features: FEATURES, inputScale: SCALE, inputBound: SCALE, batch: BATCH, units: UNITS, upper: UPPER },
    ...{ weightBound: 127, weightScale: 100, gradientBound: 127, learningRate: 0.05, momentum: 0.9, seed: 1 },
    multiply: kernel,
  };
  const [hidden, open] = [new FixedPointTrainer(options), new FixedPointTrainer(options)];
  const [seconds, started] = [{ encrypt: 0, encrypted: 0, clear: 0 }, performance.now()];
  const steps = Math.floor(samples / BATCH);
  let isEqual = true;
  for (let step = 0; step < EPOCHS * steps; step++) {
    const at = (step % steps) * BATCH;
    const pixels = train.pixels.subarray(at * FEATURES, (at + BATCH) * FEATURES);
    const labels = train.labels.subarray(at, at + BATCH);
    const begun = performance.now();
    const owned = world.owner.encrypt(pixels, labels);
    const forward = { scheme: world.schemes.schemeFor(spec, 'forward'), ciphertexts: owned.samples };
    const gradient = { scheme: world.schemes.schemeFor(spec, 'gradient'), ciphertexts: owned.features };
    const batch = new EncryptedBatch(owned.labels, 'forward', forward, gradient, world.keys);
    const clear = new ClearBatch(fixedPoint(pixels, SCALE, SCALE), owned.labels, kernel);
    const encrypted = performance.now();
    const report = await hidden.step(batch);
    const stepped = performance.now();
    await open.step(clear);
    seconds.encrypt += (encrypted - begun) / 1000;
    seconds.encrypted += (stepped - encrypted) / 1000;
    seconds.clear += (performance.now() - stepped) / 1000;
    for (const ciphertext of [...owned.samples, ...owned.features]) ciphertext[Symbol.dispose]();
    isEqual &&= hidden.weights.value.every((w, i) => w === open.weights.value[i]);
    if ((step + 1) % 10 === 0) {
      const { forward: f = 0, gradient: g = 0 } = world.authority.issuedRanks(spec.id);
      const ranks = { features: FEATURES, batch: BATCH, forward: f, gradient: g };
      const solvable = solvableUnknowns(ranks, samples);
      note(
        `step ${step + 1}/${EPOCHS * steps}, ${((performance.now() - started) / 1000).toFixed(0)} s: loss ${report.loss.toFixed(3)}, ${world.issued.keys} keys, ${solvable} of ${samples * FEATURES} unknowns solvable, equal weights: ${isEqual}`,
      );
    }
  }
  const tests = new ClearBatch(
    fixedPoint(test.pixels, SCALE, SCALE),
    world.permutation.rename(test.labels),
    kernel,
  );
  const ranks = world.authority.issuedRanks(spec.id);
  const revealed = {
    features: FEATURES,
    batch: BATCH,
    forward: ranks.forward ?? 0,
    gradient: ranks.gradient ?? 0,
  };
  const common = { network: '784-128-32-10', epochs: EPOCHS, samples: steps * BATCH };
  const shared = { clearSeconds: seconds.clear, keysIssued: world.issued.keys };
  return [
    {
      ...{ mode: 'faithful', scheme: 'lattice', ...common, accuracy: await hidden.accuracy([tests]) },
      ...{ seconds: seconds.encrypted, ...shared, rankIssued: revealed.forward },
      ...{ unknownsSolvable: solvableUnknowns(revealed, steps * BATCH) },
      ...{ encryptSeconds: seconds.encrypt, equalWeights: isEqual },
    },
    {
      ...{ mode: 'clear fixed-point', scheme: 'none', ...common, accuracy: await open.accuracy([tests]) },
      ...{
        seconds: seconds.clear,
        clearSeconds: seconds.clear,
        keysIssued: 0,
        rankIssued: 0,
        unknownsSolvable: 0,
      },
      ...{ encryptSeconds: 0, equalWeights: isEqual },
    },
  ];
}

async function projectedRow(
  kernel: Kernel,
  train: Digits,
  test: Digits,
  rank: number,
  epochs: number,
  samples: number,
  note: (line: string) => void,
): Promise<BenchRow> {
  const spec: DatasetSpec = {
    ...{ ...base, id: `projected-${rank}`, mode: 'projected', batch: Math.min(samples, PROJECTED_BATCH) },
    projection: { rank, seed: PROJECTION_SEED, budgetShare: 0.65, approvedBy: ['first', 'second'] },
  };
  using world = await openCryptonnWorld(spec, kernel);
  const P = projectionMatrix(PROJECTION_SEED, rank, FEATURES);
  const products = new Float32Array(rank * samples);
  let [encryptSeconds, decryptSeconds] = [0, 0];
  const scheme = world.schemes.schemeFor(spec, 'projection');
  for (let at = 0; at < samples; at += spec.batch) {
    const begun = performance.now();
    const pixels = train.pixels.subarray(at * FEATURES, (at + spec.batch) * FEATURES);
    const owned = world.owner.encrypt(pixels, train.labels.subarray(at, at + spec.batch));
    const encrypted = performance.now();
    const axis = { scheme, ciphertexts: owned.samples };
    const part = await new EncryptedBatch(owned.labels, 'projection', axis, undefined, world.keys).forward(P);
    for (let k = 0; k < rank; k++)
      products.set(part.subarray(k * spec.batch, (k + 1) * spec.batch), k * samples + at);
    decryptSeconds += (performance.now() - encrypted) / 1000;
    encryptSeconds += (encrypted - begun) / 1000;
    for (const ciphertext of owned.samples) ciphertext[Symbol.dispose]();
    note(`r = ${rank}: ${at + spec.batch} of ${samples} samples opened up to the projection`);
  }
  const standard = standardisationOf(products, rank);
  const clear = new ClearBatch(fixedPoint(test.pixels, SCALE, SCALE), test.labels, kernel);
  const testInputs = projectedInputs(await clear.forward(P), standard);
  const specs: LayerSpec[] = [{ kind: 'dense', outputs: UNITS }, ...UPPER];
  const network = new Sequential([rank], specs, { multiply: kernel, seed: 1 });
  const steps = Math.ceil((epochs * samples) / BATCH);
  const trainer = new Trainer(network, {
    batch: BATCH,
    seed: 1,
    schedule: { kind: 'cosine', rate: 0.002, steps },
  });
  const labels = world.permutation.rename(train.labels.subarray(0, samples));
  const examples = arrayExamples(projectedInputs(products, standard), labels);
  const started = performance.now();
  for (let epoch = 0; epoch < epochs; epoch++) {
    const { loss, accuracy } = trainer.train(examples);
    note(
      `r = ${rank}, epoch ${epoch + 1}: loss ${loss.toFixed(3)}, ${(100 * accuracy).toFixed(1)} % of the training set`,
    );
  }
  const clearSeconds = (performance.now() - started) / 1000;
  const { accuracy } = trainer.evaluate(arrayExamples(testInputs, world.permutation.rename(test.labels)));
  const rankIssued = world.authority.issuedRanks(spec.id).projection ?? 0;
  const revealed = { features: FEATURES, batch: spec.batch, forward: rankIssued, gradient: 0 };
  return {
    ...{
      mode: `projected r=${rank}`,
      scheme: 'lattice',
      network: `${rank}-128-32-10`,
      epochs,
      samples,
      accuracy,
    },
    ...{ seconds: clearSeconds + decryptSeconds, clearSeconds, keysIssued: world.issued.keys, rankIssued },
    ...{ unknownsSolvable: solvableUnknowns(revealed, samples), encryptSeconds },
  };
}

export const cryptonn: Bench = async (options, note) => {
  using kernel = await openKernel();
  const root = join(import.meta.dirname, '..', import.meta.dirname.includes('dist') ? '..' : '.');
  const data = options.data ?? join(root, '..', 'shared', 'data');
  const [train, test] = [digits(data, 'train'), digits(data, 'test')];
  const rows: BenchRow[] = [];
  if (options.part !== 'projected')
    rows.push(...(await faithfulRows(kernel, train, test, options.quick ? 640 : 6400, note)));
  if (options.part !== 'faithful') {
    const samples = options.quick ? PROJECTED_BATCH : train.labels.length;
    for (const rank of [64, 128, 256])
      rows.push(await projectedRow(kernel, train, test, rank, EPOCHS, samples, note));
    rows.push(await projectedRow(kernel, train, test, 128, 5 * EPOCHS, samples, note));
  }
  return reportFor('cryptonn', kernel, rows);
};
