/** The server of `subrosa web`: encrypted inference as `subrosa serve` has it, the pages, and what the server sees. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { DataError } from '../../base/errors.ts';
import { type AppOptions, buildApp, type InferenceService, ServerLog } from '../server/index.ts';
import { addPages, addSights, filesOf, servedFile, type ServedFile } from './page-routes.ts';
import { Witness } from './witness.ts';

export interface WebAppOptions extends Omit<AppOptions, 'log'> {
  /** The built pages. */
  readonly pages: string;
  /** Further files, by the path at which they are served. */
  readonly files: ReadonlyMap<string, string>;
  /** Whether pages see what the server sees of everybody: that somebody asks, when and how much. */
  readonly showsLog: boolean;
}

/** @throws {DataError} when the pages have not been built. */
export function buildWebApp(service: InferenceService, options: WebAppOptions): FastifyInstance {
  const { pages, files, showsLog, ...appOptions } = options;
  if (!existsSync(join(pages, 'index.html')))
    throw new DataError('the pages are not built: run `npm run web` in a checkout');
  const witness = new Witness();
  const log = new ServerLog('info', witness.destination);
  const app = buildApp(witness.watch(service), { ...appOptions, log });
  const served = new Map<string, ServedFile>();
  for (const name of filesOf(pages)) {
    if (!name.startsWith('.')) served.set(`/${name}`, servedFile(join(pages, name)));
  }
  for (const [path, file] of files) served.set(path, servedFile(file));
  addPages(app, served);
  if (showsLog) addSights(app, witness);
  return app;
}
