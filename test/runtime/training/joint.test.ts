/** Training of several owners at a toy ring, with their keys and refreshes in one process. */
import { expect, test } from 'vitest';
import { InvalidParamsError, OutOfRangeError } from '../../../src/base/errors.ts';
import { encryptOwnRows } from '../../../src/runtime/training/joint-rows.ts';
import { JointTrainer } from '../../../src/runtime/training/joint-trainer.ts';
import {
  generatedTable,
  type LabelledTable,
  LogisticProgram,
  type LogisticSpec,
  mirrorLogistic,
  standardised,
  tableStandardisation,
} from '../../../src/runtime/training/index.ts';
import { CollectiveRefresh } from '../../../src/schemes/ckks/collective/refresh.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { makeParties, openJointContext, phaseOf, SESSION } from '../../schemes/ckks/collective/parties.ts';

const LOG_N = 8;
const SPEC: LogisticSpec = {
  kind: 'logistic',
  version: 1,
  rows: 41,
  features: 5,
  iterations: 6,
  rate: 1,
  decay: 0,
  weightBound: 2,
  rule: 'publish',
  bootstrapping: false,
  owners: [15, 9, 17],
};

function program(change: Partial<LogisticSpec> = {}): LogisticProgram {
  return new LogisticProgram(
    { ...SPEC, ...change },
    CkksParams.joint({ logN: LOG_N, security: 'insecure-for-tests' }),
  );
}

function rowsBetween(table: LabelledTable, from: number, to: number): LabelledTable {
  const width = table.columns.length;
  return {
    columns: table.columns,
    values: table.values.slice(from * width, to * width),
    labels: table.labels.slice(from, to),
  };
}

test('three owners train what training on the union gives', async () => {
  const joint = program();
  const raw = generatedTable({ rows: 41, columns: 5, seed: 3 });
  const table = standardised(raw, tableStandardisation(raw));
  using context = await openJointContext('joint training', { logN: LOG_N });
  using arena = context.arena();
  using parties = makeParties(context, 3, joint.keyPlan);
  const owned = [0, 1, 2].map((party) => {
    const { from, to } = joint.rowsOf(party);
    return encryptOwnRows(context, joint, party, rowsBetween(table, from, to), parties.publicKey, arena);
  });
  expect(owned.flat().length).toBeGreaterThan(joint.ciphertexts);
  using trainer = new JointTrainer(context, joint, parties.evaluation);
  const refresh = new CollectiveRefresh(context, joint.refreshTerms);
  expect(refresh.level).toBe(joint.refreshLevel);
  const run = trainer.run(owned, arena);
  let next = run.next();
  let refreshes = 0;
  while (next.done !== true) {
    const { ciphertext, iteration } = next.value;
    const shares = parties.shares.map((share) => refresh.share(share, iteration, ciphertext));
    next = run.next(refresh.combine(SESSION, iteration, ciphertext, shares, arena));
    refreshes++;
  }
  expect(refreshes).toBe(joint.refreshes);
  const message = phaseOf(context, next.value, parties.secret);
  const clear = mirrorLogistic(table, joint.steps).weights;
  // The message is the weights of the union, periodic in the columns; the masks of the margins have 19 bits.
  const encoder = context.encoder(arena);
  const slots = new Float64Array(joint.width);
  slots.set(clear);
  const expected = encoder.encode(slots, { level: 2, scale: next.value.scale, slots: joint.width });
  const words = context.kernel.allocate(expected.polynomial.words.length);
  words.u64().set(expected.polynomial.words.u64());
  context.kernel.nttInverse(context.ring.tables, words, expected.polynomial.mods);
  const ideal = new Float64Array(context.params.n);
  context.kernel.toDoubles(context.ring.tables, ideal, words, expected.polynomial.mods);
  words[Symbol.dispose]();
  const worst = message.reduce((most, value, j) => Math.max(most, Math.abs(value - ideal[j]!)), 0);
  expect(worst / next.value.scale).toBeLessThan(2 ** -20);
});

test('programs of several owners say what does not fit', () => {
  expect(() => program({ owners: [41] })).toThrow(OutOfRangeError);
  expect(() => program({ owners: new Array<number>(17).fill(3), rows: 51 })).toThrow(OutOfRangeError);
  expect(() => program({ owners: [20, 20] })).toThrow('40 rows together');
  expect(() => program({ rule: 'keep' })).toThrow(InvalidParamsError);
  expect(() => program().assertOneOwner()).toThrow('several owners');
  expect(program().id).not.toBe(program({ owners: [9, 15, 17] }).id);
});
