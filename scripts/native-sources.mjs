// The sources of the native kernel with the flags that each needs: for the addon and for the checks of check-native.mjs.
//
// The suffix of a file names its instruction set and so its flags; _avx2 is NEON on ARM. Each *_avx512.cpp is compiled a second time against
// the plain C++ emulation in native/machine/avx512.h, so that its algorithms are tested on machines without AVX-512.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The paths of an architecture beside the scalar one: files that end in _avx2 serve ARM's NEON, too. */
const PATHS = {
  x64: ['-DSUBROSA_X86', '-DSUBROSA_AVX2'],
  arm64: ['-DSUBROSA_NEON', '-DSUBROSA_AVX2'],
};

/** Of every file, for an architecture as Node names it. */
export const commonFlags = (arch) => [
  '-O3',
  '-std=c++17',
  // A product and a sum are fused where the source says so: all processors must round alike.
  '-ffp-contract=off',
  '-fPIC',
  '-fvisibility=hidden',
  '-fno-exceptions',
  '-fstack-protector-strong',
  '-D_FORTIFY_SOURCE=2',
  '-DNAPI_DISABLE_CPP_EXCEPTIONS',
  '-DNAPI_VERSION=8',
  // In an environment that is being ended nothing can be thrown; without this the attempt aborts the process.
  '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
  '-DNODE_GYP_MODULE_NAME=subrosa',
  '-DBUILDING_NODE_EXTENSION',
  '-I',
  join(root, 'native'),
  '-Wall',
  '-Wextra',
  '-Wno-unused-parameter',
  // Vectors wider than the processor's cross inlined functions only.
  '-Wno-psabi',
  ...(PATHS[arch] ?? []),
  '-isystem',
  join(root, 'node_modules', 'node-addon-api'),
  '-isystem',
  join(root, 'node_modules', 'node-api-headers', 'include'),
];
const avx2 = ['-mavx2', '-mfma', '-mbmi2'];
/** Flags of files that end in _avx2. */
const wide = { x64: avx2, arm64: [] };
// The last flag: GCC's own intrinsics leave a don't-care operand unset on purpose.
export const avx512 = [
  '-mavx512f',
  '-mavx512dq',
  '-mavx512vl',
  '-mavx512bw',
  '-mavx512ifma',
  '-mavx512vnni',
  ...avx2,
  '-Wno-maybe-uninitialized',
  '-Wno-uninitialized',
];

/** The first compiler there is, or undefined. */
export function compiler() {
  for (const name of [process.env.CXX, 'g++', 'c++', 'clang++'])
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  return undefined;
}

/** One per source and instruction set: the source, a name for its object, the flags of its own. */
export function nativeUnits(arch) {
  const list = [];
  for (const file of readdirSync(join(root, 'native'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.cpp') || file.endsWith('_check.cpp')) continue;
    const source = join(root, 'native', file);
    const stem = basename(file, '.cpp');
    if (stem.endsWith('_avx512')) {
      const emulated = `${stem.slice(0, -'_avx512'.length)}_emulated`;
      list.push({ source, stem: emulated, flags: ['-DSUBROSA_EMULATE_AVX512'] });
      if (arch === 'x64') list.push({ source, stem, flags: avx512 });
    } else if (stem.endsWith('_avx2')) {
      if (wide[arch]) list.push({ source, stem, flags: wide[arch] });
    } else list.push({ source, stem, flags: [] });
  }
  return list;
}
