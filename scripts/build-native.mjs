// Compiles the sources under native/ and links build/Release/subrosa.node with nothing but a C++ compiler: no gyp, no downloads.
// Which sources and flags: native-sources.mjs. `--arch arm64` builds build/arm64/subrosa.node with Debian's compiler for that architecture.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { avx512, commonFlags, compiler, nativeUnits, root } from './native-sources.mjs';

const CROSS_COMPILERS = { arm64: 'aarch64-linux-gnu-g++', x64: 'x86_64-linux-gnu-g++' };

const chosen = process.argv.indexOf('--arch');
const arch = chosen < 0 ? process.arch : process.argv[chosen + 1];
const isForeign = arch !== process.arch;
const objects = join(root, 'build', ...(isForeign ? [arch] : []), 'obj');
const target = join(root, 'build', isForeign ? arch : 'Release', 'subrosa.node');
const common = commonFlags(arch);

function units() {
  return nativeUnits(arch).map((unit) => ({ ...unit, object: join(objects, `${unit.stem}.o`) }));
}

const modified = (path) => (existsSync(path) ? statSync(path).mtimeMs : Number.POSITIVE_INFINITY);

function isFresh(unit, flagsFile) {
  const list = unit.object.replace(/\.o$/, '.d');
  if (!existsSync(unit.object) || !existsSync(list)) return false;
  const built = modified(unit.object);
  const inputs = readFileSync(list, 'utf8')
    .replaceAll('\\\n', ' ')
    .split(': ')
    .slice(1)
    .join(' ')
    .split(/\s+/);
  return [flagsFile, ...inputs.filter((path) => path !== '')].every((path) => modified(path) <= built);
}

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(1));
    child.on('close', (status) => resolve(status ?? 1));
  });
}

/** One line that counts up on a terminal; elsewhere a line for every quarter. */
function progress(done, all) {
  if (process.argv.includes('--quiet')) return;
  const text = `native kernel: ${done} of ${all} files`;
  if (process.stderr.isTTY) process.stderr.write(`\r${text}${done === all ? '\n' : ''}`);
  else if (Math.floor((4 * done) / all) > Math.floor((4 * (done - 1)) / all))
    process.stderr.write(`${text}\n`);
}

async function compileAll(cxx, stale) {
  const queue = [...stale];
  let failed = 0;
  let done = 0;
  const work = async () => {
    for (let unit = queue.shift(); unit; unit = queue.shift()) {
      const part = `${unit.object}.part`;
      const args = [...common, ...unit.flags, '-MMD', '-MF', unit.object.replace(/\.o$/, '.d')];
      if ((await run(cxx, [...args, '-MT', unit.object, '-c', unit.source, '-o', part])) === 0)
        renameSync(part, unit.object);
      else failed++;
      progress(++done, stale.length);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failed;
}

/** Two builds at once would link half-written objects; the second waits. A lock older than five minutes is a dead one. */
async function lock() {
  const path = join(root, 'build', 'native.lock');
  for (;;) {
    try {
      mkdirSync(path);
      process.on('exit', () => rmSync(path, { recursive: true, force: true }));
      return;
    } catch {
      if (existsSync(path) && Date.now() - statSync(path).mtimeMs > 300_000)
        rmSync(path, { recursive: true, force: true });
      else await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function main() {
  const cxx = isForeign ? CROSS_COMPILERS[arch] : compiler();
  if (isForeign && process.argv.includes('--if-possible')) {
    // Packing on a machine of that architecture, or without its compiler, packs one addon.
    if (cxx === undefined || spawnSync(cxx, ['--version'], { stdio: 'ignore' }).status !== 0) {
      process.stderr.write(`native kernel: no compiler for ${arch}, so that its addon is not packed\n`);
      return 0;
    }
  }
  if (!cxx) {
    process.stderr.write(
      isForeign ? `no compiler for ${arch}\n` : 'no C++ compiler found: install g++ or set CXX\n',
    );
    return 3;
  }
  mkdirSync(objects, { recursive: true });
  mkdirSync(dirname(target), { recursive: true });
  await lock();
  const flagsFile = join(objects, 'flags.txt');
  const flags = [cxx, ...common, ...avx512].join(' ');
  if (!existsSync(flagsFile) || readFileSync(flagsFile, 'utf8') !== flags) writeFileSync(flagsFile, flags);
  const all = units();
  const stale = all.filter((unit) => !isFresh(unit, flagsFile));
  if (stale.length > 0 && (await compileAll(cxx, stale)) > 0) return 1;
  if (existsSync(target) && all.every((unit) => modified(unit.object) <= modified(target))) return 0;
  const part = `${target}.part`;
  const undefinedSymbols = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const hardening =
    process.platform === 'linux'
      ? ['-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,nodelete', '-Wl,-z,noexecstack']
      : [];
  // What is packed runs where no C++ library is installed, beside the one inside of Node.
  const portable =
    process.platform === 'linux'
      ? ['-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', ...(isForeign ? ['-s'] : [])]
      : [];
  const link = [
    '-shared',
    '-pthread',
    ...hardening,
    ...portable,
    ...undefinedSymbols,
    ...all.map((unit) => unit.object),
  ];
  if ((await run(cxx, [...link, '-o', part])) !== 0) return 1;
  // A missing symbol shows only now: try it in a process of its own before it replaces an addon that works.
  if (isForeign) {
    renameSync(part, target);
    return 0;
  }
  const trial = `process.dlopen({ exports: {} }, ${JSON.stringify(part)})`;
  if ((await run(process.execPath, ['-e', trial])) !== 0) return 1;
  renameSync(part, target);
  return 0;
}

process.exit(await main());
