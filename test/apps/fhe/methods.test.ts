/** What the commands do for the method of categories, at a small ring: prepare, encrypt, run with checkpoints, open; and who can open what. */
import { describe, expect, test, vi } from 'vitest';
import {
  encryptTable,
  expectedCheckpoint,
  heldOutAuc,
  type MethodStep,
  mirrorTolerance,
  openResult,
  prepareProgram,
  runProgram,
} from '../../../src/apps/fhe/methods.ts';
import {
  CategoryOwner,
  CategoryProgram,
  CategoryTrainer,
  generatedTable,
  mirrorCategory,
  readCheckpoint,
  readTrainingFile,
  writeCheckpoint,
  writeTrainingFile,
} from '../../../src/runtime/training/index.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';

// Ten bootstraps take a few seconds; a busy machine takes many times that.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const params = CkksParams.bootstrapping({ logN: 10, security: 'insecure-for-tests' });

describe('categories', () => {
  test('from a table to names and weights, over files and a checkpoint; what the trainer holds opens for the owner alone', async () => {
    const raw = generatedTable({ rows: 250, columns: 12, seed: 1 });
    const prepared = prepareProgram(raw, { method: 'category', choose: 2 }, 5);
    const program = new CategoryProgram((prepared.program as CategoryProgram).spec, params);
    using context = await CkksContext.open(params);
    using arena = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    using encapsulation = generator.encapsulationKeys(secret);
    const made = encryptTable(program, context, secret, prepared.train, arena);
    const file = writeTrainingFile('rows', program, made);
    const rows = readTrainingFile('rows', program, context, file, arena);
    const steps: MethodStep[] = [];
    const states: Uint8Array[] = [];
    const result = runProgram(program, context, { evaluation, encapsulation }, rows, arena, {
      onStep: (step) => steps.push(step),
      from: undefined,
      keep: (checkpoint) => states.push(writeCheckpoint(program.id, checkpoint)),
    });
    expect(steps).toHaveLength(11);
    expect(steps.at(-1)).toMatchObject({ done: 11, of: 11, name: 'result', isBootstrapped: false });
    expect(steps.filter(({ isBootstrapped }) => isBootstrapped)).toHaveLength(5);
    const from = readCheckpoint(expectedCheckpoint(program), context, states[7]!, arena);
    const rest: MethodStep[] = [];
    const again = runProgram(program, context, { evaluation, encapsulation }, rows, arena, {
      onStep: (step) => rest.push(step),
      from,
      keep: () => undefined,
    });
    expect(rest.map(({ name }) => name)).toEqual(['system', 'solution', 'result']);
    expect(Buffer.from(again.toBytes()).equals(Buffer.from(result.toBytes()))).toBe(true);
    const answer = writeTrainingFile('weights', program, [result]);
    const [weights] = readTrainingFile('weights', program, context, answer, arena);
    const open = (of: CkksCiphertext) =>
      openResult(program, context, secret, prepared, prepared.standard, of);
    const model = open(weights!);
    const mirror = mirrorCategory(prepared.train, 2);
    expect(model.weights.map(([name]) => name)).toEqual([
      '(constant)',
      ...mirror.columns.map((column) => raw.columns[column]),
    ]);
    expect(model.mirrorDifference).toBeLessThan(mirrorTolerance(program));
    expect(heldOutAuc(prepared.heldOut, model.scores)).toBeGreaterThan(0.6);

    // Attack: a trainer with a key of its own on what it holds after the step 'ranks', and on the result.
    const [ranks] = readCheckpoint(expectedCheckpoint(program), context, states[3]!, arena).states;
    const seen = (key: typeof secret, of: CkksCiphertext): Float64Array =>
      context.encoder(arena).decode(context.decryptor(key, arena).decrypt(of));
    using guess = generator.secretKey();
    const isRank = (value: number): boolean =>
      Math.abs(value) < 16.5 && Math.abs(value - Math.round(value)) < 2 ** -10;
    const ranksAmong = (values: Float64Array): number => values.filter(isRank).length / values.length;
    expect(ranksAmong(seen(guess, ranks!))).toBeLessThan(0.1);
    // Control: the owner's key reads every rank.
    expect(ranksAmong(seen(secret, ranks!))).toBe(1);
    const guessed = new CategoryOwner(context, program, guess).open(result);
    expect(guessed.columns).not.toEqual(mirror.columns);

    // A trainer that answers with another state of the run is told of.
    const other = open(from.states[0]!);
    expect(other.mirrorDifference).toBeGreaterThan(mirrorTolerance(program));
  });

  test('what the trainer does does not depend on the table', async () => {
    const program = new CategoryProgram(
      { kind: 'category', version: 1, rows: 60, features: 12, chosen: 2 },
      params,
    );
    using context = await CkksContext.open(params);
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using evaluation = generator.evaluationKeys(secret, program.keyPlan);
    using encapsulation = generator.encapsulationKeys(secret);
    using trainer = new CategoryTrainer(context, program, { evaluation, encapsulation });
    const traces = [4, 5].map((seed) => {
      using arena = context.arena();
      const table = generatedTable({ rows: 60, columns: 12, seed });
      const data = encryptTable(program, context, secret, table, arena);
      const trace: unknown[] = [];
      const levels: unknown[] = [];
      trainer.run(data, arena, {
        onStep: ({ name, work }) => trace.push([name, ...work.keySwitches, ...work.diagonals]),
        keep: ({ states }) => levels.push(states.map(({ level, scale }) => [level, scale])),
      });
      return { trace, levels };
    });
    expect(traces[0]).toEqual(traces[1]);
  });
});
