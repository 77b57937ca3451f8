/** The noise that a release declares, against weights trained under several sets of keys: the only thing that differs between them. */
import { expect, test } from 'vitest';
import { encryptOwnRows } from '../../../src/runtime/training/joint-rows.ts';
import { jointNoiseBits } from '../../../src/runtime/training/joint-noise.ts';
import { JointTrainer } from '../../../src/runtime/training/joint-trainer.ts';
import {
  generatedTable,
  LogisticProgram,
  standardised,
  tableStandardisation,
} from '../../../src/runtime/training/index.ts';
import { CollectiveRefresh } from '../../../src/schemes/ckks/collective/refresh.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { makeParties, openJointContext, phaseOf, SESSION } from '../../schemes/ckks/collective/parties.ts';

const LOG_N = 8;

test.each([
  { parties: 2, iterations: 5, rate: 1, decay: 0 },
  { parties: 4, iterations: 9, rate: 2, decay: 0.25 },
])('$parties parties, $iterations iterations', async ({ parties: count, iterations, rate, decay }) => {
  const owners = Array.from({ length: count }, () => 12);
  const joint = new LogisticProgram(
    {
      ...{ kind: 'logistic', version: 1, rows: 12 * count, features: 3, iterations, rate, decay },
      ...{ weightBound: 4, rule: 'publish', bootstrapping: false, owners },
    },
    CkksParams.joint({ logN: LOG_N, security: 'insecure-for-tests' }),
  );
  const raw = generatedTable({ rows: 12 * count, columns: 3, seed: 11 });
  const table = standardised(raw, tableStandardisation(raw));
  using context = await openJointContext(`joint noise of ${count}`, { logN: LOG_N });
  const gap = context.params.n / (2 * joint.width);
  const runs: Float64Array[] = [];
  for (let set = 0; set < 4; set++) {
    using arena = context.arena();
    using parties = makeParties(context, count, joint.keyPlan);
    const owned = owners.map((_, party) => {
      const { from, to } = joint.rowsOf(party);
      const values = table.values.slice(3 * from, 3 * to);
      const own = { columns: table.columns, values, labels: table.labels.slice(from, to) };
      return encryptOwnRows(context, joint, party, own, parties.publicKey, arena);
    });
    using trainer = new JointTrainer(context, joint, parties.evaluation);
    const refresh = new CollectiveRefresh(context, joint.refreshTerms);
    const run = trainer.run(owned, arena);
    let next = run.next();
    while (next.done !== true) {
      const { ciphertext, iteration } = next.value;
      const shares = parties.shares.map((share) => refresh.share(share, iteration, ciphertext));
      next = run.next(refresh.combine(SESSION, iteration, ciphertext, shares, arena));
    }
    expect(next.value.scale).toBeCloseTo(joint.releaseScale, -Math.log10(joint.releaseScale) + 6);
    runs.push(phaseOf(context, next.value, parties.secret).filter((_, j) => j % gap === 0));
  }
  // What a run has beyond the mean of all is 3/4 of its variance.
  const mean = runs[0]!.map((_, j) => runs.reduce((sum, run) => sum + run[j]! / runs.length, 0));
  const squares = runs.map((run) => run.reduce((sum, value, j) => sum + (value - mean[j]!) ** 2, 0));
  const norm = Math.sqrt((squares.reduce((sum, square) => sum + square, 0) / runs.length) * (4 / 3));
  const declared = jointNoiseBits(joint);
  expect(Math.log2(norm)).toBeLessThan(declared);
  // And it is no empty promise.
  expect(Math.log2(norm)).toBeGreaterThan(declared - 8);
});
