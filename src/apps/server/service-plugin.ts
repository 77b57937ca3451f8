/**
 * Encrypted inference within an application of one's own: a Fastify plugin that brings its routes, its limits and its evaluation thread,
 * and leaves everything outside of its prefix as it is.
 */
import type { FastifyPluginAsync } from 'fastify';
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { KernelOptions } from '../../kernel/kernel.ts';
import type { ServedModel } from '../../protocols/inference/responder.ts';
import { serveInference } from './app.ts';
import type { AppOptions } from './app-state.ts';
import { takeBinaryBodies } from './binary-fastify.ts';
import { InferenceServer } from './inference-server.ts';
import { KeyFolder } from './keys/key-folder.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LiveModels } from './live-models.ts';
import { programsIn } from './program-files.ts';

/** A model in memory, or the path of a program file or of a folder of them. */
export type ModelSource = ServedModel | string;

/** Where and how long enrolled keys are kept on disk. */
export interface KeyFolderSettings {
  /** For this process alone; it is made where it is missing, readable by nobody else. */
  readonly directory: string;
  /** 8 GiB by default. */
  readonly capacityBytes?: number;
  /** Keys that nobody used for so many days are removed at the next start; 90 by default. */
  readonly keptDays?: number;
}

export interface ServiceOptions extends Omit<AppOptions, 'tls'> {
  readonly models: readonly ModelSource[];
  /** Keys outlive the process in this folder; without it they are in memory. */
  readonly keys?: KeyFolderSettings;
  readonly kernel?: KernelOptions;
  /** How long replaced models still answer, milliseconds; ten minutes by default. */
  readonly replacedMs?: number;
}

export const DEFAULT_KEPT_DAYS = 90;

/** What {@link createService} makes. It ends with the application that it is registered in, or when it is disposed of. */
export class EncryptedService implements AsyncDisposable {
  /** `await app.register(service.plugin, { prefix: '/private' })`; clients then connect to `https://HOST/private`. */
  readonly plugin: FastifyPluginAsync;
  readonly #live: LiveModels;

  /** @internal */
  constructor(live: LiveModels, options: AppOptions) {
    this.#live = live;
    this.plugin = async (scope) => {
      takeBinaryBodies(scope, { ...DEFAULT_LIMITS, ...options.limits });
      serveInference(scope, live, options);
      scope.addHook('onClose', () => live[Symbol.asyncDispose]());
    };
  }

  /** What clients are offered now. */
  offers(): readonly Offer[] {
    return this.#live.offers();
  }

  /**
   * Puts other models in the place of these without refusing anybody: queries that were made for the earlier ones are still answered for
   * a while, and keys that fit go on fitting.
   * @throws {DataError} for a path, or what compiling throws; then nothing has changed.
   */
  replace(models: readonly ModelSource[]): Promise<void> {
    return this.#live.replace(readModels(models));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#live[Symbol.asyncDispose]();
  }
}

/**
 * Compiles the models in a thread of their own and opens the folder of keys.
 * @throws {DataError} for a path, {@link KeyFileError} for a folder that others may read, what compiling throws.
 */
export async function createService(options: ServiceOptions): Promise<EncryptedService> {
  arg.checkArguments('createService', [options], { options: arg.like('ServiceOptions', 'models') });
  const { models, keys, kernel = {}, replacedMs, ...appOptions } = options;
  const live = await openLiveModels(readModels(models), {
    start: (each) => InferenceServer.start(each, { kernel }),
    ...(keys !== undefined && { keys }),
    ...(replacedMs !== undefined && { replacedMs }),
    ...(options.limits?.keyCapacityBytes !== undefined && {
      keyMemoryBytes: options.limits.keyCapacityBytes,
    }),
    onNote: (sentence) => options.log?.warn('keys', { reason: sentence }),
  });
  return new EncryptedService(live, appOptions);
}

function readModels(models: readonly ModelSource[]): ServedModel[] {
  return models.flatMap((model) => (typeof model === 'string' ? programsIn(model) : [model]));
}

export interface OpenModelsOptions {
  readonly start: Parameters<typeof LiveModels.start>[1]['start'];
  readonly keys?: KeyFolderSettings;
  readonly keyMemoryBytes?: number;
  readonly replacedMs?: number;
  readonly onNote?: (sentence: string) => void;
}

/** Models with a folder of keys, or without one. */
export async function openLiveModels(
  models: readonly ServedModel[],
  { start, keys, keyMemoryBytes, replacedMs, onNote }: OpenModelsOptions,
): Promise<LiveModels> {
  const memory = {
    ...(keyMemoryBytes !== undefined && { keyMemoryBytes }),
    ...(replacedMs !== undefined && { replacedMs }),
  };
  if (keys === undefined) return LiveModels.start(models, { start, ...memory });
  const { directory, capacityBytes, keptDays = DEFAULT_KEPT_DAYS } = keys;
  const shelf = await KeyFolder.open(directory, { keptDays, ...(onNote !== undefined && { onNote }) });
  return LiveModels.start(models, {
    ...{ start, shelf, ...memory },
    ...(capacityBytes !== undefined && { shelfBytes: capacityBytes }),
  });
}

printOnOneLine(EncryptedService);
arg.guard('EncryptedService', EncryptedService.prototype, { replace: { models: arg.list } });
