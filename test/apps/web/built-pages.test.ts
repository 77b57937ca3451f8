/** The pages as they are built: each has every heading filled, and the same navigation with itself marked in it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { filesOf } from '../../../src/apps/web/page-routes.ts';

const built = join(installation.root, 'build', 'web');
const FOLDERS = ['', 'digits/', 'edges/', 'owner/', 'speak/', 'wake/'];
const pageOf = (folder: string) => readFileSync(join(built, folder, 'index.html'), 'utf8');

beforeAll(() => {
  execFileSync(process.execPath, [join(installation.root, 'scripts', 'build-web.mjs')]);
}, 240_000);

test('are all that is HTML', () => {
  const names = filesOf(built).filter((name) => name.endsWith('.html'));
  expect(names.sort()).toEqual(FOLDERS.map((folder) => `${folder}index.html`).sort());
});

describe.each(FOLDERS)('/%s', (folder) => {
  test('has every part that it names', () => {
    expect(pageOf(folder)).not.toContain('<!--');
  });

  test('has no heading without a text', () => {
    const headings = [...pageOf(folder).matchAll(/<h([1-6])[^>]*>([\s\S]*?)<\/h\1>/g)];
    expect(headings.length).toBeGreaterThan(2);
    for (const [, , inside] of headings) expect(inside!.replace(/<[^>]*>/g, '').trim()).not.toBe('');
  });

  test('links to every page, and says which one it is', () => {
    const [header = ''] = pageOf(folder).match(/<header>[\s\S]*<\/header>/) ?? [];
    const links = [...header.matchAll(/href="(\/[^"]*)"( aria-current="page")?/g)];
    expect(links.map(([, path]) => path).sort()).toEqual(FOLDERS.map((each) => `/${each}`).sort());
    expect(links.filter(([, , current]) => current !== undefined).map(([, path]) => path)).toEqual([
      `/${folder}`,
    ]);
  });
});

test('the start page has one card for each of the others', () => {
  const cards = [...pageOf('').matchAll(/<li class="card">[\s\S]*?href="([^"]*)"/g)].map(([, path]) => path);
  expect(cards.sort()).toEqual(FOLDERS.slice(1).map((folder) => `/${folder}`));
  expect(pageOf('').match(/<li class="card">/g)).toHaveLength(5);
});
