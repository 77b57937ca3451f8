/**
 * Node's own modules without an import statement: a bundler for browsers follows every import, also those that only Node
 * would run, and stops at `node:`.
 */
import { KernelError } from '../base/errors.ts';

/** @throws {KernelError} outside Node, and before Node 20.16. */
export function nodeBuiltins() {
  const { process } = globalThis;
  if (process?.getBuiltinModule === undefined)
    throw new KernelError('native', 'this is not Node, or an old one');
  return {
    fs: process.getBuiltinModule('node:fs'),
    module: process.getBuiltinModule('node:module'),
    path: process.getBuiltinModule('node:path'),
    url: process.getBuiltinModule('node:url'),
    v8: process.getBuiltinModule('node:v8'),
  };
}

/** `name`, a path, in the nearest folder above this file that has it: the sources run from src/, the build from dist/src/. */
export function fileAbove(name: string): string | undefined {
  const { fs, path, url } = nodeBuiltins();
  // Bundles that are no modules have no address of their own.
  if (import.meta.url === undefined) return undefined;
  for (let at = path.dirname(url.fileURLToPath(import.meta.url)); ; at = path.dirname(at)) {
    const candidate = path.join(at, name);
    if (fs.existsSync(candidate)) return candidate;
    if (at === path.dirname(at)) return undefined;
  }
}
