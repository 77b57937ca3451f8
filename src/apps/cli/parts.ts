/** The engine behind the commands, in one object, so that tests can run every command with a small one in its place. */
import type { Offer } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { openKernel } from '../../kernel/open.ts';
import type { PolynomialNetwork } from '../../nn/index.ts';
import { InferenceClient } from '../../protocols/inference/client.ts';
import { parseOffer } from '../../protocols/inference/offer.ts';
import type { ServedModel } from '../../protocols/inference/responder.ts';
import { InferenceServer, type InferenceServerOptions } from '../server/inference-server.ts';
import type { InferenceService } from '../server/index.ts';
import { loadClearNetworks, loadNetwork, loadRecogniser } from './speech/model-files.ts';
import type { ClearNetworks, Recogniser } from '../speech-client/recogniser.ts';
import { CommandProcess, type ServerReady } from './server-process.ts';
import type { EncryptingClient } from '../speech-client/utterance.ts';

export interface StartedServer extends AsyncDisposable {
  readonly ready: ServerReady;
}

export interface RunningService extends InferenceService, AsyncDisposable {
  readonly kernel: ServerReady['kernel'];
}

export interface EngineParts {
  /** `onFallback` is told why WebAssembly does the work. */
  openKernel(onFallback: (reason: string) => void): Promise<Kernel>;
  /** The client's part of a model. @throws {DataError} when the directory holds none. */
  loadRecogniser(directory: string, multiply: Kernel): Promise<Recogniser>;
  loadNetwork(directory: string, name?: string): Promise<PolynomialNetwork>;
  loadClearNetworks(directory: string, multiply: Kernel): Promise<ClearNetworks>;
  startService(models: readonly ServedModel[], options?: InferenceServerOptions): Promise<RunningService>;
  /** Runs a server in a process of its own; `args` as for `subrosa serve`. */
  startServer(args: readonly string[], onNote: (line: string) => void): Promise<StartedServer>;
  /** Checks an offer that came over the network. */
  parseOffer(value: unknown): Offer;
  createClient(offer: Offer, kernel: Kernel): Promise<EncryptingClient>;
  restoreClient(offer: Offer, secret: Uint8Array, kernel: Kernel): Promise<EncryptingClient>;
}

export const engineParts: EngineParts = {
  openKernel: (onFallback) => openKernel({ onFallback }),
  loadRecogniser,
  loadNetwork,
  loadClearNetworks,
  startService: (models, options) => InferenceServer.start(models, options),
  startServer: (args, onNote) => CommandProcess.start<ServerReady>(['serve', ...args], onNote),
  parseOffer,
  createClient: (offer, kernel) => InferenceClient.create(offer, kernel),
  restoreClient: (offer, secret, kernel) => InferenceClient.restore(offer, secret, kernel),
};
