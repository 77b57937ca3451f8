// Makes the checkout ready to run: dependencies, JavaScript, WebAssembly, the native addon; each only when it is missing or
// older than its sources. Needs nothing but Node, so that it works in a fresh checkout. `--quiet` prints errors only.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
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

const packagesOf = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;

/** The versions of packages whose output or headers a step takes in: other changes of the lockfile concern no step. */
function versionsOf(names) {
  const packages = packagesOf(join(root, 'package-lock.json'));
  return names.map((name) => `${name}@${packages[`node_modules/${name}`].version}`).join(' ');
}

/**
 * Runs a step when an output is missing, a source is newer than the step's last success, or one of `packages` has another
 * version than then. @returns its exit status
 */
function step({ name, message, sources, packages, outputs, run }) {
  const stamp = join('build', 'stamps', name);
  const stampFile = join(root, stamp);
  const versions = versionsOf(packages);
  const isFresh =
    existsSync(stampFile) &&
    newest(sources) <= newest([stamp]) &&
    readFileSync(stampFile, 'utf8') === versions;
  if (isFresh && outputs.every((path) => existsSync(join(root, path)))) return 0;
  say(message);
  // Sources that change while the step runs must make it run again: so the stamp has the time of the start.
  const began = new Date();
  const status = run();
  if (status === 0) {
    mkdirSync(join(root, 'build', 'stamps'), { recursive: true });
    writeFileSync(stampFile, versions);
    utimesSync(stampFile, began, began);
    say(`${name} ready in ${((Date.now() - began.getTime()) / 1000).toFixed(0)} s`);
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
  const present = packagesOf(installed);
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
    ([path, wanted]) => path === '' || wanted.optional || present[path]?.version === wanted.version,
  );
}

/** Without scripts: no dependency needs one, and this package's own would begin this program again. */
function installDependencies() {
  if (dependenciesInstalled()) return 0;
  say('installing dependencies (npm ci: some 450 MB, a minute or two)');
  return execute('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}

function buildJavaScript() {
  // The compiler would take what it remembers for what is there.
  if (!existsSync(join(root, 'dist', 'src'))) rmSync(join(root, 'build', 'tsc.json'), { force: true });
  return step({
    name: 'typescript',
    message: 'compiling TypeScript (20 s)',
    sources: ['src', 'bench', 'tsconfig.json', 'tsconfig.build.json', join('scripts', 'declarations.mjs')],
    packages: ['typescript'],
    outputs: ['dist/src'],
    run: () =>
      node(join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json') ||
      node(join('scripts', 'declarations.mjs')),
  });
}

function buildWebAssembly() {
  const script = join('scripts', 'build-wasm.mjs');
  if (!existsSync(join(root, script))) return 0;
  return step({
    name: 'wasm',
    message: 'compiling the WebAssembly kernel (10 s)',
    sources: ['assembly', script],
    packages: ['assemblyscript', 'binaryen'],
    outputs: ['relaxed', 'simd128'].flatMap((name) => [`build/wasm/${name}.wasm`, `build/wasm/${name}.js`]),
    run: () => node(script),
  });
}

const noCompiler = 3;

function buildNative() {
  const script = join('scripts', 'build-native.mjs');
  const status = step({
    name: 'native',
    message: 'compiling the native kernel (a minute on two cores)',
    sources: ['native', script, join('scripts', 'native-sources.mjs')],
    packages: ['node-addon-api', 'node-api-headers'],
    outputs: ['build/Release/subrosa.node'],
    run: () => node(script, ...(quiet ? ['--quiet'] : [])),
  });
  if (status === noCompiler)
    process.stderr.write('prepare: no C++ compiler found: the WebAssembly kernel will serve\n');
  return status === noCompiler ? 0 : status;
}

let status = installDependencies();
if (status === 0)
  status = [buildNative(), buildWebAssembly(), buildJavaScript()].find((result) => result !== 0) ?? 0;
process.exit(status === 0 ? 0 : 1);
