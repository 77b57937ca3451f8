/**
 * Bootstrapping at N = 2^16, 128 bits: seconds of one thread's processor time, predicted beside measured, and the error of every slot.
 * `--part sparse` (the default: 512 slots, 6 GB), `--part full` (2^15 slots, 13 GB), `--quick` a small insecure ring.
 */
import { UsageError } from '../../src/base/errors.ts';
import { Bootstrapper } from '../../src/circuits/bootstrap/bootstrapper.ts';
import { BootstrapPlan } from '../../src/circuits/bootstrap/plan.ts';
import {
  bitFunction,
  type CircleFunction,
  circleValue,
  identityFunction,
  smoothFunction,
  tableFunction,
} from '../../src/circuits/circle/circle-function.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { measuredCosts, processorTime } from './machine-costs.ts';

const SLOTS = { sparse: 512, full: 2 ** 15 } as const;
const [QUICK_LOG_N, QUICK_SLOTS] = [11, 64];
const RUNS = 2;

interface Case {
  readonly f: CircleFunction;
  /** The j-th input. */
  input(j: number): number;
}

/** Numbers in [0, 1) that are the same in every run. */
function spread(j: number): number {
  return (j * 0.6180339887498949) % 1;
}

function cases(): Case[] {
  const table = tableFunction(
    'table of 256',
    Array.from({ length: 256 }, (_, i) => 2 * spread(i) - 1),
  );
  const sigmoid = smoothFunction('sigmoid, degree 15', (v) => 1 / (1 + Math.exp(-v)), {
    bound: 8,
    degree: 15,
  });
  return [
    { f: identityFunction(1), input: (j) => 2 * spread(j) - 1 },
    { f: bitFunction, input: (j) => Math.round(spread(j)) },
    { f: sigmoid, input: (j) => 16 * spread(j) - 8 },
    { f: table, input: (j) => Math.floor(256 * spread(j)) },
  ];
}

export const bootstrap: Bench = async ({ quick, part = 'sparse' }, note) => {
  if (part !== 'sparse' && part !== 'full') throw new UsageError(`--part is sparse or full, not "${part}"`);
  const params = quick
    ? CkksParams.bootstrapping({ logN: QUICK_LOG_N, security: 'insecure-for-tests' })
    : CkksParams.bootstrapping();
  const plan = new BootstrapPlan(params, { slots: quick ? QUICK_SLOTS : SLOTS[part] });
  const sizes = plan.bytes();
  note(`keys ${(sizes.keys / 1e9).toFixed(1)} GB, transforms ${(sizes.factors / 1e9).toFixed(1)} GB`);
  using kernel = await openKernel({ threads: 1 });
  using context = await CkksContext.open(params, { kernel });
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using evaluation = generator.evaluationKeys(secret, plan.keyPlan());
  using encapsulation = generator.encapsulationKeys(secret);
  note('keys made');
  const top = plan.argumentLevel;
  const costs = measuredCosts(context, secret, evaluation, [top, Math.round(top / 2), 3]);
  const rows: BenchRow[] = [10, 17, 24, 27].map((limbs) => ({ limbs, keySwitchMs: costs.keySwitch(limbs) }));
  using bootstrapper = new Bootstrapper(context, { evaluation, encapsulation }, plan);
  note('transforms encoded');
  const encoder = context.encoder(arena);
  using encryptor = context.encryptor(secret, arena);
  const decryptor = context.decryptor(secret, arena);
  const { slots } = plan;
  for (const { f, input } of cases()) {
    const values = Float64Array.from({ length: slots }, (_, j) => input(j));
    const ciphertext = encryptor.encrypt(encoder.encode(values, { slots, level: plan.inputLevel }));
    let seconds = Number.POSITIVE_INFINITY;
    let [max, squares] = [0, 0];
    for (let run = 0; run < RUNS; run++) {
      const started = processorTime();
      using result = bootstrapper.apply(ciphertext, f, arena);
      seconds = Math.min(seconds, (processorTime() - started) / 1000);
      using plaintext = decryptor.decrypt(result);
      const { re, im } = encoder.decodeComplex(plaintext, { slots });
      [max, squares] = [0, 0];
      re.forEach((value, j) => {
        const error = Math.hypot(value - circleValue(f, values[j]!), im[j]!);
        max = Math.max(max, error);
        squares += error ** 2;
      });
    }
    const predicted = plan.seconds(f, costs);
    rows.push({
      ...{ slots, function: f.name, levelsLeft: plan.levelsLeft(f), seconds, predicted, threads: 1 },
      ...{ errorMaxBits: Math.log2(max), errorRmsBits: Math.log2(squares / slots) / 2 },
      ...{ keyBytes: sizes.keys, peakBytes: process.resourceUsage().maxRSS * 1024 },
    });
    note(`${f.name}: ${seconds.toFixed(2)} s, predicted ${predicted.toFixed(2)} s`);
  }
  return reportFor('bootstrap', kernel, rows);
};
