// Finds functions that objects of different instruction sets define under one name. A linker keeps one of them for all: the slow one, or one
// that the processor cannot run.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nativeUnits, root } from './native-sources.mjs';

// W, V, u: definitions that a linker merges.
const MERGED = /^(?<object>.*\.o):[0-9a-f]+ [WVu] (?<name>.*)$/;

/** The names that a linker merges, of `nm -A -C --defined-only`: { stem, name } each. */
export function mergedNames(text) {
  return text.split('\n').flatMap((line) => {
    const found = MERGED.exec(line)?.groups;
    return found === undefined ? [] : [{ stem: basename(found.object, '.o'), name: found.name }];
  });
}

/** Names defined under more than one set of flags: [name, stems]; `flagsOf` has the flags of every stem. */
export function sharedNames(merged, flagsOf) {
  const users = new Map();
  for (const { stem, name } of merged) users.set(name, [...(users.get(name) ?? []), stem]);
  return [...users].filter(([, stems]) => new Set(stems.map((stem) => flagsOf.get(stem))).size > 1);
}

/** Of the built addon; null without its objects or nm. */
export function sharedSymbols(arch) {
  const units = nativeUnits(arch);
  const objects = units.map(({ stem }) => join(root, 'build', 'obj', `${stem}.o`));
  if (!objects.every((object) => existsSync(object))) return null;
  const { status, stdout } = spawnSync('nm', ['-A', '-C', '--defined-only', ...objects], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const flagsOf = new Map(units.map(({ stem, flags }) => [stem, flags.join(' ')]));
  return status === 0 ? sharedNames(mergedNames(stdout), flagsOf) : null;
}
