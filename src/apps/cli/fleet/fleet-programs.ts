/** Models as a fleet's catalogue takes them. */
import { compile } from '../../../compiler/compile.ts';
import type { AnyProgram } from '../../../compiler/exact/exact-program.ts';
import type { ServedModel } from '../../../protocols/inference/responder.ts';

/** One of our own networks is compiled here, once, and not in every worker. */
export function programOf(model: ServedModel): AnyProgram {
  return 'program' in model ? model.program : compile(model.network, { name: model.name });
}
