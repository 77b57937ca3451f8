/**
 * The examples, compiled and run through the exports of the built package: in Node, and unbundled in headless Chromium with an
 * import map, as docs/ckks.md tells.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isBuilt } from './setup/built.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);

/** Inside the package, so that it may import itself by name. */
const COMPILED = join(root, 'build/examples');
const EXAMPLES = [
  ['ckks-square', '1.00 4.00 9.00'],
  ['ckks-release', '1.00 4.00 9.00'],
  ['bgv-product', '7 -16 270000'],
  ['bgv-crt', '121932631137021071359549253925 -7'],
] as const;
/** P x of the four images of a batch, row by row of P: computed with plain integers. */
const PRODUCTS = '20 -90 -130 -100 -70 -120 -100 -220';
/** With sockets or files, or of entries that the page's import map does not name. */
const NODE_EXAMPLES = [
  ['two-edges', '28 -102'],
  ['inner-product', '11 39'],
  ['exclusive-or', '100 % right'],
  ['features', '98 frames of 40 numbers'],
  ['encrypted-training', `${PRODUCTS}\n${PRODUCTS}\nisolates-coordinates`],
] as const;
/** The first program of these documents; its last line says in a comment what comes out. */
const QUICK_STARTS = [
  ['ckks', 'docs/ckks.md'],
  ['bgv', 'docs/bgv.md'],
  ['tfhe', 'docs/tfhe.md'],
] as const;
const MAX_QUICK_LINES = 10;
const PRINTS_NOTHING = 'console.log("nothing")';

const IMPORT_MAP = {
  imports: {
    'subrosa/ckks': '/dist/src/schemes/ckks/index.js',
    'subrosa/bgv': '/dist/src/schemes/bgv/index.js',
    'subrosa/tfhe': '/dist/src/schemes/tfhe/index.js',
    '@noble/hashes/': '/node_modules/@noble/hashes/',
  },
};
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

function compile(name: string, source: string): void {
  const published = source
    .replace(
      /'\.\.\/src\/(?:schemes\/|apps\/)?(ckks|bgv|cryptonn|edge|fe|nn|speech)\/index\.ts'/g,
      "'subrosa/$1'",
    )
    .replace("'../src/index.ts'", "'subrosa'");
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  writeFileSync(join(COMPILED, `${name}.mjs`), ts.transpileModule(published, { compilerOptions }).outputText);
}

/** Prints the values of its last line, as many as the comment names, and the comment's own. */
function quickStart(file: string): { readonly source: string; readonly lines: number } {
  const [, program = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, file), 'utf8')) ?? [];
  const lines = program.split('\n').filter((line) => line !== '');
  const [, call, comment] = /^(.*); \/\/ ([-\d, ]+), \.\.\./.exec(lines.at(-1) ?? '') ?? [];
  const print = `const said = [${comment}]; const got = [...${call}].slice(0, said.length);
    console.log(JSON.stringify({ said, got }));`;
  return { source: [...lines.slice(0, -1), print].join('\n'), lines: lines.length };
}

beforeAll(() => {
  mkdirSync(COMPILED, { recursive: true });
  for (const [name] of [...EXAMPLES, ...NODE_EXAMPLES])
    compile(name, readFileSync(join(root, 'examples', `${name}.ts`), 'utf8'));
  for (const [name, file] of QUICK_STARTS) compile(`quick-${name}`, quickStart(file).source);
  compile('nothing', PRINTS_NOTHING);
});

afterAll(() => rmSync(COMPILED, { recursive: true, force: true }));

describe.skipIf(!isBuilt)('in Node (needs dist: npm run build)', () => {
  test.each([...EXAMPLES, ...NODE_EXAMPLES])('%s', (name, expected) => {
    const printed = execFileSync(process.execPath, [join(COMPILED, `${name}.mjs`)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(printed.trim()).toBe(expected);
  });

  test.each(QUICK_STARTS)('the quick start of subrosa/%s, in ten lines', (name, file) => {
    expect(quickStart(file).lines).toBeLessThanOrEqual(MAX_QUICK_LINES);
    const { said, got } = JSON.parse(
      execFileSync(process.execPath, [join(COMPILED, `quick-${name}.mjs`)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    ) as { said: number[]; got: number[] };
    expect(said.length).toBeGreaterThan(2);
    said.forEach((value, i) => {
      expect(Math.abs(got[i]! - value)).toBeLessThan(2 ** -12);
    });
  });
});

/** Only files of the package; a page per example. */
function servePackage(): Promise<Server> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname.startsWith('/page/')) {
      const script = `/build/examples/${pathname.slice('/page/'.length)}.mjs`;
      response.setHeader('content-type', 'text/html');
      response.end(
        `<link rel="icon" href="data:,"><script type="importmap">${JSON.stringify(IMPORT_MAP)}</script><script type="module" src="${script}"></script>`,
      );
      return;
    }
    const path = join(root, normalize(pathname));
    if (!existsSync(path) || extname(path) === '') {
      response.statusCode = 404;
      response.end();
      return;
    }
    response.setHeader('content-type', TYPES[extname(path)] ?? 'application/octet-stream');
    response.end(readFileSync(path));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

describe.skipIf(!isBuilt || CHROMIUM === undefined)('in Chromium (needs dist and a system Chromium)', () => {
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    server = await servePackage();
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
  });

  afterAll(async () => {
    await browser.close();
    server.close();
  });

  /** The first line that the page prints, or what it fails with. */
  async function firstLine(name: string): Promise<string> {
    const page = await browser.newPage();
    try {
      const printed = new Promise<string>((resolve) => {
        page.on('console', (message) => resolve(message.text()));
        page.on('pageerror', (error) => resolve(`failed: ${error.message}`));
      });
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/page/${name}`);
      return await printed;
    } finally {
      await page.close();
    }
  }

  test.each(EXAMPLES)('%s', async (name, expected) => {
    expect(await firstLine(name)).toBe(expected);
  });

  test('another program prints another thing (positive control)', async () => {
    expect(await firstLine('nothing')).toBe('nothing');
  });
});
