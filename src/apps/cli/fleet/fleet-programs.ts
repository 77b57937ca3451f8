/** Models as a fleet's catalogue takes them. */
import { compile } from '../../../compiler/compile.ts';
import type { Program } from '../../../compiler/program.ts';
import type { ServedModel } from '../../../protocols/inference/responder.ts';

/** One of our own networks is compiled here, once, and not in every worker. */
export function programOf(model: ServedModel): Program {
  return 'program' in model ? model.program : compile(model.network, { name: model.name });
}
