/** `subrosa serve`: one process that answers encrypted questions about one or more models. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import {
  checkOrigin,
  type ListenOptions,
  type LiveModels,
  listen,
  type OpenModelsOptions,
  openLiveModels,
  parsePrincipalRule,
  type RunningServer,
  ServerLog,
} from '../../server/index.ts';
import { openBudgetFile } from './budget-file.ts';
import { installation } from '../installation.ts';
import { programsAt } from '../../server/program-files.ts';
import type { EngineParts } from '../parts.ts';
import type { ServedModel } from '../../../protocols/inference/responder.ts';
import { errorLine } from '../terminal/report-error.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { plural } from '../terminal/table.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';
import { tlsOptions } from '../tls-files.ts';

export interface ServeFlags {
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly insecureListen?: boolean;
  readonly models: string;
  readonly network?: string;
  readonly keyMemory: number;
  readonly keys?: string;
  readonly keyDisk: number;
  readonly keyDays: number;
  readonly maxPending: number;
  readonly maxPendingSeconds: number;
  readonly queryBudget?: number;
  readonly budgetFile?: string;
  readonly principal: string;
  readonly corsOrigin?: readonly string[];
  readonly metricsPort?: number;
  readonly metricsHost: string;
  readonly logLevel: 'info' | 'warn' | 'silent';
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
  /** With the next three, a gateway of a fleet. */
  readonly fleet?: string;
  readonly blobs?: string;
  readonly fleetSecret?: string;
  readonly fleetCredentials?: string;
  readonly grace: number;
}

export const DEFAULT_PORT = 8414;

/** Serves until SIGTERM or SIGINT, then lets running evaluations finish. SIGHUP reads the models anew. */
export async function serve(
  names: readonly string[],
  flags: ServeFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (flags.blobs !== undefined) throw new UsageError('--blobs is for a fleet: give --fleet, too');
  if (names.length === 0) throw new UsageError('which model? Give names or program files');
  const log = new ServerLog(flags.logLevel);
  const options = listenOptions(flags, log);
  await using service = await withSpinner(terminal, `compiling ${names.join(', ')}`, async () =>
    openLiveModels(await modelsNamed(names, flags, parts), {
      start: (models) => parts.startService(models),
      keyMemoryBytes: flags.keyMemory * 2 ** 20,
      ...keyFolder(flags),
      onNote: (sentence) => log.warn('keys', { reason: sentence }),
    }),
  );
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const server = await listen(service, options);
  const models = service.offers().map((offer) => offer.model);
  sayReady(server, models, service.kernel, flags, terminal);
  const reload = () => {
    replaceModels(service, () => modelsNamed(names, flags, parts), flags.json === true, terminal);
  };
  process.on('SIGHUP', reload);
  try {
    await closeWhen(stopped, server, flags.json === true, terminal);
  } finally {
    process.off('SIGHUP', reload);
  }
}

/** What a server and a gateway listen with. */
export function listenOptions(flags: ServeFlags, log: ServerLog): ListenOptions {
  return {
    host: flags.host,
    port: flags.port,
    insecureListen: flags.insecureListen === true,
    log,
    principal: parsePrincipalRule(flags.principal, (path) => readFileSync(path, 'utf8')),
    corsOrigins: (flags.corsOrigin ?? []).map(checkOrigin),
    ...(flags.metricsPort === undefined
      ? {}
      : { metricsPort: flags.metricsPort, metricsHost: flags.metricsHost }),
    ...keptBudget(flags),
    limits: {
      keyCapacityBytes: flags.keyMemory * 2 ** 20,
      maxPending: flags.maxPending,
      maxPendingMs: 1000 * flags.maxPendingSeconds,
      samplesPerPrincipal: flags.queryBudget ?? Number.POSITIVE_INFINITY,
    },
    ...tlsOptions(flags),
  };
}

/** Says that a server takes work, for a person or as a JSON line. */
export function sayReady(
  server: RunningServer,
  models: readonly string[],
  kernel: { readonly name: string; readonly isa: string; readonly threads: number },
  flags: Pick<ServeFlags, 'json'>,
  terminal: Terminal,
): void {
  if (flags.json === true) {
    const { url, metricsUrl: metrics } = server;
    terminal.out(`${JSON.stringify({ ready: true, url, metrics, models, kernel, pid: process.pid })}\n`);
    return;
  }
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const { name, isa, threads } = kernel;
  const how = threads === 0 ? `${name} ${isa}` : `${name} ${isa}, ${plural(threads, 'thread')}`;
  terminal.out(
    `${paint.green('ready')} ${paint.bold(server.url)}  ${models.join(', ')}  ${paint.dim(how)}\n`,
  );
  if (server.metricsUrl !== undefined) terminal.out(`${paint.dim('metrics')} ${server.metricsUrl}\n`);
}

/** Names in the models directory, paths, program files and folders of them. */
export async function modelsNamed(
  names: readonly string[],
  flags: Pick<ServeFlags, 'models' | 'network'>,
  parts: EngineParts,
): Promise<ServedModel[]> {
  const models = names.map(async (name): Promise<ServedModel[]> => {
    const programs = programsAt(name);
    if (programs !== undefined) return programs;
    const directory = name.includes('/') ? name : join(flags.models, name);
    const shipped = programsAt(directory);
    if (shipped !== undefined) return shipped;
    return [{ name: basename(directory), network: await parts.loadNetwork(directory, flags.network) }];
  });
  return (await Promise.all(models)).flat();
}

/** What cannot be read or compiled leaves the models as they are; both are said. */
async function replaceModels(
  service: LiveModels,
  read: () => Promise<readonly ServedModel[]>,
  isJson: boolean,
  terminal: Terminal,
): Promise<void> {
  let said: { replaced: boolean; models: string[]; reason?: string };
  const names = () => service.offers().map((offer) => offer.model);
  try {
    await service.replace(await read());
    said = { replaced: true, models: names() };
  } catch (error) {
    said = { replaced: false, models: names(), reason: errorLine(error) };
  }
  const text = said.replaced ? 'replaced the models by' : `kept the models (${said.reason}):`;
  terminal.out(isJson ? `${JSON.stringify(said)}\n` : `${text} ${said.models.join(', ')}\n`);
}

function keyFolder({ keys, keyDisk, keyDays }: ServeFlags): Pick<OpenModelsOptions, 'keys'> {
  if (keys === undefined) return {};
  return { keys: { directory: keys, capacityBytes: keyDisk * 2 ** 20, keptDays: keyDays } };
}

/** Waits for the reason to stop, then drains; says both, for a person or as JSON lines. */
export async function closeWhen(
  stopped: Promise<string>,
  server: { close(): Promise<void> },
  isJson: boolean,
  terminal: Terminal,
): Promise<void> {
  const reason = await stopped;
  terminal.out(isJson ? `${JSON.stringify({ stopping: true, reason })}\n` : `stopping (${reason})\n`);
  await server.close();
  if (isJson) terminal.out(`${JSON.stringify({ stopped: true })}\n`);
}

/** @throws {UsageError} for a file without a budget. */
function keptBudget({ budgetFile, queryBudget }: ServeFlags): Pick<ListenOptions, 'kept'> {
  if (budgetFile === undefined) return {};
  if (queryBudget === undefined)
    throw new UsageError('--budget-file keeps what --query-budget counts: give both');
  return { kept: openBudgetFile(budgetFile) };
}

/** Resolves once with why. A parent that holds our standard input and dies takes this process along. */
export function stopRequest(whileStdinOpen: boolean): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
    if (whileStdinOpen) process.stdin.resume().once('close', () => resolve('standard input closed'));
  });
}

/** For commander: a whole number in an interval. */
export function wholeNumber(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d{1,9}$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`a whole number from ${low} to ${high} is needed.`);
    }
    return value;
  };
}

/** A share or a probability: above 0 and at most 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError('a number above 0 and at most 1 is needed.');
}

export const SERVE_DEFAULTS = {
  models: installation.models,
  keyMemory: 2048,
  keyDisk: 8192,
  keyDays: 90,
  maxPending: 64,
  maxPendingSeconds: 120,
  grace: 3600,
};
