/** A user's program through every stock bundler, as a page and as a module worker, run by Chromium. */
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InferenceServer } from '../../src/apps/server/inference-server.ts';
import { listen, type RunningServer } from '../../src/apps/server/index.ts';
import { randomNetwork } from '../protocols/random-network.ts';
import { chromiumPath, fixture, installPackage, root } from './installed.ts';
import { isBuilt } from '../setup/built.ts';

const bundlers = fixture('bundlers');
const browserAt = chromiumPath();
const missing = [bundlers, browserAt].flatMap((found) => ('missing' in found ? [found.missing] : []));
const BUNDLE = join(root, 'test/packaging/bundle.mjs');

const RESULT = 'wasm; 1 4 9; 16 25; 11; 1 layer; true DecodeError decode; true DecodeError decode';
const BOTH = [`page: ${RESULT}`, `worker: ${RESULT}`];
/** Five numbers in, three scores out: what `ask.js` asks, and what the page and its worker must be told. */
const NETWORK = randomNetwork([5, 4, 3], 4, 5);
const SCORES = [...NETWORK.run(Float32Array.from({ length: 5 }, (_, i) => i / 4))];
const ASKED = `asked, ${SCORES.indexOf(Math.max(...SCORES))}`;
const ALL = [`page: ${ASKED}`, BOTH[0], `worker: ${ASKED}`, BOTH[1]].sort();
/** They follow no worker of a package, the last as long as it serves: the page brings one. */
const OWN_WORKER = ['esbuild', 'rollup', 'vite7-dev'];
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
};
/** What a server may do to an answer before it is sent. True: it has answered by itself. */
type Interference = (path: string, response: ServerResponse) => boolean;

const isWasm = (path: string) => path.endsWith('.wasm');
const csp =
  (script: string): Interference =>
  (_path, response) => {
    response.setHeader('content-security-policy', `default-src 'self'; script-src 'self' ${script}`);
    return false;
  };
const withoutWasm = csp('');
const withWasm = csp("'wasm-unsafe-eval'");
const wrongType: Interference = (path, response) => {
  if (isWasm(path)) response.setHeader('content-type', 'text/plain');
  return false;
};
/** As servers of single-page applications do. */
const pageForMissing: Interference = (path, response) => {
  if (!isWasm(path)) return false;
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html>');
  return true;
};

describe.skipIf(!isBuilt || missing.length > 0)(`bundlers ${missing.join(', ')}`, () => {
  const folder = 'folder' in bundlers ? bundlers.folder : '';
  let browser: Browser;
  let service: InferenceServer;
  let asking: RunningServer;
  /** Of all pages, one after the other: the server knows their origin. */
  let port = 0;
  const question = (bundler: string) =>
    `?server=${asking.url}${OWN_WORKER.includes(bundler) ? '&client=/client-worker.js' : ''}`;

  beforeAll(async () => {
    installPackage(folder);
    cpSync(join(root, 'test/packaging/programs'), folder, { recursive: true });
    const executablePath = 'folder' in browserAt ? browserAt.folder : '';
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const place = createServer();
    await once(place.listen(0, '127.0.0.1'), 'listening');
    ({ port } = place.address() as AddressInfo);
    place.close();
    service = await InferenceServer.start([{ name: 'net', network: NETWORK }]);
    asking = await listen(service, { corsOrigins: [`http://127.0.0.1:${port}`] });
  }, 300_000);

  afterAll(async () => {
    await browser.close();
    await asking.close();
    await service[Symbol.asyncDispose]();
  });

  /** The first `count` lines that the page at `url` prints about the page or its worker. */
  async function linesOf(url: string, count: number): Promise<string[]> {
    const page = await browser.newPage();
    const lines: string[] = [];
    try {
      await new Promise<void>((resolve) => {
        const note = (line: string) => {
          if (lines.push(line) === count) resolve();
        };
        page.on('console', (message) => {
          if (/^(page|worker): /.test(message.text())) note(message.text());
        });
        page.on('pageerror', (error) => note(`error: ${error.message}`));
        page.goto(url).catch((error: Error) => note(`error: ${error.message}`));
      });
      return lines.sort();
    } finally {
      await page.close();
    }
  }

  async function built(bundler: string, interfere: Interference, query = '', count = 2): Promise<string[]> {
    const out = join(folder, `out-${bundler}`);
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const path = join(out, pathname === '/' ? 'index.html' : pathname);
      if (interfere(pathname, response)) return;
      const type = TYPES[extname(path)];
      if (type !== undefined && !response.hasHeader('content-type')) response.setHeader('content-type', type);
      response.statusCode = existsSync(path) ? 200 : 404;
      response.end(existsSync(path) ? readFileSync(path) : '');
    });
    await once(server.listen(port, '127.0.0.1'), 'listening');
    try {
      return await linesOf(`http://127.0.0.1:${port}/${query}`, count);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const emitted = (bundler: string) =>
    readdirSync(join(folder, `out-${bundler}`), { recursive: true, encoding: 'utf8' }).filter(isWasm).length;

  test.each([
    ['vite7', 2],
    ['vite8', 2],
    ['webpack', 2],
    ['esbuild', 0],
    ['rollup', 0],
  ])(
    '%s builds it, with %i files of WebAssembly',
    async (bundler, files) => {
      execFileSync(process.execPath, [BUNDLE, bundler, folder], { stdio: ['ignore', 'ignore', 'inherit'] });
      expect(emitted(bundler)).toBeGreaterThanOrEqual(files);
      expect(await built(bundler, () => false, question(bundler), 4)).toEqual(ALL);
    },
    300_000,
  );

  test.each(['vite7-dev', 'vite8-dev'])(
    '%s serves it',
    async (bundler) => {
      const child = spawn(process.execPath, [BUNDLE, bundler, folder, `${port}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const url = await new Promise<string>((resolve, reject) => {
          child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim()));
          child.once('exit', () => reject(new Error(`${bundler} ended`)));
        });
        // The first visits make Vite optimise dependencies and load the page again.
        let lines: string[] = [];
        for (let visit = 0; visit < 4 && lines.join() !== ALL.join(); visit++)
          lines = await linesOf(`${url}${question(bundler)}`, 4);
        expect(lines).toEqual(ALL);
      } finally {
        // The next server listens at the same port.
        if (child.exitCode === null && child.kill()) await once(child, 'exit');
      }
    },
    300_000,
  );

  test('a strict policy gets one sentence with the remedy, and the remedy works', async () => {
    const [line] = await built('vite8', withoutWasm, '', 1);
    expect(line).toBe(
      "page: failed: kernel wasm kernel: the page does not allow WebAssembly: add 'wasm-unsafe-eval' to the script-src of its Content-Security-Policy",
    );
    expect(await built('vite8', withWasm)).toEqual(BOTH);
  }, 120_000);

  test('a wrong content type does not matter', async () => {
    expect(await built('vite8', wrongType)).toEqual(BOTH);
  }, 120_000);

  test('the copy inside the JavaScript serves where a page is answered for the file, and one sentence says so', async () => {
    const lines = await built('vite8', pageForMissing);
    for (const [i, line] of lines.entries()) {
      expect(line).toContain(BOTH[i]);
      expect(line).toMatch(
        /relaxed\S*\.wasm answers with text\/html where WebAssembly should be: deploy the \.wasm files/,
      );
    }
  }, 120_000);

  test('a folder that does not hold the files is an error with the remedy', async () => {
    const [line] = await built('vite8', pageForMissing, '?folder=/elsewhere/', 1);
    expect(line).toMatch(
      /^page: failed: kernel .*\/elsewhere\/simd128\.wasm answers with text\/html .* name their folder$/,
    );
  }, 120_000);
});
