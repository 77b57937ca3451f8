/** The thread in which a server evaluates: opens a responder, then serves one request after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { SubrosaError } from '../../base/errors.ts';
import { readProgram } from '../../compiler/program-file.ts';
import type { AnyProgram } from '../../compiler/exact/exact-program.ts';
import { openKernel } from '../../kernel/open.ts';
import { PolynomialNetwork } from '../../nn/polynomial/polynomial-network.ts';
import { InferenceResponder } from '../../protocols/inference/responder.ts';
import { modelName } from '../../protocols/inference/names.ts';
import { meterProgram } from '../../runtime/meter-machine.ts';
import { CANCEL, type ThreadReply, type ThreadRequest, type ThreadSetup } from './thread-messages.ts';

const setup = workerData as ThreadSetup;
const port = parentPort!;
const cancelled = new Int32Array(setup.cancelled);

const kernel = await openKernel(setup.kernel);
const models = setup.models.map((model) =>
  'program' in model
    ? { program: readProgram(model.program).program }
    : { name: model.name, network: PolynomialNetwork.fromBytes(model.network) },
);
const { replySecret } = setup;
const responder = await InferenceResponder.open(models, kernel, { replySecret });
replySecret.fill(0);
const programs = new Map(responder.programs().map((program) => [program.name, program]));

/** Milliseconds on a reference processor, by bucket. */
function predictedMs(model: string): number[] {
  const program = programs.get(model);
  return (program?.buckets ?? []).map((bucket) =>
    meterProgram(program as AnyProgram, bucket).reduce((sum, { referenceMs }) => sum + referenceMs, 0),
  );
}

port.postMessage({
  kind: 'ready',
  kernel: { name: kernel.name, isa: kernel.isa, threads: kernel.threads },
  models: responder.offers().map((offer) => {
    const model = modelName(offer.model);
    return {
      offer,
      enrolmentBytes: responder.enrolmentBytes(model),
      queryBytes: responder.queryBytes(model),
      predictedMs: predictedMs(model),
    };
  }),
} satisfies ThreadReply);

port.on('message', (request: ThreadRequest) => {
  try {
    serve(request);
  } catch (error) {
    const known = error instanceof SubrosaError;
    // The code and sentence of our own errors are free of secrets by rule; anything else stays inside.
    const message = known ? error.message : 'internal error';
    port.postMessage({
      kind: 'failed',
      id: request.id,
      code: known ? error.code : 'internal',
      message,
    } satisfies ThreadReply);
  }
});

function serve(request: ThreadRequest): void {
  switch (request.kind) {
    case 'enrol': {
      const value = responder.enrol(request.tenant, request.model, request.message);
      port.postMessage({ kind: 'enrolled', id: request.id, keyId: value } satisfies ThreadReply);
      return;
    }
    case 'answer': {
      const checkpoint = () => {
        if (Atomics.load(cancelled, request.id % CANCEL) === request.id) throw new Error('cancelled');
      };
      const answer = responder.answer(request.tenant, request.model, request.keyId, request.query, {
        checkpoint,
      });
      port.postMessage({ kind: 'answered', id: request.id, answer } satisfies ThreadReply, [
        answer.bytes.buffer as ArrayBuffer,
      ]);
      return;
    }
    case 'rotate':
      responder.rotateReplySecret(request.replySecret);
      request.replySecret.fill(0);
      return;
    case 'forget':
      responder.forget(request.tenant, request.model, request.keyId);
      port.postMessage({ kind: 'forgotten', id: request.id } satisfies ThreadReply);
  }
}
