/** Networks trained and used under encryption against their clear mirror, at small rings. */
import { createHash } from 'node:crypto';
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
import { batchOrder, generatedSamples, samplesAt } from '../../../src/runtime/training/perceptron/samples.ts';
import { PERCEPTRON_RECIPE, type PerceptronSpec } from '../../../src/runtime/training/perceptron/spec.ts';
import { PerceptronTrainer } from '../../../src/runtime/training/perceptron/trainer.ts';
import { stepWork } from '../../../src/runtime/training/perceptron/work.ts';
import { sequence, TOY } from './perceptron-toy.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import type { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { EncapsulationKeys } from '../../../src/schemes/rlwe/keys/encapsulation-keys.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';

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
    const { levels, stateCiphertexts, id, params, spec } = this.program;
    const { defaultScale: scale } = params;
    return { programId: id, states: stateCiphertexts, level: levels.input, scale, steps: spec.steps };
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
    ['sixty samples in room for sixty-four', { layers: [6, 4, 3], batch: 60 }, 9, 1],
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

describe('a guard', () => {
  /** Sums of the first layer, largest at one sample and one unit, elsewhere within one. */
  function reaching(world: World, largest: number): { state: PerceptronState; batch: LabelledSamples } {
    const { first, program } = world;
    const [width, units] = program.spec.layers as [number, number];
    const weights = new Float64Array(width * units).fill(0.05);
    weights[0] = largest / 2;
    const layers = [{ weights, biases: new Float64Array(units) }, ...first.layers.slice(1)];
    const batch = world.batches[0]!;
    const inputs = batch.inputs.map((value, at) => (at % width === 0 ? 0 : value));
    inputs[3 * width] = 2;
    for (let i = 1; i < width; i++) inputs[3 * width + i] = 0;
    return { state: { ...first, layers }, batch: { ...batch, inputs } };
  }

  test('one sum of many that leaves its range is seen, by the owner alone', async () => {
    const spec: PerceptronSpec = {
      ...{ ...TOY, layers: [6, 4, 3], batch: 30, steps: 2, sumBound: 4, weightBound: 8, guard: true },
    };
    using world = await World.open(spec, 9);
    const { owner, arena, mirror, context, program } = world;
    const seen = (largest: number) => {
      const { state, batch } = reaching(world, largest);
      const states = world.step(owner.encryptState(state, arena), batch);
      // Whatever it sees, training is that of the mirror.
      const { state: wanted, range } = mirror.step(state, batch);
      expect(range.sum).toBeCloseTo(largest, 10);
      expect(stateDifference(wanted, owner.openState(states))).toBeLessThan(2 ** -16);
      return { states, guard: owner.openGuard(states) };
    };
    const inside = seen(3.9);
    expect(inside.guard).toEqual({ places: 0, times: 0 });
    const left = [5, 5.5, 6].map(seen);
    for (const { guard } of left) expect(guard).toEqual({ places: 1, times: 1 });
    // A whole turn, 11.4, further it looks like a small sum again: as the activation, so the guard.
    expect(seen(12).guard).toEqual({ places: 0, times: 0 });

    // Steps add up; and a program without a guard has no such ciphertext.
    const { state, batch } = reaching(world, 5.5);
    const [again] = owner.encryptState(state, arena);
    const second = world.step([again!, left[0]!.states.at(-1)!], batch);
    expect(owner.openGuard(second)).toEqual({ places: 1, times: 2 });
    const { guard: _, ...unguarded } = spec;
    const plain = new PerceptronProgram(unguarded, context.params);
    expect(plain.stateCiphertexts).toBe(program.stateCiphertexts - 1);
    expect(plain.id).not.toBe(program.id);
    const without = new PerceptronOwner(context, plain, world.secret);
    expect(() => without.openGuard(second)).toThrow(/no guard/);
    expect(() => without.openState(second)).toThrow(DataError);
    expect(() => owner.openGuard(second.slice(1))).toThrow(DataError);

    // Who holds no key of the owner's is told nothing: what it reads is as large whether something left or not.
    using stranger = context.keyGenerator().secretKey();
    using own = context.arena();
    const readable = ({ states }: typeof inside): number => {
      const plaintext = context.decryptor(stranger, own).decrypt(states.at(-1)!);
      return Math.max(...context.encoder(own).decode(plaintext).map(Math.abs));
    };
    for (const attempt of [inside, left[0]!]) expect(readable(attempt)).toBeGreaterThan(2 ** 40);
    expect(inside.states.at(-1)!.toBytes()).toHaveLength(left[0]!.states.at(-1)!.toBytes().length);
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
  ['with a guard', { guard: true }],
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
  const { applyMany } = Bootstrapper.prototype;
  const spy = vi.spyOn(Bootstrapper.prototype, 'applyMany').mockImplementation(function (
    this: Bootstrapper,
    ...args
  ) {
    const before = all();
    const result = applyMany.apply(this, args);
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

test('a step of 60 samples takes the bootstraps of one of 512, and a third of its key switches', () => {
  const work = (batch: number) => {
    const program = new PerceptronProgram({ ...PERCEPTRON_RECIPE, batch });
    return { bootstraps: program.bootstrapsPerStep, keySwitches: stepWork(program).keySwitches.length };
  };
  const [small, large] = [work(60), work(512)];
  expect(small.bootstraps).toBe(large.bootstraps);
  expect(small.keySwitches).toBeLessThan(large.keySwitches / 3);
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
      { guard: false },
      { guard: true, activation: 'table' },
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
    // Files of versions without guards carry this hash.
    const { layers, batch, steps, rate, momentum, decay, loss, activation, ...bounds } = TOY;
    const fields = ['perceptron', 1, layers, batch, steps, rate, momentum, decay, loss, activation];
    const { sumBound, weightBound, errorBound } = bounds;
    const canonical = JSON.stringify([...fields, sumBound, weightBound, errorBound]);
    expect(id).toBe(createHash('sha256').update(canonical).digest('hex'));
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
