/** The worker of a page: cryptography, keys and connection live here; inputs come in, scores go out. One worker serves one model. */
import { InferenceSession } from './inference-session.ts';
import {
  type OpenedFacts,
  type PageMessage,
  sentError,
  type WorkerCall,
  type WorkerMessage,
} from './worker-messages.ts';
import { workerScope } from './worker-scope.ts';

const scope = workerScope<WorkerMessage, PageMessage>();
const running = new Map<number, AbortController>();
let session: InferenceSession | undefined;

function opened(): InferenceSession {
  if (session === undefined) throw new Error('the worker was asked before it was connected');
  return session;
}

async function carryOut(
  call: WorkerCall,
  signal: AbortSignal,
): Promise<Extract<WorkerMessage, { kind: 'done' }>['value']> {
  switch (call.kind) {
    case 'open': {
      const { wantsTraffic, ...options } = call.options;
      session = await InferenceSession.open(call.url, {
        ...options,
        signal,
        onProgress: (progress) => scope.postMessage({ kind: 'progress', progress }),
        ...(wantsTraffic && { onTraffic: (traffic) => scope.postMessage({ kind: 'traffic', traffic }) }),
      });
      const { describes, keys, warnings } = session;
      return { describes, keys, warnings } satisfies OpenedFacts;
    }
    case 'infer':
      return opened().infer(call.inputs, { signal });
    case 'infer-many':
      return opened().inferMany(call.samples, { signal });
    case 'forget':
      await opened().forget();
      return undefined;
  }
}

scope.addEventListener('message', ({ data }) => {
  if (data.kind === 'abort') {
    running.get(data.id)?.abort();
    return;
  }
  const { id, call } = data;
  const stop = new AbortController();
  running.set(id, stop);
  carryOut(call, stop.signal)
    .then(
      (value) => scope.postMessage({ kind: 'done', id, value }),
      (error: unknown) => scope.postMessage({ kind: 'failed', id, error: sentError(error) }),
    )
    .finally(() => running.delete(id));
});
