/** The estimator by categories under encryption, stage by stage against exact integers, at a small ring. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  DataError,
  InvalidParamsError,
  OutOfRangeError,
  ParamsMismatchError,
  ShapeError,
} from '../../../src/base/errors.ts';
import { Bootstrapper } from '../../../src/circuits/bootstrap/bootstrapper.ts';
import { PatternOperations } from '../../../src/circuits/pattern-operations.ts';
import type { Arena } from '../../../src/ring/arena.ts';
import { CategoryCircuit } from '../../../src/runtime/training/category/category-circuit.ts';
import {
  categoryRowScores,
  categoryScores,
  exactCategory,
  mirrorCategory,
  quotientCategory,
  scoreOrder,
} from '../../../src/runtime/training/category/category-clear.ts';
import { CategoryOwner } from '../../../src/runtime/training/category/category-owner.ts';
import {
  CategoryProgram,
  type CategorySpec,
  parseCategoryProgram,
} from '../../../src/runtime/training/category/category-program.ts';
import {
  CATEGORY_STEPS,
  categoryStates,
  CategoryTrainer,
} from '../../../src/runtime/training/category/category-trainer.ts';
import { readCheckpoint, writeCheckpoint } from '../../../src/runtime/training/checkpoint.ts';
import { generatedTable } from '../../../src/runtime/training/generated-table.ts';
import {
  areaUnderCurve,
  type LabelledTable,
  splitTable,
} from '../../../src/runtime/training/labelled-table.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import type { EncapsulationKeys } from '../../../src/schemes/rlwe/keys/encapsulation-keys.ts';
import type { EvaluationKeys } from '../../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { SecretKey } from '../../../src/schemes/rlwe/keys/secret-key.ts';

// Ten bootstraps take a few seconds; a busy machine takes many times that.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const params = CkksParams.bootstrapping({ logN: 10, security: 'insecure-for-tests' });
// Seven ciphertexts, two vectors of categories, two digits below the sign of a score.
const spec: CategorySpec = { kind: 'category', version: 1, rows: 200, features: 12, chosen: 2 };

let context: CkksContext;
let secret: SecretKey;
let evaluation: EvaluationKeys;
let encapsulation: EncapsulationKeys;
let arena: Arena;
let program: CategoryProgram;

beforeAll(async () => {
  context = await CkksContext.open(params);
  arena = context.arena();
  program = new CategoryProgram(spec, params);
  using generator = context.keyGenerator();
  secret = generator.secretKey();
  evaluation = generator.evaluationKeys(secret, program.keyPlan);
  encapsulation = generator.encapsulationKeys(secret);
});
afterAll(() => {
  for (const used of [encapsulation, evaluation, secret, arena, context]) used[Symbol.dispose]();
});

function decrypted(ciphertext: CkksCiphertext): Float64Array {
  using work = context.arena();
  return context.encoder(work).decode(context.decryptor(secret, work).decrypt(ciphertext));
}

/** Columns that tie: copies, complements, a constant one; then those of the generator. */
function tiedTable(): LabelledTable {
  const { columns, values, labels } = generatedTable({ rows: 200, columns: 12, seed: 5 });
  const tied = Float64Array.from(values, (value, at) => {
    const [row, j] = [Math.floor(at / 12), at % 12];
    const first = values[row * 12]!;
    if (j === 2 || j === 5) return first;
    if (j === 4 || j === 7) return 1 - first;
    return j === 8 ? 1 : value;
  });
  return { columns, values: tied, labels };
}

describe.each([
  ['a table', () => generatedTable({ rows: 200, columns: 12, seed: 3 })],
  ['a table with ties and a constant column', tiedTable],
])('%s', (_, make) => {
  test('scores, order, columns, counts and weights are those of the mirror', () => {
    const table = make();
    const mirror = mirrorCategory(table, spec.chosen);
    const scores = categoryScores(table);
    const order = scoreOrder(scores);
    const { layout } = program;
    const { width, height } = layout;
    using work = context.arena();
    using bootstrapper = new Bootstrapper(context, { evaluation, encapsulation }, program.bootstrap);
    const circuit = new CategoryCircuit(
      program,
      new PatternOperations(context, evaluation, work),
      bootstrapper,
    );
    const data = new CategoryOwner(context, program, secret).encrypt(table, work);
    expect(data).toHaveLength(8);
    const rows = data.slice(0, -1);
    const encryptedScores = circuit.scores(rows);
    const found = decrypted(encryptedScores);
    scores.forEach((score, j) => expect(Math.abs(found[j]! / 4 - score)).toBeLessThan(2 ** -20));
    const signs = circuit.signs(circuit.pairs(encryptedScores), program.scoreBits);
    const ranks = circuit.ranks(signs);
    // In every row of slots, less the row modulo the number of ranks.
    const foundRanks = decrypted(ranks);
    for (let row = 0; row < height; row++)
      order.forEach((column, rank) => {
        const asked = row % layout.ranks;
        expect(Math.abs(foundRanks[row * width + column]! + asked - rank)).toBeLessThan(2 ** -16);
      });
    const choices = circuit.choices(ranks);
    const chosen = circuit.chosen(choices, rows);
    const bits = decrypted(chosen);
    mirror.columns.forEach((column, r) => {
      for (let row = 0; row < spec.rows; row++) {
        const at = (row % height) * width + layout.columnOf(r, Math.floor(row / height));
        expect(Math.abs(bits[at]! - table.values[row * 12 + column]!)).toBeLessThan(2 ** -20);
      }
    });
    const indicators = circuit.categories(chosen);
    expect(indicators).toHaveLength(layout.vectors);
    const counts = circuit.counts(indicators, data.at(-1)!);
    const foundCounts = decrypted(counts);
    const block = (b: number): number[] =>
      mirror.totals.map((_total, category) => foundCounts[(b * 4 + category) * width]!);
    const negatives = mirror.totals.map((total, c) => total - mirror.positives[c]!);
    [mirror.totals, mirror.positives, negatives, [0, 0, 0, 0]].forEach((wanted, b) => {
      block(b).forEach((value, c) => expect(Math.abs(value - wanted[c]!)).toBeLessThan(2 ** -12));
    });
  });
});

describe('owner and trainer', () => {
  test('the same columns as in the clear, weights within 2^-8, AUC as the mirror; nothing else in the result', () => {
    const all = generatedTable({ rows: 250, columns: 12, seed: 1 });
    const { train, heldOut } = splitTable(all, 5);
    expect(train.labels).toHaveLength(200);
    using work = context.arena();
    const owner = new CategoryOwner(context, program, secret);
    using trainer = new CategoryTrainer(context, program, { evaluation, encapsulation });
    const data = owner.encrypt(train, work);
    const names: string[] = [];
    let keySwitches = 0;
    const checkpoints: Uint8Array[] = [];
    const result = trainer.run(data, work, {
      onStep({ name, index, of, work: done }) {
        names.push(name);
        keySwitches += done.keySwitches.length;
        expect([index, of]).toEqual([names.length, CATEGORY_STEPS.length]);
      },
      keep: (checkpoint) => checkpoints.push(writeCheckpoint(program.id, checkpoint)),
    });
    expect(names).toEqual([...CATEGORY_STEPS]);
    // What was planned is what was done.
    expect(program.bootstraps).toBe(10);
    expect(keySwitches).toBe(program.keySwitches);
    const opened = owner.open(result);
    const mirror = mirrorCategory(train, spec.chosen);
    expect(opened.columns).toEqual(mirror.columns);
    opened.weights.forEach((w, i) => expect(Math.abs(w - mirror.weights[i]!)).toBeLessThan(2 ** -12));
    const auc = (model: typeof opened): number =>
      areaUnderCurve(categoryRowScores(heldOut, model), heldOut.labels);
    expect(Math.abs(auc(opened) - auc(exactCategory(train, spec.chosen)))).toBeLessThan(0.003);
    // k indices and k + 1 weights: every other slot is zero.
    const { width, order } = program.layout;
    const given = new Set([0, width, order - 1, 2 * order - 1, 3 * order - 1]);
    decrypted(result).forEach((value, slot) => {
      if (!given.has(slot)) expect(Math.abs(value)).toBeLessThan(2 ** -20);
    });
    // Stopped after any step, it goes on to the same bytes: all of the trainer's work is deterministic.
    expect(checkpoints).toHaveLength(CATEGORY_STEPS.length - 1);
    for (const at of [2, 6, 8]) {
      using scratch = context.arena();
      const states = (step: number): number => categoryStates(program, step);
      const expected = { programId: program.id, states, steps: CATEGORY_STEPS.length };
      const from = readCheckpoint(expected, context, checkpoints[at]!, scratch);
      expect(from.step).toBe(at + 1);
      const again = trainer.run(data, scratch, { from });
      expect(Buffer.from(again.toBytes()).equals(Buffer.from(result.toBytes()))).toBe(true);
      expect(() => trainer.run(data, scratch, { from: { ...from, states: [] } })).toThrow(ShapeError);
    }
  });

  test('what does not fit is refused', async () => {
    const table = generatedTable({ rows: 200, columns: 12, seed: 3 });
    const owner = new CategoryOwner(context, program, secret);
    const with2 = { ...table, values: table.values.map((value, i) => (i === 30 ? 2 : value)) };
    expect(() => owner.encrypt(with2, arena)).toThrow(/row 3, column gene7/);
    expect(() => owner.encrypt(generatedTable({ rows: 201, columns: 12, seed: 3 }), arena)).toThrow(
      DataError,
    );
    using trainer = new CategoryTrainer(context, program, { evaluation, encapsulation });
    using work = context.arena();
    const data = owner.encrypt(table, work);
    expect(() => trainer.run(data.slice(1), work)).toThrow(ShapeError);
    expect(() => trainer.run([...data.slice(0, -1), data[0]!], work)).toThrow(ShapeError);
    const from =
      (step: number, ...states: CkksCiphertext[]) =>
      () =>
        trainer.run(data, work, { from: { step, states } });
    for (const step of [-1, CATEGORY_STEPS.length]) expect(from(step, data[0]!)).toThrow(ShapeError);
    const other = CkksParams.bootstrapping({ logN: 11, security: 'insecure-for-tests' });
    using another = await CkksContext.open(other);
    using otherArena = another.arena();
    using otherSecret = another.keyGenerator().secretKey();
    using encryptor = another.encryptor(otherSecret, otherArena);
    const foreign = encryptor.encrypt(another.encoder(otherArena).encode([1], { level: 3 }));
    expect(from(1, foreign)).toThrow(ParamsMismatchError);
    expect(() => new CategoryOwner(another, program, secret)).toThrow(ParamsMismatchError);
  });
});

describe('programs', () => {
  test('what a person may write down', () => {
    const full: CategorySpec = { kind: 'category', version: 1, rows: 1600, features: 105, chosen: 5 };
    const parsed = parseCategoryProgram(JSON.parse(JSON.stringify(full)));
    expect(parsed.params.isInsecure).toBe(false);
    expect([parsed.ciphertexts, parsed.topLevel, parsed.layout.width]).toEqual([8, 8, 128]);
    expect(parsed.bootstraps).toBe(10);
    expect(parsed.predictedSeconds).toBeLessThan(120);
    expect(parseCategoryProgram({ ...full, rows: 1601 }).id).not.toBe(parsed.id);
    const bad: Partial<Record<keyof CategorySpec, unknown>>[] = [
      { rows: 32 },
      { rows: 2048 },
      { rows: 1.5 },
      { features: 4 },
      { features: 129 },
      { chosen: 0 },
      { chosen: 7 },
    ];
    for (const change of bad)
      expect(() => parseCategoryProgram({ ...full, ...change }), JSON.stringify(change)).toThrow(
        OutOfRangeError,
      );
    for (const change of [{ kind: 'logistic' }, { version: 2 }, { extra: 1 }, { rows: undefined }])
      expect(() => parseCategoryProgram({ ...full, ...change })).toThrow(DataError);
    expect(() => parseCategoryProgram([])).toThrow(DataError);
    expect(() => new CategoryProgram(full, params)).toThrow(InvalidParamsError);
    expect(() => new CategoryProgram(full, CkksParams.bootstrapping())).toThrow(InvalidParamsError);
  });
});

describe('in the clear', () => {
  test('the order is total, whatever ties', () => {
    let state = 1;
    const random = (n: number): number => {
      state = (state * 48271) % 2147483647;
      return state % n;
    };
    for (let run = 0; run < 500; run++) {
      const scores = Array.from({ length: 9 }, () => random(7) - 3);
      const order = scoreOrder(scores);
      // Every column is beaten by as many as stand before it.
      const beats = (i: number, j: number): boolean =>
        2 * (scores[i]! - scores[j]!) + Math.sign(j - i) > 0 === 2 * (scores[i]! + scores[j]!) + 1 > 0;
      order.forEach((j, rank) => {
        expect(scores.filter((_s, i) => i !== j && beats(i, j))).toHaveLength(rank);
      });
      const rule = scores
        .map((_s, j) => j)
        .sort((i, j) => {
          const [a, b] = [scores[i]!, scores[j]!];
          if (Math.abs(a) !== Math.abs(b)) return Math.abs(b) - Math.abs(a);
          if (a >= 0 !== b >= 0) return a >= 0 ? -1 : 1;
          return a >= 0 ? i - j : j - i;
        });
      expect(order).toEqual(rule);
    }
  });

  test('the published form by quotients is the same estimator, and the mirror is near it', () => {
    for (const seed of [1, 2, 3]) {
      const table = generatedTable({ rows: 1600, columns: 30, seed });
      const exact = exactCategory(table, 5);
      const quotient = quotientCategory(table, 5);
      const mirror = mirrorCategory(table, 5);
      expect(quotient.columns).toEqual(exact.columns);
      exact.weights.forEach((w, i) => expect(Math.abs(quotient.weights[i]! - w)).toBeLessThan(1e-10));
      // What the ridge does to weights is small, and to the order of rows smaller.
      const largest = Math.max(...exact.weights.map(Math.abs));
      mirror.weights.forEach((w, i) => expect(Math.abs(w - exact.weights[i]!)).toBeLessThan(0.1 * largest));
      const [a, b] = [exact, mirror].map((model) =>
        areaUnderCurve(categoryRowScores(table, model), table.labels),
      );
      expect(Math.abs(a! - b!)).toBeLessThan(0.003);
    }
  });
});
