/** The server of `subrosa web`: encrypted inference as `subrosa serve` has it, the pages, and what the server sees. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { DataError } from '../../base/errors.ts';
import { type AppOptions, buildApp, type InferenceService, ServerLog } from '../server/index.ts';
import { addEdges, edgeOrigins } from './edge-routes.ts';
import type { EdgePair } from './edge-pair.ts';
import { WAKE_PATH, type WakeWordOffer } from './pages/wake-messages.ts';
import { addPages, addSights, filesOf, ServedFile } from './page-routes.ts';
import { addTraining, type TrainingDesk } from './training-desk.ts';
import { Witness } from './witness.ts';

export interface WebAppOptions extends Omit<AppOptions, 'log'> {
  /** The built pages. */
  readonly pages: string;
  /** Further files, by the path at which they are served. */
  readonly files: ReadonlyMap<string, string>;
  /** To try the page that recognises speech with. */
  readonly recordings: readonly { readonly name: string; readonly path: string; readonly text?: string }[];
  /** Whether pages see what the server sees of everybody: that somebody asks, when and how much. */
  readonly showsLog: boolean;
  /** What the pages of the other modes talk to; they say that there is none where it is left out. */
  readonly edges?: (witness: Witness) => Promise<EdgePair>;
  readonly training?: TrainingDesk;
  /** The word that the service listens for, or what to install for one. */
  readonly wakeWord?: WakeWordOffer;
}

/** @throws {DataError} when the pages have not been built. */
export async function buildWebApp(
  service: InferenceService,
  options: WebAppOptions,
): Promise<FastifyInstance> {
  const { pages, files, recordings, showsLog, edges, training, wakeWord, ...appOptions } = options;
  if (!existsSync(join(pages, 'index.html')))
    throw new DataError('the pages are not built: run `npm run web` in a checkout');
  const witness = new Witness();
  const log = new ServerLog('info', witness.destination);
  const app = buildApp(witness.watch(service), { ...appOptions, log });
  const served = new Map<string, ServedFile>();
  for (const name of filesOf(pages)) {
    if (!name.startsWith('.')) served.set(`/${name}`, new ServedFile(join(pages, name)));
  }
  for (const [path, file] of files) served.set(path, new ServedFile(file));
  for (const { name, path } of recordings) served.set(`/recordings/${name}`, new ServedFile(path));
  const pair = await edges?.(witness);
  addPages(app, served, pair === undefined ? undefined : edgeOrigins(pair, options.tls !== undefined));
  if (pair !== undefined) addEdges(app, pair);
  if (training !== undefined) addTraining(app, training);
  app.get('/recordings/', () => recordings.map(({ name, text }) => ({ path: `/recordings/${name}`, text })));
  app.get(WAKE_PATH, () => wakeWord ?? { missing: 'This server listens for no word.' });
  if (showsLog) addSights(app, witness);
  return app;
}
