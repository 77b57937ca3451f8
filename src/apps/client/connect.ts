/**
 * `connect`: a model of a server, asked on encrypted data. In a page all cryptography runs in a worker, which alone has the secret key;
 * elsewhere (Node, a worker of one's own) it runs in place.
 */
import * as arg from '../../base/arguments.ts';
import type { ConnectedModel, ConnectOptions } from './client-types.ts';

/**
 * Connects to a model: reads the offer, makes or takes up keys, and uploads them when the server lacks them.
 *
 * @throws {UsageError} for an address or a model that there is not, {@link TransportError} when the server is not to be had,
 * {@link ProtocolError | DecodeError | InsecureParamsError} when it offers what a client must not take, {@link KernelError} when there is
 * no WebAssembly, or the signal's reason.
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<ConnectedModel> {
  arg.checkArguments('connect', [url, options], { url: arg.text, options: arg.optional(arg.options) });
  if (typeof document !== 'undefined') {
    const { WorkerModel } = await import('./worker-model.ts');
    return WorkerModel.open(url, options);
  }
  const { InferenceSession } = await import('./inference-session.ts');
  return InferenceSession.open(url, options);
}
