/** The loop that all machines share: one handler per kind of step, in the order of the program. */
import { DecodeError } from '../base/errors.ts';
import type { StepSpan } from './step-times.ts';
import type { PackedStep, Program, Step } from '../compiler/program.ts';

/** What a machine does for each kind of step. */
export type StepHandlers = {
  readonly [Op in Step['op']]: (step: Extract<Step, { readonly op: Op }>) => void;
};

/** The handler of a step that a machine's programs have none of. @throws {DecodeError} */
export const misplaced = (): never => {
  throw new DecodeError('a program', 'a step of one kind of program stands in one of another');
};

/** For machines of batches. */
export const NO_PACKED_STEPS: Pick<StepHandlers, PackedStep['op']> = {
  transform: misplaced,
  rotateAdd: misplaced,
  multiplyPlain: misplaced,
  addPlain: misplaced,
  trace: misplaced,
};

/** For machines of packed programs. */
export const NO_BATCH_STEPS: Pick<StepHandlers, 'expand' | 'linear' | 'affine' | 'pack'> = {
  expand: misplaced,
  linear: misplaced,
  affine: misplaced,
  pack: misplaced,
};

export interface EvaluationControl {
  /** Called between steps and tiles; throws to stop the evaluation (a client that left). */
  readonly checkpoint?: () => void;
  /** Told of every step, or of several that run as one, when it has run. */
  readonly onSpan?: (span: StepSpan) => void;
}

export function runStep(step: Step, handlers: StepHandlers): void {
  const handle = handlers[step.op] as (step: Step) => void;
  handle(step);
}

export function runSteps(
  { steps }: Pick<Program, 'steps'>,
  handlers: StepHandlers,
  control: EvaluationControl = {},
): void {
  for (const step of steps) {
    control.checkpoint?.();
    runStep(step, handlers);
  }
}
