/** Networks trained and used under encryption against their clear mirror, at small rings. */
import { describe, expect, test, vi } from 'vitest';
import {
  DataError,
  DecodeError,
  InvalidParamsError,
  MissingKeyError,
  OutOfRangeError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { readCheckpoint, writeCheckpoint } from '../../../src/runtime/training/checkpoint.ts';
import { Bootstrapper } from '../../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../../src/circuits/bootstrap/plan.ts';
import {
  initialPerceptron,
  type LabelledSamples,
  PerceptronMirror,
  type PerceptronState,
  stateDifference,
} from '../../../src/runtime/training/perceptron/clear.ts';
import { PerceptronLayout } from '../../../src/runtime/training/perceptron/layout.ts';
import { PerceptronOwner } from '../../../src/runtime/training/perceptron/owner.ts';
import { stepLevels } from '../../../src/runtime/training/perceptron/plan.ts';
import {
  parsePerceptronProgram,
  PerceptronProgram,
} from '../../../src/runtime/training/perceptron/program.ts';
import {
  batchOrder,
  generatedSamples,
  samplesAt,
  sampleStandardisation,
  smallPictures,
  standardisedSamples,
} from '../../../src/runtime/training/perceptron/samples.ts';
import { PERCEPTRON_RECIPE, type PerceptronSpec } from '../../../src/runtime/training/perceptron/spec.ts';
import { PerceptronTrainer } from '../../../src/runtime/training/perceptron/trainer.ts';
import { stepWork } from '../../../src/runtime/training/perceptron/work.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import type { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { EncapsulationKeys } from '../../../src/schemes/rlwe/keys/encapsulation-keys.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';

/** Numbers in [0, 1) that are the same in every run. */
function sequence(seed: number): () => number {
  let at = seed;
  return () => {
    at += 0.6180339887498949;
    const x = Math.sin(at * 12.9898) * 43758.5453;
    return x - Math.floor(x);
  };
}

const TOY: PerceptronSpec = {
  ...PERCEPTRON_RECIPE,
  layers: [6, 4, 4, 2],
  batch: 30,
  steps: 2,
  // One that tables may have as well.
  sumBound: 16,
};

function paramsOf(logN: number): CkksParams {
  return CkksParams.bootstrapping({ logN, security: 'insecure-for-tests' });
}

/** Owner and trainer of a program, and samples. */
class World implements Disposable {
  readonly program: PerceptronProgram;
  readonly context: CkksContext;
  readonly arena: Arena;
  readonly secret: SecretKey;
  readonly keys: { evaluation: EvaluationKeys; encapsulation: EncapsulationKeys };
  readonly owner: PerceptronOwner;
  readonly trainer: PerceptronTrainer;
  readonly mirror: PerceptronMirror;
  readonly samples: LabelledSamples;
  readonly first: PerceptronState;
  readonly batches: readonly LabelledSamples[];

  constructor(context: CkksContext, spec: PerceptronSpec) {
    this.context = context;
    this.program = new PerceptronProgram(spec, context.params);
    this.arena = context.arena();
    using generator = context.keyGenerator();
    this.secret = generator.secretKey();
    const evaluation = generator.evaluationKeys(this.secret, this.program.keyPlan);
    this.keys = { evaluation, encapsulation: generator.encapsulationKeys(this.secret) };
    this.owner = new PerceptronOwner(context, this.program, this.secret);
    this.trainer = new PerceptronTrainer(context, this.program, this.keys);
    this.mirror = new PerceptronMirror(spec);
    const uniform = sequence(1);
    const shape = { count: 4 * spec.batch, inputs: spec.layers[0]!, classes: spec.layers.at(-1)! };
    this.samples = generatedSamples(shape, uniform);
    this.first = initialPerceptron(spec, uniform);
    this.batches = batchOrder(shape.count, spec, uniform).map((order) => samplesAt(this.samples, order));
  }

  static async open(spec: PerceptronSpec, logN: number): Promise<World> {
    return new World(await CkksContext.open(paramsOf(logN)), spec);
  }

  step(states: readonly CkksCiphertext[], batch: LabelledSamples): CkksCiphertext[] {
    return this.trainer.step(states, this.owner.encryptBatch(batch, this.arena), this.arena);
  }

  expected() {
    const { levels, layout, id, params, spec } = this.program;
    const { defaultScale: scale } = params;
    return { programId: id, states: layout.states, level: levels.input, scale, steps: spec.steps };
  }

  [Symbol.dispose](): void {
    this.trainer[Symbol.dispose]();
    this.keys.evaluation[Symbol.dispose]();
    this.keys.encapsulation[Symbol.dispose]();
    this.secret[Symbol.dispose]();
    this.arena[Symbol.dispose]();
    this.context[Symbol.dispose]();
  }
}

describe('every weight is that of the clear mirror', () => {
  test.each<[string, Partial<PerceptronSpec>, number, number]>([
    ['three layers, fewer samples than slots have room for', {}, 9, 1],
    ['weights in several ciphertexts', { layers: [16, 8, 4, 3], batch: 8 }, 9, 4],
    [
      'tables and squared loss, as the survey has them',
      { batch: 32, loss: 'squared', activation: 'table' },
      9,
      1,
    ],
    ['four layers', { layers: [16, 8, 4, 4, 3], batch: 8 }, 9, 4],
    ['two layers', { layers: [5, 4, 2], batch: 64 }, 9, 1],
  ])('%s', async (_, change, logN, states) => {
    using world = await World.open({ ...TOY, steps: 1, ...change }, logN);
    const { owner, mirror, first, program } = world;
    expect(program.layout.states).toBe(states);
    const encrypted = owner.encryptState(first, world.arena);
    expect(stateDifference(first, owner.openState(encrypted))).toBeLessThan(2 ** -35);
    const wanted = mirror.step(first, world.batches[0]!).state;
    const opened = owner.openState(world.step(encrypted, world.batches[0]!));
    expect(stateDifference(wanted, first)).toBeGreaterThan(2 ** -5);
    expect(stateDifference(wanted, opened)).toBeLessThan(2 ** -18);
  });

  test('after two steps, and the scores of the encrypted model', async () => {
    using world = await World.open(TOY, 9);
    const { owner, mirror, arena } = world;
    let [clear, states] = [world.first, owner.encryptState(world.first, arena)];
    for (const batch of world.batches) {
      clear = mirror.step(clear, batch).state;
      states = world.step(states, batch);
    }
    expect(stateDifference(clear, owner.openState(states))).toBeLessThan(2 ** -16);
    const asked = world.samples.inputs.subarray(0, 6 * 7);
    const scores = world.trainer.scores(states, owner.encryptInputs(asked, arena), arena);
    const wanted = mirror.scores(clear.layers, asked);
    owner
      .openScores(scores, 7)
      .forEach((score, at) => expect(Math.abs(score - wanted[at]!)).toBeLessThan(2 ** -14));
  });
});

describe('checkpoints', () => {
  test('a run that is stopped after any step and resumed elsewhere ends with the same bytes', async () => {
    const spec = { ...TOY, layers: [6, 4, 3], batch: 16, steps: 2 };
    using world = await World.open(spec, 9);
    const { owner, program, arena } = world;
    const batches = world.batches.map((batch) => owner.encryptBatch(batch, arena));
    let states = owner.encryptState(world.first, arena);
    const files = [writeCheckpoint(program.id, { step: 0, states })];
    batches.forEach((batch, i) => {
      states = world.trainer.step(states, batch, arena);
      files.push(writeCheckpoint(program.id, { step: i + 1, states }));
    });
    for (const from of [0, 1]) {
      // Nothing is left of the first process but its files.
      using trainer = new PerceptronTrainer(world.context, program, world.keys);
      const resumed = readCheckpoint(world.expected(), world.context, files[from]!, arena);
      expect(resumed.step).toBe(from);
      let at = [...resumed.states];
      for (const batch of batches.slice(from)) at = trainer.step(at, batch, arena);
      expect(writeCheckpoint(program.id, { step: 2, states: at })).toEqual(files[2]);
    }
  });

  test('files of another program, of too many steps, cut off or changed are refused', async () => {
    using world = await World.open({ ...TOY, layers: [6, 4, 3], batch: 16, steps: 2 }, 9);
    const { owner, program, arena, context } = world;
    const states = owner.encryptState(world.first, arena);
    const file = writeCheckpoint(program.id, { step: 1, states });
    const expected = world.expected();
    const read = (bytes: Uint8Array, change = {}) =>
      readCheckpoint({ ...expected, ...change }, context, bytes, arena);
    expect(read(file).states).toHaveLength(1);
    const before = arena.live;
    expect(() => read(file, { programId: 'ab'.repeat(32) })).toThrow(/another program/);
    expect(() => read(file, { steps: 0 })).toThrow(/more steps/);
    expect(() => read(file, { states: 2 })).toThrow(DecodeError);
    expect(() => read(file, { level: expected.level + 1 })).toThrow(/not where/);
    expect(() => read(writeCheckpoint(program.id, { step: 3, states }))).toThrow(/more steps/);
    for (const length of [0, 3, 43, file.length - 33, file.length - 1])
      expect(() => read(file.subarray(0, length)), `${length}`).toThrow(DecodeError);
    for (const at of [0, 4, 5, 9, 40, 44, 48, 60, file.length >> 1, file.length - 1]) {
      const changed = file.slice();
      changed[at] = changed[at]! ^ 1;
      expect(() => read(changed), `${at}`).toThrow(DecodeError);
    }
    expect(() => read(Uint8Array.from([...file, 0]))).toThrow(DecodeError);
    expect(arena.live).toBe(before);
  });
});

describe('who learns what', () => {
  /** Classes in a batch from the moves of the last constants, which are sums of a - y: known from training in the open. */
  function guessedClasses(state: PerceptronState, spec: PerceptronSpec): number[] {
    const moves = state.velocities.at(-1)!.biases;
    const least = Math.min(...moves);
    // Where there are more samples of a class, its constant rises more.
    return Array.from(moves, (move) => ((move - least) * spec.batch) / spec.rate);
  }

  test('classes of a batch are read off the moves of constants in the open, not by the trainer', async () => {
    const spec = { ...TOY, layers: [6, 4, 3], batch: 16, steps: 1 };
    using world = await World.open(spec, 9);
    const { owner, arena, context, program } = world;
    const outcomes = { open: 0, trainer: 0 };
    for (const most of [0, 1, 2]) {
      const labels = Uint8Array.from({ length: 16 }, (_, r) => (r < 14 ? most : (most + 1) % 3));
      const inputs = world.samples.inputs.slice(0, 6 * 16);
      const states = world.step(owner.encryptState(world.first, arena), { inputs, labels });
      const best = (guess: number[]) => guess.indexOf(Math.max(...guess));
      if (best(guessedClasses(owner.openState(states), spec)) === most) outcomes.open++;
      // All that the trainer can open is what a key of its own opens: no value, whatever the batch.
      using own = context.keyGenerator().secretKey();
      const attempt = () => new PerceptronOwner(context, program, own).openState(states);
      expect(attempt).toThrow(/no state of this program/);
    }
    expect(outcomes).toEqual({ open: 3, trainer: 0 });
  });

  test('a trainer that trains on something else is seen by the owner', async () => {
    const spec = { ...TOY, layers: [6, 4, 3], batch: 16, steps: 2 };
    using world = await World.open(spec, 9);
    const { owner, arena, mirror } = world;
    const [first, second] = world.batches as [LabelledSamples, LabelledSamples];
    const other = owner.openState(world.step(owner.encryptState(world.first, arena), second));
    expect(stateDifference(other, mirror.step(world.first, first).state)).toBeGreaterThan(2 ** -8);
  });

  test('a program says what everybody learns, and every part of it is named once', () => {
    const { trainer, owner, nobody } = new PerceptronProgram(TOY, paramsOf(9)).whoLearnsWhat;
    expect(trainer.join()).toMatch(/6-4-4-2.*batches of 30, 2 steps/);
    expect(owner.join()).toMatch(/58 weights/);
    expect(nobody.join()).toMatch(/labels.*gradients/);
  });
});

test.each<[string, Partial<PerceptronSpec>]>([
  ['one state', {}],
  ['several states, chunks in every layer', { layers: [16, 8, 4, 3], batch: 8, loss: 'squared' }],
])('the work of a step is what was counted beforehand: %s', async (_, change) => {
  using world = await World.open({ ...TOY, steps: 1, ...change }, 9);
  const states = world.owner.encryptState(world.first, world.arena);
  const batch = world.owner.encryptBatch(world.batches[0]!, world.arena);
  const { kernel } = world.context;
  const switches = (['rotate', 'keySwitch', 'applyKey', 'multiplyRelinearizeRescale'] as const).map((name) =>
    vi.spyOn(kernel, name),
  );
  const [rescalings, products] = [vi.spyOn(kernel, 'rescale'), vi.spyOn(kernel, 'mulAdd')];
  const count = () => switches.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  const all = () => [count(), rescalings.mock.calls.length, products.mock.calls.length];
  const inside = [0, 0, 0];
  let bootstraps = 0;
  const { apply } = Bootstrapper.prototype;
  const spy = vi.spyOn(Bootstrapper.prototype, 'apply').mockImplementation(function (
    this: Bootstrapper,
    ...args
  ) {
    const before = all();
    const result = apply.apply(this, args);
    all().forEach((value, i) => {
      inside[i] = inside[i]! + value - before[i]!;
    });
    bootstraps++;
    return result;
  });
  try {
    world.trainer.step(states, batch, world.arena);
  } finally {
    spy.mockRestore();
  }
  const outside = all().map((value, i) => value - inside[i]!);
  const work = stepWork(world.program);
  expect(bootstraps).toBe(world.program.bootstrapsPerStep);
  const counted = [work.keySwitches.length, work.rescalings.length, 2 * work.masks.length];
  expect(outside).toEqual(counted);
  expect(products.mock.calls.length).toBeGreaterThan(100);
});

describe('what does not fit is refused', () => {
  test('specifications', () => {
    const bad: Partial<Record<keyof PerceptronSpec, unknown>>[] = [
      { layers: [16, 0, 3] },
      { layers: [16, 2.5, 3] },
      { layers: [2 ** 15, 4, 3] },
      { batch: 0 },
      { steps: 1e9 },
      { rate: Number.NaN },
      { momentum: 1 },
      { decay: -1 },
      { weightBound: 3 },
      { errorBound: 128 },
      { sumBound: 1e6 },
    ];
    for (const change of bad)
      expect(() => parsePerceptronProgram({ ...TOY, ...change }), JSON.stringify(change)).toThrow(
        OutOfRangeError,
      );
    for (const change of [
      { kind: 'x' },
      { version: 2 },
      { loss: 'hinge' },
      { activation: 'relu' },
      { layers: [4, 2] },
      { extra: 1 },
    ])
      expect(() => parsePerceptronProgram({ ...TOY, ...change })).toThrow(DataError);
    expect(() => parsePerceptronProgram({ ...TOY, activation: 'table', sumBound: 12 })).toThrow(
      OutOfRangeError,
    );
    expect(() => parsePerceptronProgram('x')).toThrow(DataError);
    const { rate: _, ...lacking } = TOY;
    expect(() => parsePerceptronProgram(lacking)).toThrow(/lacks rate/);
    expect(() => new PerceptronProgram(TOY, CkksParams.bootstrapping())).toThrow(InvalidParamsError);
    expect(() => new PerceptronProgram({ ...TOY, layers: [6, 64, 4, 3] }, paramsOf(9))).toThrow(
      /smaller batches/,
    );
    expect(() => new PerceptronProgram({ ...TOY, layers: [6, 4, 32, 3] }, paramsOf(9))).toThrow(
      /smaller batches/,
    );
    const { id } = new PerceptronProgram(JSON.parse(JSON.stringify(TOY)), paramsOf(9));
    expect(id).toBe(new PerceptronProgram({ ...TOY, layers: [...TOY.layers] }, paramsOf(9)).id);
    expect(new PerceptronProgram({ ...TOY, rate: 0.125 }, paramsOf(9)).id).not.toBe(id);
  });

  test('the shapes of the design have the levels that a step takes', () => {
    // As many levels as at 2^15 slots: three factors on either side.
    const plan = new BootstrapPlan(paramsOf(12));
    expect(plan.inputLevel).toBe(3);
    const planned = (change: Partial<PerceptronSpec>) => {
      const spec = { ...PERCEPTRON_RECIPE, ...change };
      const layout = new PerceptronLayout(spec, 2 ** 15);
      const refreshed = stepLevels(spec, layout, plan).layers.map(({ isErrorRefreshed }) => isErrorRefreshed);
      return { states: layout.states, refreshed };
    };
    const once = { states: 1, refreshed: [true, false, false] };
    expect(planned({ batch: 60 })).toEqual(once);
    expect(planned({ batch: 512 })).toEqual(once);
    const wide = planned({ layers: [784, 128, 32, 10], batch: 60 });
    expect(wide).toEqual({ states: 8, refreshed: [true, false, false] });
    // Tables leave fewer levels.
    const tables = planned({ activation: 'table', loss: 'squared' });
    expect(tables).toEqual({ states: 1, refreshed: [true, true, true] });
  });

  test('data and ciphertexts', async () => {
    using world = await World.open({ ...TOY, layers: [6, 4, 3], batch: 16, steps: 2 }, 9);
    const { owner, arena, context, program, trainer } = world;
    const batch = world.batches[0]!;
    const changed = (change: Partial<LabelledSamples>) => () =>
      owner.encryptBatch({ ...batch, ...change }, arena);
    expect(changed({ labels: batch.labels.subarray(1) })).toThrow(DataError);
    expect(changed({ labels: batch.labels.map(() => 3) })).toThrow(/below 3/);
    expect(changed({ inputs: batch.inputs.map((v, i) => (i === 5 ? Number.NaN : v)) })).toThrow(DataError);
    expect(changed({ inputs: batch.inputs.map((v) => 20 * v) })).toThrow(DataError);
    expect(changed({ inputs: batch.inputs.subarray(1) })).toThrow(DataError);
    // Whole samples, but fewer than there are labels.
    expect(changed({ inputs: batch.inputs.subarray(6) })).toThrow(/16 samples have 6 numbers each/);
    const large = initialPerceptron(program.spec, () => 0.5);
    large.layers[0]!.weights[0] = 9;
    expect(() => owner.encryptState(large, arena)).toThrow(/bound/);
    expect(() => owner.encryptState({ ...large, layers: large.layers.slice(1) }, arena)).toThrow(DataError);
    const encrypted = owner.encryptBatch(batch, arena);
    const states = owner.encryptState(world.first, arena);
    expect(() => trainer.step([], encrypted, arena)).toThrow(ShapeError);
    expect(() => trainer.step(states, { ...encrypted, labels: states[0]! }, arena)).toThrow(ShapeError);
    expect(() => trainer.scores([encrypted.labels], encrypted.inputs, arena)).toThrow(ShapeError);
    expect(() => owner.openState([])).toThrow(DataError);
    expect(() => owner.openScores(states[0]!, 17)).toThrow(DataError);
    expect(() => batchOrder(5, { batch: 6, steps: 1 }, sequence(1))).toThrow(DataError);
    using generator = context.keyGenerator();
    using none = generator.evaluationKeys(world.secret, {});
    using without = new PerceptronTrainer(context, program, { ...world.keys, evaluation: none });
    expect(() => without.step(states, encrypted, arena)).toThrow(MissingKeyError);
  });
});

describe('the clear mirror', () => {
  test('moves along the gradient of the cross-entropy', () => {
    const spec = { ...TOY, layers: [5, 4, 3], batch: 6, momentum: 0, decay: 0 };
    const uniform = sequence(3);
    const mirror = new PerceptronMirror(spec);
    const batch = generatedSamples({ count: 6, inputs: 5, classes: 3 }, uniform);
    const first = initialPerceptron(spec, uniform);
    const loss = (state: PerceptronState): number =>
      mirror.scores(state.layers, batch.inputs).reduce((sum, a, at) => {
        const y = batch.labels[Math.floor(at / 3)] === at % 3;
        return sum - Math.log(y ? a : 1 - a);
      }, 0) / 6;
    const { velocities } = mirror.step(first, batch).state;
    first.layers.forEach(({ weights, biases }, l) => {
      for (const [values, moves] of [
        [weights, velocities[l]!.weights],
        [biases, velocities[l]!.biases],
      ] as const)
        values.forEach((value, at) => {
          const [up, down] = [2 ** -8, -(2 ** -8)].map((by) => {
            values[at] = value + by;
            return loss(first);
          }) as [number, number];
          values[at] = value;
          const slope = (up - down) / 2 ** -7;
          // Circle functions are near the functions that they stand for, their slopes less so.
          expect(Math.abs(-spec.rate * slope - moves[at]!)).toBeLessThan(0.02);
        });
    });
  });

  test.each(['smooth', 'table'] as const)('learns what can be learnt: %s', (activation) => {
    const spec = { ...TOY, layers: [16, 8, 4, 3], steps: 60, activation };
    const uniform = sequence(7);
    const mirror = new PerceptronMirror(spec);
    const samples = generatedSamples({ count: 300, inputs: 16, classes: 3 }, uniform);
    let state = initialPerceptron(spec, uniform);
    expect(mirror.accuracy(state.layers, samples)).toBeLessThan(0.8);
    for (const order of batchOrder(300, spec, uniform))
      state = mirror.step(state, samplesAt(samples, order)).state;
    expect(mirror.accuracy(state.layers, samples)).toBeGreaterThan(0.95);
  });

  test('standardised inputs have mean 0 and deviation 1, few of them more than the bound', () => {
    const uniform = sequence(3);
    const [count, width] = [500, 5];
    // The last input is constant, the fourth hardly changes.
    const spreads = [1, 20, 8, 0.01, 0];
    const inputs = Float64Array.from({ length: count * width }, (_, at) => {
      const i = at % width;
      return 7 * i + spreads[i]! * (uniform() - 0.5);
    });
    const samples = { inputs, labels: new Uint8Array(count) };
    const by = sampleStandardisation(samples);
    const { inputs: scaled } = standardisedSamples(samples, by);
    expect(by.deviations[1]! / (20 / Math.sqrt(12))).toBeCloseTo(1, 1);
    const moments = spreads.map((_, i) => {
      const own = Array.from({ length: count }, (_, r) => scaled[r * width + i]!);
      const mean = own.reduce((sum, v) => sum + v, 0) / count;
      return { mean, deviation: Math.sqrt(own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count) };
    });
    for (const { mean } of moments) expect(mean).toBeCloseTo(0, 10);
    for (const i of [1, 2]) expect(moments[i]!.deviation).toBeCloseTo(1, 10);
    // Not blown up: at most four times the scale of the widest input.
    expect(moments[0]!.deviation).toBeCloseTo(4 / 20, 1);
    expect(moments[3]!.deviation).toBeLessThan(0.01);
    expect(moments[4]!.deviation).toBeCloseTo(0, 10);

    const far = { inputs: Float64Array.of(-1e6, 7, 14, 21, 1e6), labels: Uint8Array.of(0) };
    expect([...standardisedSamples(far, by).inputs].map((v) => Math.abs(v))).toEqual([
      2,
      ...[1, 2, 3].map(() => expect.closeTo(0, 0)),
      2,
    ]);
    const constant = sampleStandardisation({ inputs: new Float64Array(4), labels: new Uint8Array(2) });
    expect(constant).toEqual({ means: [0, 0], deviations: [1, 1] });
    const wide = { inputs: inputs.slice(0, 4 * 256), labels: new Uint8Array(4) };
    const narrow = { inputs: wide.inputs.slice(0, 4 * 64), labels: new Uint8Array(4) };
    const most = (of: LabelledSamples) => Math.max(...sampleStandardisation(of).deviations);
    expect(most(wide) / most(narrow)).toBeGreaterThan(1.5);
    const noSamples = { inputs: new Float64Array(0), labels: new Uint8Array(0) };
    expect(() => sampleStandardisation(noSamples)).toThrow(ShapeError);
    expect(() => standardisedSamples({ ...samples, labels: new Uint8Array(9) }, by)).toThrow(ShapeError);
  });

  test('pictures become means of blocks', () => {
    const pixels = new Uint8Array(784).fill(255);
    pixels[2 * 28 + 2] = 0;
    const { inputs } = smallPictures({ pixels, labels: Uint8Array.of(1) });
    expect(inputs).toHaveLength(64);
    expect(inputs[0]).toBeCloseTo((8 / 9 - 0.2) * 1.2, 12);
    expect(inputs[63]).toBeCloseTo(0.96, 12);
    expect(() => smallPictures({ pixels, labels: Uint8Array.of(1, 2) })).toThrow(ShapeError);
  });
});
