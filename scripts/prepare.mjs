// Makes the checkout ready to run: dependencies, JavaScript, WebAssembly, the native addon; each only when it is missing or
// older than its sources. Needs nothing but Node, so that it works in a fresh checkout. `--quiet` prints errors only.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const quiet = process.argv.includes('--quiet');
const say = (text) => quiet || process.stderr.write(`prepare: ${text}\n`);

/** The newest modification time under the given paths, 0 where nothing is. */
function newest(paths) {
  let time = 0;
  for (const path of paths) {
    const full = join(root, path);
    if (!existsSync(full)) continue;
    const status = statSync(full);
    time = Math.max(time, status.mtimeMs);
    if (status.isDirectory())
      time = Math.max(time, newest(readdirSync(full).map((name) => join(path, name))));
  }
  return time;
}

/** Runs a step when an output is missing or a source is newer than the step's last success. @returns its exit status */
function step({ name, message, sources, outputs, run }) {
  const stamp = join('build', 'stamps', name);
  const fresh = existsSync(join(root, stamp)) && newest(sources) <= newest([stamp]);
  if (fresh && outputs.every((path) => existsSync(join(root, path)))) return 0;
  say(message);
  // Sources that change while the step runs must make it run again: so the stamp has the time of the start.
  const began = new Date();
  const status = run();
  if (status === 0) {
    mkdirSync(join(root, 'build', 'stamps'), { recursive: true });
    writeFileSync(join(root, stamp), began.toISOString());
  }
  return status;
}

function execute(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) process.stderr.write(`prepare: cannot run ${command}: ${error.message}\n`);
  return status ?? 1;
}

const node = (...args) => execute(process.execPath, args);

/** True when node_modules holds what package-lock.json asks for. */
function dependenciesInstalled() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  if (newest(['package-lock.json']) <= newest([join('node_modules', '.package-lock.json')])) return true;
  const packages = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const present = packages(installed);
  return Object.entries(packages(join(root, 'package-lock.json'))).every(
    ([path, wanted]) => path === '' || wanted.optional || present[path]?.version === wanted.version,
  );
}

function installDependencies() {
  if (dependenciesInstalled()) return 0;
  say('installing dependencies (npm ci)');
  return execute('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

function buildJavaScript() {
  return step({
    name: 'typescript',
    message: 'compiling TypeScript',
    sources: ['src', 'bench', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    outputs: ['dist/src'],
    run: () => node(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json'),
  });
}

function buildWebAssembly() {
  const script = join('scripts', 'build-wasm.mjs');
  if (!existsSync(join(root, script))) return 0;
  return step({
    name: 'wasm',
    message: 'compiling the WebAssembly kernel',
    sources: ['assembly', script, 'package-lock.json'],
    outputs: ['relaxed', 'simd128'].flatMap((name) => [`build/wasm/${name}.wasm`, `build/wasm/${name}.js`]),
    run: () => node(script),
  });
}

const noCompiler = 3;

function buildNative() {
  const script = join('scripts', 'build-native.mjs');
  const status = step({
    name: 'native',
    message: 'compiling the native kernel',
    sources: ['native', script, 'package-lock.json'],
    outputs: ['build/Release/subrosa.node'],
    run: () => node(script),
  });
  if (status === noCompiler)
    process.stderr.write('prepare: no C++ compiler found: the WebAssembly kernel will serve\n');
  return status === noCompiler ? 0 : status;
}

let status = installDependencies();
if (status === 0)
  status = [buildNative(), buildWebAssembly(), buildJavaScript()].find((result) => result !== 0) ?? 0;
process.exit(status === 0 ? 0 : 1);
