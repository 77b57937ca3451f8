/** The loop that all machines share: one handler per kind of step, in the order of the program. */
import type { Program, Step } from '../compiler/program.ts';

/** What a machine does for each kind of step. */
export type StepHandlers = {
  readonly [Op in Step['op']]: (step: Extract<Step, { readonly op: Op }>) => void;
};

export interface EvaluationControl {
  /** Called between steps and tiles; throws to stop the evaluation (a client that left). */
  readonly checkpoint?: () => void;
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
