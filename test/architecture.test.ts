/** The architecture as rules over source text. Every rule is shown a bad example first: a check that cannot fail proves nothing. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

interface SourceFile {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MAX_LINES = 500;
/** Sources that stand in one folder, those of its subfolders not counted. */
const MAX_FILES = 25;
/** Layer of every unit; folders listed in GROUPS are units one level deeper. */
const LAYERS: Readonly<Record<string, number>> = {
  base: 0,
  kernel: 1,
  algebra: 2,
  ring: 2,
  nn: 2,
  speech: 2,
  schemes: 3,
  fe: 3,
  circuits: 4,
  compiler: 5,
  runtime: 6,
  protocols: 7,
  apps: 8,
};
const GROUPS = new Set(['schemes', 'fe', 'protocols', 'apps']);

/** The only acquaintances between units of one layer. */
const NEIGHBOURS: Readonly<Record<string, readonly string[]>> = {
  'schemes/bgv': ['schemes/rlwe'],
  'schemes/ckks': ['schemes/rlwe'],
  'schemes/tfhe': ['schemes/rlwe'],
  fe: ['fe/ddh', 'fe/lattice'],
  'fe/ddh': ['fe'],
  'fe/lattice': ['fe'],
  'protocols/edge': ['protocols/channel'],
  'protocols/joint': ['protocols/channel'],
  'apps/client': ['apps/keystore', 'apps/transport'],
  'apps/server': ['apps/keystore', 'apps/transport'],
  'apps/train': ['apps/keystore', 'apps/speech'],
  'apps/cryptonn': ['apps/keystore', 'apps/server', 'apps/transport'],
  'apps/fhe': ['apps/keystore'],
  'apps/joint': ['apps/edge', 'apps/keystore'],
  'apps/fleet': ['apps/keystore', 'apps/server', 'apps/transport'],
  'apps/edge': ['apps/inputs', 'apps/keystore', 'apps/server', 'apps/transport'],
  'apps/speech-client': ['apps/keystore', 'apps/speech', 'apps/transport'],
  'apps/cli': [
    'apps/cryptonn',
    'apps/edge',
    'apps/fhe',
    'apps/fleet',
    'apps/inputs',
    'apps/joint',
    'apps/keystore',
    'apps/server',
    'apps/speech',
    'apps/speech-client',
    'apps/train',
    'apps/transport',
    'apps/web',
  ],
  'apps/web': [
    'apps/client',
    'apps/cryptonn',
    'apps/edge',
    'apps/server',
    'apps/speech',
    'apps/speech-client',
    'apps/transport',
  ],
};

/** Folders of a unit whose files do not all know each other: what the files of each may import of the others. */
const ROOMS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'src/protocols/cryptonn': {
    agreement: [],
    authority: ['agreement'],
    owner: ['agreement'],
    trainer: ['agreement'],
    // Attacks look at whatever they attack.
    leakage: ['agreement', 'authority', 'owner', 'trainer'],
  },
};

/** 'src/schemes/ckks/encoder.ts' -> 'schemes/ckks'; null for files that stand directly in src. */
function unitOf(path: string): string | null {
  const [, folder, second, ...rest] = path.split('/');
  if (folder === undefined || second === undefined) return null;
  return GROUPS.has(folder) && rest.length > 0 ? `${folder}/${second}` : folder;
}

function layerOf(unit: string): number {
  return LAYERS[unit.split('/')[0] as string] ?? Number.NaN;
}

/** Relative specifiers of static, dynamic and re-exporting imports. */
function importsOf({ text }: SourceFile): string[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\1/g;
  return [...text.matchAll(pattern)].map((match) => match[2] as string);
}

function importViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const unit = unitOf(file.path);
    if (unit === null) return [];
    if (Number.isNaN(layerOf(unit))) return [`${file.path}: the folder ${unit} has no layer`];
    return importsOf(file).flatMap((specifier) => {
      const target = posix.join(posix.dirname(file.path), specifier);
      const other = target.startsWith('src/') ? unitOf(target) : null;
      if (other === null) return [`${file.path}: imports ${target}, which is no part of a layer`];
      const allowed =
        other === unit || layerOf(other) < layerOf(unit) || NEIGHBOURS[unit]?.includes(other) === true;
      return allowed ? [] : [`${file.path}: ${unit} must not import ${other}`];
    });
  });
}

function roomViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    Object.entries(ROOMS).flatMap(([unit, rooms]) => {
      const roomIn = (path: string) =>
        path.startsWith(`${unit}/`) ? path.slice(unit.length + 1).split('/')[0] : undefined;
      const own = roomIn(file.path);
      if (own === undefined) return [];
      return importsOf(file).flatMap((specifier) => {
        const other = roomIn(posix.join(posix.dirname(file.path), specifier));
        const isAllowed = other === undefined || other === own || rooms[own]?.includes(other) === true;
        return isAllowed ? [] : [`${file.path}: ${own} must not import ${other}`];
      });
    }),
  );
}

/**
 * Groups of files that import one another in a circle, types included: the strongly connected components of more than
 * one file (Tarjan 1972), and files that import themselves.
 */
function importLoops(files: readonly SourceFile[]): string[][] {
  const targets = new Map(
    files.map((file) => [
      file.path,
      importsOf(file).map((specifier) => posix.join(posix.dirname(file.path), specifier)),
    ]),
  );
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const loops: string[][] = [];
  const visit = (path: string): number => {
    const own = order.size;
    order.set(path, own);
    open.push(path);
    let low = own;
    for (const next of targets.get(path) ?? []) {
      if (!targets.has(next)) continue;
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (open.includes(next)) low = Math.min(low, lowest.get(next) ?? (order.get(next) as number));
    }
    lowest.set(path, low);
    if (low < own) return low;
    const group = open.splice(open.indexOf(path)).sort();
    if (group.length > 1 || targets.get(path)?.includes(path) === true) loops.push(group);
    return low;
  };
  for (const path of targets.keys()) if (!order.has(path)) visit(path);
  return loops;
}

function sizeViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.split('\n').length - 1;
    return lines > MAX_LINES ? [`${path}: ${lines} lines, at most ${MAX_LINES}`] : [];
  });
}

function crowdViolations(files: readonly SourceFile[]): string[] {
  const counts = new Map<string, number>();
  for (const { path } of files) {
    const folder = posix.dirname(path);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts].flatMap(([folder, count]) =>
    count > MAX_FILES ? [`${folder}: ${count} sources in one folder, at most ${MAX_FILES}`] : [],
  );
}

function nameViolations(files: readonly SourceFile[]): string[] {
  const owners = new Map<string, string>();
  return files.flatMap(({ path, text }) => {
    const names = [...text.matchAll(/^export (?:abstract |async |default )*(?:class|function\*?) (\w+)/gm)];
    return [...new Set(names.map((match) => match[1] as string))].flatMap((name) => {
      const owner = owners.get(name);
      owners.set(name, path);
      return owner === undefined ? [] : [`${name} is exported by ${owner} and by ${path}`];
    });
  });
}

function fileNameViolations(paths: readonly string[]): string[] {
  return paths.filter((path) => {
    const name = posix.basename(path);
    if (/^(utils?|helpers?|common|misc|manager)\b/.test(name)) return true;
    return path.startsWith('src/') && !/^[a-z0-9]+(-[a-z0-9]+)*\.(ts|d\.ts)$/.test(name);
  });
}

/** Comments do not run. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}

function callViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const code = withoutComments(text);
    const found: string[] = [];
    if (/\bMath\s*\.\s*random\b/.test(code)) found.push(`${path}: Math.random`);
    if (/\bconsole\s*\.\s*\w/.test(code) && !path.startsWith('src/apps/cli/')) found.push(`${path}: console`);
    if (/\brejectUnauthorized\b|\beval\s*\(/.test(code)) found.push(`${path}: rejectUnauthorized or eval`);
    return found;
  });
}

/** What only src/apps may do: threads, sockets, processes; and what a protocol may not look at, clocks. */
function reachViolations(files: readonly SourceFile[]): string[] {
  const modules =
    /['"](?:node:(?:worker_threads|net|tls|https?|http2|dgram|cluster|child_process)|ws|fastify)['"]/;
  const calls = /\bnew (?:Worker|SharedWorker|WebSocket)\b|\bfetch\s*\(/;
  const clocks = /\b(?:performance\.now|Date\.now|new Date|setTimeout|setInterval|setImmediate)\s*\(/;
  return files.flatMap(({ path, text }) => {
    if (path.startsWith('src/apps/')) return [];
    const code = withoutComments(text);
    const found: string[] = [];
    // A browser fetches the kernel's own module.
    const isLoader = path === 'src/kernel/wasm/wasm-web.ts';
    if (!isLoader && (modules.test(code) || calls.test(code))) found.push(`${path}: a thread or a socket`);
    if (path.startsWith('src/protocols/') && clocks.test(code)) found.push(`${path}: a clock`);
    return found;
  });
}

/** The files that one brings along when it is loaded; types are gone by then. */
function loadedWith(
  path: string,
  files: ReadonlyMap<string, SourceFile>,
  seen = new Set<string>(),
): Set<string> {
  const file = files.get(path);
  if (file === undefined || seen.has(path)) return seen;
  seen.add(path);
  const code = withoutComments(file.text).replace(/\b(?:import|export) type [^;]*;/g, '');
  for (const specifier of importsOf({ path, text: code }))
    loadedWith(posix.join(posix.dirname(path), specifier), files, seen);
  return seen;
}

/** Files below `folder` that load, themselves or through others, what only Node has. */
function pageViolations(folder: string, files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  // Loaded by name in Node alone: see src/kernel/open.ts.
  const isOfNode = (path: string) => /^src\/kernel\/(?:native\/|wasm\/wasm-node)/.test(path);
  return files
    .filter(({ path }) => path.startsWith(`${folder}/`))
    .flatMap(({ path }) =>
      [...loadedWith(path, byPath)]
        .filter((each) => !isOfNode(each))
        .filter((each) => /\bfrom 'node:/.test(withoutComments((byPath.get(each) as SourceFile).text)))
        .map((each) => `${path} loads ${each}`),
    );
}

/** True when the text declares a field, method or accessor of that name. */
function declaresMember(text: string, name: string): boolean {
  const modifiers = '(?:(?:public|protected|static|abstract|override|async|readonly|get|set) )*';
  return new RegExp(`^\\s+${modifiers}${name}\\??\\s*[(<:=;]`, 'm').test(text);
}

/** `{@link X}` names something exported, `{@link X.y}` a member of it, `{@link y}` also a member in the same file. */
function linkViolations(files: readonly SourceFile[]): string[] {
  const owners = new Map<string, string>();
  for (const { text } of files) {
    const declared =
      /^export (?:declare |abstract |async |default )*(?:class|function\*?|interface|type|const) (\w+)/gm;
    for (const match of text.matchAll(declared)) owners.set(match[1] as string, text);
  }
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/\{@link ([^}]+)\}/g)].flatMap((match) => {
      const [name = '', member] = (match[1] as string).trim().split('.');
      const owner = owners.get(name);
      const isThere =
        member === undefined
          ? owner !== undefined || declaresMember(text, name)
          : owner !== undefined && declaresMember(owner, member);
      return isThere ? [] : [`${path}: {@link ${match[1]}} leads nowhere`];
    }),
  );
}

/** Paths that exist on one machine only, and package registries. */
function placeViolations(files: readonly SourceFile[]): string[] {
  const machine = /(^|[^\w.:/])\/(home|root|Users|work|tmp|mnt|opt)\/\w/;
  const registry = /https?:\/\/[\w.-]*registry\./;
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, i) => (machine.test(line) || registry.test(line) ? [`${path}:${i + 1}`] : [])),
  );
}

function filesUnder(folder: string, pattern: RegExp): SourceFile[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(ROOT.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

/** Text files that git tracks; outside a clone, nothing. */
function trackedText(): SourceFile[] {
  if (!existsSync(join(ROOT, '.git'))) return [];
  return execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' })
    .split('\0')
    .filter(
      (path) => /\.(ts|mjs|js|json|md|cpp|h|yml|txt|gyp)$|^\.ci\//.test(path) && existsSync(join(ROOT, path)),
    )
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

const sources = filesUnder('src', /\.ts$/);
const bad = (path: string, text: string): SourceFile[] => [{ path, text }];

describe('imports', () => {
  test.each([
    ['src/base/x.ts', "import { a } from '../kernel/kernel.ts';"],
    ['src/nn/x.ts', "import type { A } from '../speech/wav.ts';"],
    ['src/schemes/rlwe/x.ts', "export * from '../ckks/encoder.ts';"],
    ['src/ring/x.ts', "const a = await import('../apps/cli/main.ts');"],
    ['src/runtime/x.ts', "import '../protocols/inference/client.ts';"],
    ['src/apps/server/x.ts', "import { a } from '../cli/main.ts';"],
    ['src/apps/cli/x.ts', "import { a } from '../../../bench/main.ts';"],
    ['src/unheard/x.ts', ''],
  ])('the check sees %s', (path, text) => {
    expect(importViolations(bad(path, text))).toHaveLength(1);
  });

  test('point downwards', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.flatMap(importsOf).length).toBeGreaterThan(100);
    expect(importViolations(sources)).toEqual([]);
  });

  test('between the roles of encrypted learning lead through what they agree on', () => {
    const folder = 'src/protocols/cryptonn';
    expect(roomViolations(bad(`${folder}/owner/x.ts`, "import { a } from '../trainer/a.ts';"))).toHaveLength(
      1,
    );
    expect(roomViolations(bad(`${folder}/agreement/x.ts`, "import '../owner/a.ts';"))).toHaveLength(1);
    expect(roomViolations(bad(`${folder}/new/x.ts`, "import '../agreement/a.ts';"))).toHaveLength(1);
    expect(roomViolations(bad(`${folder}/owner/x.ts`, "import '../agreement/a.ts';"))).toEqual([]);
    expect(roomViolations(sources)).toEqual([]);
  });

  test('the check sees a loop of three, of types alone, and none in a diamond', () => {
    const planted = [
      ...bad('src/nn/a.ts', "import type { B } from './b.ts';"),
      ...bad('src/nn/b.ts', "export { c } from '../speech/c.ts';"),
      ...bad('src/speech/c.ts', "const a = await import('../nn/a.ts');"),
      ...bad('src/nn/outside.ts', "import { a } from './a.ts';"),
    ];
    expect(importLoops(planted)).toEqual([['src/nn/a.ts', 'src/nn/b.ts', 'src/speech/c.ts']]);
    expect(importLoops(bad('src/nn/self.ts', "import { a } from './self.ts';"))).toEqual([
      ['src/nn/self.ts'],
    ]);
    const diamond = [
      ...bad('src/a.ts', "import { b } from './b.ts';\nimport { c } from './c.ts';"),
      ...bad('src/b.ts', "import { d } from './d.ts';"),
      ...bad('src/c.ts', "import { d } from './d.ts';\nimport { b } from './b.ts';"),
      ...bad('src/d.ts', ''),
    ];
    expect(importLoops(diamond)).toEqual([]);
  });

  test.each(['src', 'test', 'bench'])('run in no circle in %s', (folder) => {
    const files = filesUnder(folder, /\.ts$/);
    expect(files.length).toBeGreaterThan(20);
    expect(importLoops(files)).toEqual([]);
  });

  test('name files with their extension', () => {
    const short = (files: readonly SourceFile[]) =>
      files.flatMap((file) => importsOf(file).filter((specifier) => !/\.(ts|js|json)$/.test(specifier)));
    expect(short(bad('src/base/x.ts', "import { a } from './errors';"))).toHaveLength(1);
    expect(short(sources)).toEqual([]);
  });
});

const FOLDERS = ['src', 'native', 'assembly', 'bench', 'test', 'scripts', 'examples'];
const CODE = /\.(ts|mts|mjs|cpp|h)$/;

test(`no file has more than ${MAX_LINES} lines`, () => {
  expect(sizeViolations(bad('src/x.ts', '\n'.repeat(MAX_LINES + 1)))).toHaveLength(1);
  expect(sizeViolations(FOLDERS.flatMap((folder) => filesUnder(folder, CODE)))).toEqual([]);
});

test(`no folder has more than ${MAX_FILES} sources side by side`, () => {
  const crowd = Array.from({ length: MAX_FILES + 1 }, (_, i) => `src/nn/n${i}.ts`);
  const files = (paths: readonly string[]) => paths.flatMap((path) => bad(path, ''));
  expect(crowdViolations(files(crowd))).toHaveLength(1);
  expect(crowdViolations(files([...crowd.slice(1), 'src/nn/layers/x.ts']))).toEqual([]);
  expect(crowdViolations(FOLDERS.flatMap((folder) => filesUnder(folder, CODE)))).toEqual([]);
});

test('exported classes and functions have names of their own', () => {
  const twice = [
    ...bad('src/a.ts', 'export class Twice {}'),
    ...bad('src/b.ts', 'export async function Twice() {}'),
  ];
  expect(nameViolations(twice)).toHaveLength(1);
  expect(nameViolations(sources)).toEqual([]);
});

test('files are named after what they hold', () => {
  expect(fileNameViolations(['src/nn/utils.ts', 'src/nn/CamelCase.ts', 'test/helpers.ts'])).toHaveLength(3);
  const files = ['src', 'test', 'bench'].flatMap((folder) => filesUnder(folder, /\.ts$/));
  expect(fileNameViolations(files.map(({ path }) => path))).toEqual([]);
});

test('links in comments lead somewhere', () => {
  const text = '/** {@link gone} {@link Some.gone} {@link Gone.here} {@link here} {@link Some.here} */';
  const some = 'export class Some {\n  async here(): void {}\n}';
  expect(linkViolations(bad('src/x.ts', `${text}\n${some}`))).toHaveLength(3);
  expect(linkViolations(sources)).toEqual([]);
});

test('no Math.random, no console outside the command line, TLS always verified', () => {
  expect(callViolations(bad('src/nn/x.ts', 'const a = Math.random(); console.log(a); // fine'))).toHaveLength(
    2,
  );
  expect(callViolations(bad('src/nn/x.ts', '// Math.random is not used'))).toEqual([]);
  expect(callViolations(sources)).toEqual([]);
});

test('threads and sockets live in apps alone, and protocols have no clock', () => {
  const planted = [
    "import { Worker } from 'node:worker_threads';",
    "const { connect } = await import('node:net');",
    "import WebSocket from 'ws';",
    'const worker = new Worker(file);',
    'const reply = await fetch(url);',
    'const now = Date.now();',
  ];
  for (const text of planted) {
    expect(reachViolations(bad('src/protocols/inference/x.ts', text))).toHaveLength(1);
    expect(reachViolations(bad('src/apps/server/x.ts', text))).toEqual([]);
  }
  expect(reachViolations(bad('src/protocols/edge/x.ts', '/** A WebSocket: new Worker( */'))).toEqual([]);
  expect(reachViolations(sources)).toEqual([]);
});

test('a page can use the clients: nothing that they load needs Node', () => {
  const planted = [
    ...bad('src/apps/page/a.ts', "import { b } from './b.ts';\nimport type { C } from '../c.ts';"),
    ...bad('src/apps/page/b.ts', "export * from '../d.ts';"),
    ...bad('src/apps/c.ts', "import { join } from 'node:path';"),
    ...bad('src/apps/d.ts', "import { join } from 'node:path';"),
  ];
  const found = ['a', 'b'].map((name) => `src/apps/page/${name}.ts loads src/apps/d.ts`);
  expect(pageViolations('src/apps/page', planted)).toEqual(found);
  for (const folder of ['src/apps/client', 'src/apps/speech-client', 'src/apps/web/pages'])
    expect(pageViolations(folder, sources)).toEqual([]);
});

test('no place of one machine and no registry in what git tracks', () => {
  const places = ['h', 'w'].map((first) => `see /${first === 'h' ? 'home' : 'work'}/somebody/file`);
  const hosts = `at https${':'}//registry.example.org/x`;
  expect(placeViolations(bad('docs/x.md', [...places, hosts, 'src/apps/home/x'].join('\n')))).toHaveLength(3);
  expect(placeViolations(trackedText())).toEqual([]);
});
