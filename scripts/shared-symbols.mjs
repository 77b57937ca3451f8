// Finds what of one instruction set runs on processors that lack it: functions that objects of different sets define under one name, of
// which a linker keeps one for all, and code that fills tables when the addon is loaded.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { nativeUnits, root } from './native-sources.mjs';

// W, V, u: definitions that a linker merges.
const MERGED = /^(?<object>.*\.o):[0-9a-f]+ [WVu] (?<name>.*)$/;

// What a compiler calls the code that runs when an object is loaded.
const STARTUP = /^(?<object>.*\.o):[0-9a-f]+ t (?<name>_GLOBAL__sub_.*)$/;

/** Lines of `nm -A -C --defined-only` that match: { stem, name } each. */
function symbolsOf(text, pattern) {
  return text.split('\n').flatMap((line) => {
    const found = pattern.exec(line)?.groups;
    return found === undefined ? [] : [{ stem: basename(found.object, '.o'), name: found.name }];
  });
}

/** The names that a linker merges, of `nm -A -C --defined-only`: { stem, name } each. */
export function mergedNames(text) {
  return symbolsOf(text, MERGED);
}

/** Names defined under more than one set of flags: [name, stems]; `flagsOf` has the flags of every stem. */
export function sharedNames(merged, flagsOf) {
  const users = new Map();
  for (const { stem, name } of merged) users.set(name, [...(users.get(name) ?? []), stem]);
  return [...users].filter(([, stems]) => new Set(stems.map((stem) => flagsOf.get(stem))).size > 1);
}

/** Stems of objects with flags of their own that run code when they are loaded, of the same output. */
export function startupCode(text, flagsOf) {
  const stems = new Set(symbolsOf(text, STARTUP).map(({ stem }) => stem));
  return [...stems].filter((stem) => flagsOf.get(stem) !== '');
}

/** Of the built addon: { shared, startup }; null without its objects or nm. */
export function misplacedCode(arch) {
  const units = nativeUnits(arch);
  const objects = units.map(({ stem }) => join(root, 'build', 'obj', `${stem}.o`));
  if (!objects.every((object) => existsSync(object))) return null;
  const { status, stdout } = spawnSync('nm', ['-A', '-C', '--defined-only', ...objects], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) return null;
  const flagsOf = new Map(units.map(({ stem, flags }) => [stem, flags.join(' ')]));
  return { shared: sharedNames(mergedNames(stdout), flagsOf), startup: startupCode(stdout, flagsOf) };
}
