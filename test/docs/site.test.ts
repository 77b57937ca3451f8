/** What the site is made of, without its generator: pictures are as drawn, pages are staged, links that lead nowhere are found. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROTOCOLS } from '../../scripts/protocol-list.mjs';
import { drawProtocol } from '../../scripts/protocol-pictures.mjs';
import { brokenLinks } from '../../scripts/site/links.mjs';
import { stagePages } from '../../scripts/site/stage.mjs';
import { root, textOf } from './snippets.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'subrosa-site-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('pictures of protocols', () => {
  test.each(Object.entries(PROTOCOLS))('%s is as it is drawn, and on its page', (name, protocol) => {
    const picture = `${name}.svg`;
    expect(
      readFileSync(join(root, 'docs/protocols', picture), 'utf8'),
      'node scripts/protocol-pictures.mjs',
    ).toBe(drawProtocol(protocol));
    const shown = `![${protocol.title}: who sends what to whom](protocols/${picture})`;
    expect(textOf(protocol.page)).toContain(shown);
    expect(textOf('docs/protocols.md')).toContain(shown);
  });

  test('there is none without a protocol', () => {
    const names = readdirSync(join(root, 'docs/protocols'));
    expect(names.sort()).toEqual(
      Object.keys(PROTOCOLS)
        .map((name) => `${name}.svg`)
        .sort(),
    );
  });

  test('parties are those of the rows', () => {
    for (const [name, { parties, rows }] of Object.entries(PROTOCOLS)) {
      const numbers = rows.flatMap((row) => (typeof row === 'string' ? [] : row.slice(0, -1)));
      expect(
        numbers.every((party) => parties[Number(party)] !== undefined),
        name,
      ).toBe(true);
    }
  });
});

describe('pages', () => {
  test('all are staged, with every link to a file of the repository', () => {
    expect(stagePages(root, folder)).toEqual([]);
    expect(existsSync(join(folder, 'docs/protocols/fleet.svg'))).toBe(true);
    // Sources are shown, too.
    expect(readFileSync(join(folder, 'docs/web.md'), 'utf8')).toContain(
      '](../source/examples/ask-digits.ts.md)',
    );
    expect(existsSync(join(folder, 'source/examples/ask-digits.ts.md'))).toBe(true);
  });

  test('a link to nothing and a page without a place are found', () => {
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    mkdirSync(join(folder, 'docs/decisions'), { recursive: true });
    write('README.md', '[gone](docs/gone.md) `[code](is.not)`');
    write('docs/stray.md', '# Stray');
    const problems = stagePages(folder, join(folder, 'out'));
    expect(problems).toContain('README.md: there is no docs/gone.md');
    expect(problems).toContain('docs/stray.md is in no group of scripts/site/pages.mjs');
    expect(problems.filter((problem) => problem.includes('is.not'))).toEqual([]);
  });

  test('a built site with links to nothing and to no heading is refused', () => {
    writeFileSync(
      join(folder, 'a.html'),
      '<a href="/b#yes">1</a><a href="b.html#no">2</a><a href="./c">3</a>',
    );
    writeFileSync(
      join(folder, 'b.html'),
      '<h2 id="yes">Yes</h2><a href="https://example.org/x">4</a><img src="/d.svg">',
    );
    expect(brokenLinks(folder).sort()).toEqual([
      'a.html: ./c leads nowhere',
      'a.html: b.html#no: no such heading',
      'b.html: /d.svg leads nowhere',
    ]);
  });
});
