/** `npm run docs`: the site is built, found in, readable by the rules of axe-core, in light, dark and on a phone. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../scripts/site/serve.mjs';
import { chromiumPath, fixture } from '../packaging/installed.ts';
import { root } from './snippets.ts';

const generator = fixture('site');
const browserAt = chromiumPath();
const missing = [generator, browserAt].flatMap((found) => ('missing' in found ? [found.missing] : []));
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

const PAGES = [
  '',
  'README',
  'docs/protocols',
  'docs/start/web-developer',
  'docs/training',
  'docs/evidence',
  'SECURITY',
];
const LOOKS = [
  ['light', { viewport: { width: 1280, height: 900 } }],
  ['dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 844 } }],
] as const;

describe.skipIf(missing.length > 0)(`the documentation's site ${missing.join(', ')}`, () => {
  let server: Server;
  let browser: Browser;
  let url = '';

  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, 'scripts/site/build.mjs')], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    server = await serve(join(root, 'build/site'), 0);
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({
      executablePath: 'folder' in browserAt ? browserAt.folder : '',
      args: ['--no-sandbox'],
    });
  }, 900_000);

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test.each(LOOKS)(
    '%s: no finding, nothing wider than the window, nothing asked of other machines',
    async (_, look) => {
      const context = await browser.newContext(look);
      const foreign: string[] = [];
      context.on('request', (request) => {
        if (!request.url().startsWith(url) && !request.url().startsWith('data:')) foreign.push(request.url());
      });
      for (const path of PAGES) {
        const page = await context.newPage();
        await page.goto(`${url}/${path}`, { waitUntil: 'networkidle' });
        await page.addScriptTag({ path: AXE });
        const found = await page.evaluate(async (rules) => {
          const axe = (globalThis as unknown as { axe: { run(options: unknown): Promise<AxeReport> } }).axe;
          const { violations } = await axe.run({ runOnly: rules });
          return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.target}`);
        }, RULES);
        expect(found, path).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), path).toBe(
          true,
        );
        await page.close();
      }
      expect(foreign).toEqual([]);
      await context.close();
    },
    300_000,
  );

  test('search finds a section', async () => {
    const page = await browser.newPage();
    await page.goto(url, { waitUntil: 'networkidle' });
    await page.keyboard.press('Control+k');
    await page.locator('#localsearch-input').fill('sparse secret');
    const first = page.locator('#localsearch-list a').first();
    await first.waitFor();
    expect(await first.getAttribute('href')).toMatch(/^\/docs\/training#bootstrapping$/);
    await page.close();
  }, 60_000);

  test('the reference is beside it', () => {
    const classes = readdirSync(join(root, 'build/site/reference/classes')).join(' ');
    for (const name of ['CkksContext', 'JointParty', 'TfheEvaluator'])
      expect(classes).toContain(`.${name}.html`);
    expect(existsSync(join(root, 'build/site/reference/index.html'))).toBe(true);
  });
});

interface AxeReport {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly target: unknown }[];
  }[];
}
