import { expect, test } from 'vitest';
import { DecodeError } from '../../../src/base/errors.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { plainMatrixMultiply } from '../../../src/nn/tensor/matrix-multiply.ts';
import { ClearBatch } from '../../../src/protocols/cryptonn/trainer/batch-products.ts';
import { FixedPointTrainer } from '../../../src/protocols/cryptonn/trainer/fixed-point-trainer.ts';
import { pooledConvolution, pooledWindows } from '../../../src/protocols/cryptonn/trainer/first-layer.ts';
import { windowVectors } from '../../../src/protocols/cryptonn/agreement/window-vectors.ts';
import {
  parseTranscript,
  TranscriptRecorder,
  type TrainingTranscript,
  transcriptBytes,
} from '../../../src/protocols/cryptonn/trainer/training-transcript.ts';
import { attackTranscript } from '../../../src/protocols/cryptonn/leakage/transcript-attack.ts';
import { FAITHFUL } from '../../apps/cryptonn/authority-world.ts';

const { features, batch, classes } = FAITHFUL;

/** What a trainer with so many units keeps of `steps` steps on one batch; products equal those under encryption. */
async function transcriptOf(units: number, steps: number, batch = FAITHFUL.batch) {
  const generator = new SeededGenerator(3);
  const inputs = Int32Array.from({ length: batch * features }, () => generator.below(101));
  const labels = Int32Array.from({ length: batch }, () => generator.below(classes));
  const clear = new ClearBatch(inputs, labels, plainMatrixMultiply);
  const trainer = new FixedPointTrainer({
    ...{ features, batch, units, inputScale: 100, inputBound: 100, weightBound: 127, weightScale: 100 },
    upper: [{ kind: 'relu' }, { kind: 'dense', outputs: classes }],
    ...{ gradientBound: 127, learningRate: 0.5, momentum: 0.9, seed: 2, multiply: plainMatrixMultiply },
  });
  const recorder = new TranscriptRecorder({ ...FAITHFUL, batch }, 100);
  for (let step = 0; step < steps; step++) {
    await trainer.step({
      samples: batch,
      labels,
      async forward(weights) {
        const products = await clear.forward(weights);
        recorder.note(0, 'forward', weights, products);
        return products;
      },
      async gradient(weights) {
        const products = await clear.gradient(weights);
        recorder.note(0, 'gradient', weights, products);
        return products;
      },
    });
  }
  return { inputs, transcript: recorder.transcript };
}

test('one backward pass with as many units as samples gives the batch, exactly', async () => {
  const { inputs, transcript } = await transcriptOf(2 * batch, 1);
  const { batches, forwardRank } = attackTranscript(parseTranscript(transcriptBytes(transcript)));
  expect(batches).toEqual([{ batch: 0, axis: 'gradient', by: 'elimination', requests: 1, inputs }]);
  expect(forwardRank).toBe(2 * batch);
});

test('fewer units than samples: more steps do it', async () => {
  const { inputs, transcript } = await transcriptOf(2, 12);
  expect(attackTranscript((await transcriptOf(2, 1)).transcript).batches).toEqual([]);
  expect(attackTranscript(transcript).batches[0]?.inputs).toEqual(inputs);
});

test('one backward pass with fewer units than samples: lattice reduction finds the batch, with too few units it does not', async () => {
  const { inputs, transcript } = await transcriptOf(6, 1);
  expect(attackTranscript(transcript).batches).toEqual([
    { batch: 0, axis: 'gradient', by: 'reduction', requests: 1, inputs },
  ]);
  expect(attackTranscript((await transcriptOf(3, 1)).transcript).batches).toEqual([]);
});

test('batches of 32 and 64 from one backward pass of 22 and 40 units, by reduction; of 18 and 30 units nothing is claimed', async () => {
  for (const [samples, units, tooFew] of [
    [32, 22, 18],
    [64, 40, 30],
  ] as const) {
    const { inputs, transcript } = await transcriptOf(units, 1, samples);
    expect(attackTranscript(backwardOf(transcript)).batches).toEqual([
      { batch: 0, axis: 'gradient', by: 'reduction', requests: 1, inputs },
    ]);
    const few = await transcriptOf(tooFew, 1, samples);
    expect(attackTranscript(backwardOf(few.transcript)).batches).toEqual([]);
  }
});

/** Without the forward passes, which give the few features of these samples as well. */
function backwardOf(transcript: TrainingTranscript): TrainingTranscript {
  return { ...transcript, steps: transcript.steps.filter(({ axis }) => axis === 'gradient') };
}

test('forward passes alone do it, too, and one of them is not enough', async () => {
  const { inputs, transcript } = await transcriptOf(20, 3);
  const forward = { ...transcript, steps: transcript.steps.filter(({ axis }) => axis === 'forward') };
  expect(attackTranscript(forward)).toEqual({
    batches: [{ batch: 0, axis: 'forward', by: 'elimination', requests: 3, inputs }],
    forwardRank: features,
  });
  expect(attackTranscript({ ...forward, steps: forward.steps.slice(0, 1) }).batches).toEqual([]);
});

/** What the trainer of a small pooled convolution with so many filters keeps of its first step. */
async function windowTranscriptOf(filters: number) {
  const side = 8;
  const layer = { inputShape: [1, side, side], filters, size: 3, padding: 1, pool: 2 } as const;
  const first = pooledConvolution(layer);
  const generator = new SeededGenerator(5);
  const images = Int32Array.from({ length: batch * side ** 2 }, () => generator.below(101));
  const weights = Int32Array.from(
    { length: filters * first.weightsPerUnit },
    () => generator.below(255) - 127,
  );
  const keys = first.keyVectors(weights);
  const vectors = windowVectors(images, pooledWindows(layer));
  const clear = new ClearBatch(vectors, new Int32Array(batch), plainMatrixMultiply, {
    length: first.keyLength,
  });
  const spec = {
    ...{ ...FAITHFUL, features: side ** 2 },
    convolution: {
      ...{ channels: 1, height: side, width: side, size: 4, stride: 2, padding: 1 },
      gradientSamples: 2,
    },
  };
  const recorder = new TranscriptRecorder(spec, 1);
  recorder.note(0, 'forward', keys, await clear.forward(keys));
  return { images, transcript: parseTranscript(transcriptBytes(recorder.transcript)) };
}

test('one forward pass of a convolution gives every image through its windows, without any change of weights', async () => {
  const { images, transcript } = await windowTranscriptOf(6);
  expect(attackTranscript(transcript)).toEqual({
    batches: [{ batch: 0, axis: 'forward', by: 'elimination', requests: 1, inputs: images }],
    forwardRank: 64,
  });
  expect(attackTranscript(transcript, 0).batches).toEqual([]);
  const few = attackTranscript((await windowTranscriptOf(3)).transcript);
  expect(few).toEqual({ batches: [], forwardRank: 48 });
});

test('bytes that are no transcript are refused', () => {
  for (const text of ['', '{', '{"features":1}', '[]']) {
    expect(() => parseTranscript(new TextEncoder().encode(text))).toThrow(DecodeError);
  }
});
