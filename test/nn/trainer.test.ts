import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, OutOfRangeError, ShapeError, UnsupportedOpError } from '../../src/base/errors.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import type { LayerSpec } from '../../src/nn/layers/layer.ts';
import { plainMatrixMultiply as multiply } from '../../src/nn/tensor/matrix-multiply.ts';
import { crc32 } from '../../src/nn/files/model-bytes.ts';
import { learningRate } from '../../src/nn/training/schedule.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { Trainer, arrayExamples } from '../../src/nn/training/trainer.ts';
import type { TrainerOptions } from '../../src/nn/training/trainer.ts';

/** Three classes of two numbers, not linearly separable. */
function rings(count: number, seed = 1) {
  const generator = new SeededGenerator(seed);
  const inputs = new Float32Array(count * 2);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = generator.below(3);
    const angle = 2 * Math.PI * generator.uniform();
    const radius = labels[i] + 0.5 + 0.15 * generator.normal();
    inputs[2 * i] = radius * Math.cos(angle);
    inputs[2 * i + 1] = radius * Math.sin(angle);
  }
  return arrayExamples(inputs, labels);
}

function specs(activation: LayerSpec): LayerSpec[] {
  const hidden: LayerSpec[] = [
    { kind: 'dense', outputs: 16, bias: false },
    { kind: 'batch-norm' },
    activation,
    { kind: 'dropout', rate: 0.05 },
  ];
  return [...hidden, ...hidden, { kind: 'dense', outputs: 3, bits: 8 }];
}

const OPTIONS: TrainerOptions = {
  batch: 50,
  schedule: { kind: 'cosine', rate: 1e-2, steps: 120, warmup: 5 },
  clipNorm: 5,
  seed: 4,
};

function newTrainer(activation: LayerSpec, options = OPTIONS): Trainer {
  return new Trainer(new Sequential([2], specs(activation), { multiply, seed: 3 }), options);
}

describe('training', () => {
  it.each<LayerSpec>([{ kind: 'relu' }, { kind: 'quadratic', bound: 4 }, { kind: 'square', bound: 4 }])(
    'learns rings with $kind',
    (activation) => {
      const trainer = newTrainer(activation);
      const examples = rings(600);
      expect(trainer.evaluate(examples).accuracy).toBeLessThan(0.7);
      for (let epoch = 0; epoch < 12; epoch++) trainer.train(examples);
      expect(trainer.evaluate(rings(300, 2)).accuracy).toBeGreaterThan(0.93);
    },
  );

  it('learns from a teacher where the labels say nothing', () => {
    const teaching = newTrainer({ kind: 'relu' });
    for (let epoch = 0; epoch < 12; epoch++) teaching.train(rings(600));
    const examples = rings(600);
    const unlabelled = {
      ...examples,
      read: (order: Uint32Array, start: number, inputs: Float32Array, labels: Int32Array) => {
        examples.read(order, start, inputs, labels);
        labels.fill(0);
      },
    };
    const accuracyWith = (options: TrainerOptions) => {
      const trainer = newTrainer({ kind: 'relu' }, options);
      for (let epoch = 0; epoch < 12; epoch++) trainer.train(unlabelled);
      return trainer.evaluate(rings(300, 2)).accuracy;
    };
    expect(accuracyWith({ ...OPTIONS, teacher: teaching.network })).toBeGreaterThan(0.93);
    expect(accuracyWith(OPTIONS)).toBeLessThan(0.5);
  });

  it('learns with momentum too', () => {
    const schedule = { kind: 'staircase', rate: 0.1, every: 60, factor: 0.3 } as const;
    const optimiser = { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4 } as const;
    const trainer = newTrainer({ kind: 'relu' }, { ...OPTIONS, schedule, optimiser });
    for (let epoch = 0; epoch < 12; epoch++) trainer.train(rings(600));
    expect(trainer.evaluate(rings(300, 2)).accuracy).toBeGreaterThan(0.93);
  });

  it.each(['adam', 'sgd'] as const)('continues a saved run bit for bit with %s', (kind) => {
    const options: TrainerOptions = { ...OPTIONS, batch: 47, optimiser: { kind } };
    const examples = rings(300);
    const whole = newTrainer({ kind: 'quadratic' }, options);
    for (let epoch = 0; epoch < 3; epoch++) whole.train(examples);

    const first = newTrainer({ kind: 'quadratic' }, options);
    first.train(examples);
    first.train(examples, 3);
    const second = Trainer.fromBytes(first.toBytes(), multiply, options);
    expect(second.steps).toBe(first.steps);
    second.train(examples);
    second.train(examples);
    expect(second.epoch).toBe(3);
    expect(second.toBytes()).toEqual(whole.toBytes());
    second.train(examples, 1);
    expect(second.toBytes()).not.toEqual(whole.toBytes());
  });

  it('skips a step whose gradient overflowed', () => {
    const trainer = newTrainer({ kind: 'square' });
    const before = trainer.network.parameters.map((p) => p.value.slice());
    trainer.step(new Float32Array(100).fill(3e38), new Int32Array(50));
    trainer.network.parameters.forEach((p, i) => expect(p.value).toEqual(before[i]));
  });

  it('ignores examples without a label', () => {
    const trainer = newTrainer({ kind: 'relu' });
    expect(trainer.step(new Float32Array(100).fill(1), new Int32Array(50).fill(-1))).toBe(0);
  });

  it('refuses what does not fit', () => {
    expect(() => newTrainer({ kind: 'relu' }, { ...OPTIONS, batch: 0 })).toThrow(OutOfRangeError);
    expect(() => new Sequential([2], [], { multiply, seed: 1 })).toThrow(ShapeError);
    expect(() => new Sequential([2], [{ kind: 'dense', outputs: -1 }], { multiply, seed: 1 })).toThrow(
      ShapeError,
    );
    expect(() => new Sequential([2], [{ kind: 'lstm' } as never], { multiply, seed: 1 })).toThrow(
      UnsupportedOpError,
    );
    const trainer = newTrainer({ kind: 'relu' });
    expect(() => trainer.step(new Float32Array(7), new Int32Array(3))).toThrow(ShapeError);
    expect(() => trainer.step(new Float32Array(6), Int32Array.of(0, 1, 3))).toThrow(OutOfRangeError);
  });
});

describe('network and checkpoint bytes', () => {
  const trainer = newTrainer({ kind: 'quadratic', bound: 4 });
  trainer.train(rings(300));
  const network = trainer.network.toBytes();
  const checkpoint = trainer.toBytes();

  it('come back with the same outputs', () => {
    const x = new Float32Array(40).map((_, i) => Math.sin(i));
    expect(Sequential.fromBytes(network, multiply).infer(x)).toEqual(trainer.network.infer(x));
    expect(Sequential.fromBytes(network, multiply).toBytes()).toEqual(network);
  });

  it('are refused when anything in them changed', () => {
    for (const [bytes, read] of [
      [network, (b: Uint8Array) => Sequential.fromBytes(b, multiply)],
      [checkpoint, (b: Uint8Array) => Trainer.fromBytes(b, multiply, OPTIONS)],
    ] as const) {
      for (const length of [0, 3, 11, 100, bytes.length - 1]) {
        expect(() => read(bytes.subarray(0, length))).toThrow(DecodeError);
      }
      for (const at of [0, 5, 40, bytes.length - 2]) {
        const broken = bytes.slice();
        broken[at] ^= 1;
        expect(() => read(broken)).toThrow(DecodeError);
      }
    }
    expect(() => Trainer.fromBytes(checkpoint, multiply, { ...OPTIONS, optimiser: { kind: 'sgd' } })).toThrow(
      DecodeError,
    );
  });

  it('are refused or harmless when the checksum is made to fit', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, change) => {
        const broken = network.slice();
        broken[position % (broken.length - 4)] ^= change;
        const body = broken.subarray(0, broken.length - 4);
        new DataView(broken.buffer).setUint32(body.length, crc32(body), true);
        try {
          expect(Sequential.fromBytes(broken, multiply).parameters.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('learning rates', () => {
  it('follow their schedules', () => {
    const cosine = { kind: 'cosine', rate: 2, steps: 110, warmup: 10, floor: 0.1 } as const;
    expect([0, 9, 10, 60, 110, 500].map((step) => learningRate(cosine, step))).toEqual(
      [0.2, 2, 2, 1.1, 0.2, 0.2].map((v) => expect.closeTo(v, 9)),
    );
    expect(learningRate({ kind: 'staircase', rate: 1, every: 10, factor: 0.5 }, 25)).toBe(0.25);
    expect(learningRate({ kind: 'constant', rate: 3 }, 1e6)).toBe(3);
  });
});
