/** The figures that predictions of homomorphic work start from, measured on this machine at the parameters in question. */
import { costsFrom, type MachineCosts, type MeasuredKeySwitch } from '../../src/circuits/cost.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import type { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';

const RUNS = 3;

/** Processor time of this process, all its threads, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function leastTime(work: () => void): number {
  work();
  return Math.min(
    ...Array.from({ length: RUNS }, () => {
      const started = processorTime();
      work();
      return processorTime() - started;
    }),
  );
}

/** `levels` are where products are measured; the relinearisation key must reach them. */
export function measuredCosts(
  context: CkksContext,
  secret: SecretKey,
  keys: EvaluationKeys,
  levels: readonly number[],
): MachineCosts {
  const { kernel, ring, params } = context;
  using arena = context.arena();
  using encryptor = context.encryptor(secret, arena);
  const encoder = context.encoder(arena);
  const measured = levels.map((level): MeasuredKeySwitch => {
    const a = encryptor.encrypt(encoder.encode([0.5], { level }));
    const evaluator = context.evaluator(keys, arena);
    const time = leastTime(() => evaluator.multiplyRelinearizeRescale(a, a)[Symbol.dispose]());
    return [level + 1, time];
  });
  const top = Math.max(...levels);
  const mods = context.keyLimbs(top);
  const words = mods.length * params.n;
  using sum = kernel.allocate(2 * words);
  using factor = kernel.allocate(2 * words);
  const once = leastTime(() => kernel.mulAdd(ring.tables, sum, factor, factor.sub(0, words), mods));
  return costsFrom(measured, once / mods.length, params.p.length);
}
