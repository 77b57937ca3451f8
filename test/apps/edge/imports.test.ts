/** Whoever uses edges alone installs no HTTP server, and their compiler needs none of its declarations. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = new URL('../../..', import.meta.url).pathname;

/** Packages that a file names, itself or by what it imports, types included. */
function packagesBehind(file: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(file)) return packages;
  seen.add(file);
  for (const [, from] of readFileSync(file, 'utf8').matchAll(/(?:from|import) '([^']+)'/g)) {
    if (!from!.startsWith('.')) packages.add(from!);
    else for (const each of packagesBehind(resolve(file, '..', from!), seen)) packages.add(each);
  }
  return packages;
}

test('nothing behind subrosa/edge names the HTTP server', () => {
  const server = ['fastify', 'pino'];
  const behind = (entry: string) => packagesBehind(join(ROOT, entry));
  expect(server.filter((name) => behind('src/apps/edge/index.ts').has(name))).toEqual([]);
  // That the walk finds it where it is.
  expect(behind('src/apps/server/index.ts').has('fastify')).toBe(true);
});
