/** Learning rate as a function of the step: plain data, so that a resumed run follows the same curve. */
import * as arg from '../../base/arguments.ts';
export type Schedule =
  | { readonly kind: 'constant'; readonly rate: number }
  /** Linear rise over `warmup` steps, then half a cosine from `rate` to `rate * floor` at step `steps`. */
  | {
      readonly kind: 'cosine';
      readonly rate: number;
      readonly steps: number;
      readonly warmup?: number;
      readonly floor?: number;
    }
  /** Multiplied by `factor` at every multiple of `every` steps. */
  | { readonly kind: 'staircase'; readonly rate: number; readonly every: number; readonly factor: number };

/** The rate of step `step`, counted from 0. */
export function learningRate(schedule: Schedule, step: number): number {
  arg.checkArguments('learningRate', [schedule, step], { schedule: arg.options, step: arg.number });
  switch (schedule.kind) {
    case 'constant':
      return schedule.rate;
    case 'cosine': {
      const warmup = schedule.warmup ?? 0;
      if (step < warmup) return (schedule.rate * (step + 1)) / warmup;
      const floor = schedule.floor ?? 0;
      const progress = Math.min(1, (step - warmup) / Math.max(1, schedule.steps - warmup));
      return schedule.rate * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
    }
    case 'staircase':
      return schedule.rate * schedule.factor ** Math.floor(step / schedule.every);
  }
}
