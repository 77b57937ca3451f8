/** Projected training: keys for one public projection open P x of every sample, and an ordinary network is trained on that. */
import type { CurvePoint, NamedCurve } from '../../src/apps/cryptonn/curve-picture.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { arrayExamples, type LayerSpec, Sequential, Trainer } from '../../src/nn/index.ts';
import type { DatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { solvableUnknowns } from '../../src/protocols/cryptonn/agreement/leak-budget.ts';
import { projectedInputs, standardisationOf } from '../../src/protocols/cryptonn/trainer/projected-inputs.ts';
import {
  projectionKeys,
  projectionPrivacy,
} from '../../src/protocols/cryptonn/agreement/projection-noise.ts';
import { projectionMatrix } from '../../src/protocols/cryptonn/agreement/projection.ts';
import {
  approvedForBench,
  digitRange,
  digitsSpec,
  MNIST_CLASSES,
  MNIST_PIXELS,
  type MnistDigits,
} from './cryptonn-data.ts';
import { type CryptonnWorld, openCryptonnWorld } from './cryptonn-world.ts';
import type { BenchClock } from '../in-turn.ts';
import type { BenchRow } from '../report.ts';

/** Divides 60,000; with 4,096 vectors in a ciphertext it leaves 2 % empty. */
const OWNER_BATCH = 4000;
const PROJECTION_SEED = '5b'.repeat(32);
const TRAINING_BATCH = 64;
/** Of the learning curves. */
const POINTS_PER_EPOCH = 10;
const UNITS = 128;
const UPPER: readonly LayerSpec[] = [
  { kind: 'dense', outputs: UNITS },
  { kind: 'relu' },
  { kind: 'dense', outputs: 32 },
  { kind: 'relu' },
  { kind: 'dense', outputs: MNIST_CLASSES },
];

export interface ProjectedRun {
  readonly rank: number;
  readonly samples: number;
  /** One row each; the projection is opened once. */
  readonly epochs: readonly number[];
  readonly clock: BenchClock;
  /** Noise that owners put into the products. */
  readonly noise?: NonNullable<NonNullable<DatasetSpec['projection']>['noise']>;
}

export interface ProjectedResult {
  readonly rows: readonly BenchRow[];
  readonly curves: readonly NamedCurve[];
}

export async function runProjected(
  { rank, samples, epochs, clock, noise }: ProjectedRun,
  kernel: Kernel,
  digits: MnistDigits,
  note: (line: string) => void,
): Promise<ProjectedResult> {
  const batch = Math.min(samples, OWNER_BATCH);
  const spec = approvedForBench({
    ...{ ...digitsSpec, id: `projected-${rank}`, mode: 'projected', batch },
    projection: {
      ...{ rank, seed: PROJECTION_SEED, budgetShare: 0.9, approvedBy: [] },
      ...(noise === undefined ? {} : { noise }),
    },
  });
  using world = await openCryptonnWorld(spec, kernel, clock);
  const P = projectionMatrix(PROJECTION_SEED, rank, MNIST_PIXELS);
  const opened = await openProjection(world, digits, samples, clock, note);
  const trained = opened.products.length / rank;
  const standard = standardisationOf(opened.products, rank);
  const { test } = digits;
  const testProducts = await world.clear(test.pixels, test.labels).forward(P);
  const testExamples = arrayExamples(
    projectedInputs(testProducts, standard),
    world.permutation.rename(test.labels),
  );
  const labels = world.permutation.rename(digits.train.labels.subarray(0, trained));
  const examples = arrayExamples(projectedInputs(opened.products, standard), labels);
  const { projection: rankIssued = 0 } = world.authority.issuedRanks(spec.id);
  const revealed = { features: MNIST_PIXELS, batch, forward: rankIssued, gradient: 0 };
  const privacy = projectionPrivacy(spec);
  const mode = `projected r=${rank}${noise === undefined ? '' : ` sigma=${noise.sigma}`}`;
  const curves: NamedCurve[] = [];
  const rows = epochs.map((count): BenchRow => {
    const network = new Sequential([rank], UPPER, { multiply: kernel, seed: 1 });
    const steps = Math.ceil((count * trained) / TRAINING_BATCH);
    const schedule = { kind: 'cosine', rate: 0.003, steps } as const;
    const trainer = new Trainer(network, { batch: TRAINING_BATCH, seed: 1, schedule });
    const points: CurvePoint[] = [];
    let clearSeconds = 0;
    for (let epoch = 1; epoch <= count; epoch++) {
      let left = Math.ceil(trained / TRAINING_BATCH);
      const every = Math.ceil(left / POINTS_PER_EPOCH);
      let [loss, accuracy] = [0, 0];
      for (; left > 0; left -= every) {
        const started = clock();
        ({ loss, accuracy } = trainer.train(examples, Math.min(every, left)));
        clearSeconds += (clock() - started) / 1000;
        points.push({ samples: trainer.steps * TRAINING_BATCH, loss, accuracy });
      }
      note(
        `r = ${rank}, epoch ${epoch}/${count}: loss ${loss.toFixed(3)}, accuracy ${(100 * accuracy).toFixed(1)} %; ${world.issued.keys} keys of rank ${rankIssued}`,
      );
    }
    curves.push({ name: `${mode}, ${count} epochs`, points });
    return {
      ...{ mode, scheme: 'lattice', network: `${rank}-128-32-10`, epochs: count },
      ...{ samples: trained, accuracy: trainer.evaluate(testExamples).accuracy },
      ...{ seconds: clearSeconds + opened.decryptSeconds, clearSeconds, keysIssued: rank, rankIssued },
      ...{
        unknownsSolvable: noise === undefined ? solvableUnknowns(revealed, trained) : 0,
        encryptSeconds: opened.encryptSeconds,
        keySeconds: opened.keySeconds,
      },
      ...(privacy === undefined
        ? {}
        : { epsilonOfValue: privacy.value.epsilon, epsilonOfSample: privacy.sample.epsilon }),
    };
  });
  return { rows, curves };
}

/** `[rank, samples]` exact products. Each owner's batch asks for the same keys again, which raises no rank. */
async function openProjection(
  world: CryptonnWorld,
  digits: MnistDigits,
  samples: number,
  clock: BenchClock,
  note: (line: string) => void,
) {
  const { batch } = world.spec;
  const rank = world.spec.projection?.rank ?? 0;
  const keys = projectionKeys(world.spec);
  const count = Math.floor(samples / batch) * batch;
  const products = new Float32Array(rank * count);
  let [encryptSeconds, decryptSeconds] = [0, 0];
  for (let at = 0; at < count; at += batch) {
    const { pixels, labels } = digitRange(digits.train, at, batch);
    const begun = clock();
    using encrypted = world.encrypted(pixels, labels);
    const sealed = clock();
    const part = await encrypted.batch.forward(keys);
    decryptSeconds += (clock() - sealed) / 1000;
    encryptSeconds += (sealed - begun) / 1000;
    for (let k = 0; k < rank; k++) products.set(part.subarray(k * batch, (k + 1) * batch), k * count + at);
    note(
      `r = ${rank}: ${at + batch} of ${count} samples opened up to the projection; encrypt ${encryptSeconds.toFixed(1)} s, decrypt ${decryptSeconds.toFixed(1)} s`,
    );
  }
  return { products, encryptSeconds, decryptSeconds, keySeconds: world.issued.seconds };
}
