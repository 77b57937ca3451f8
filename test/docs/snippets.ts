/**
 * The blocks of code of the documentation. Each is checked by snippets.test.ts, and those that are marked are run by
 * tutorials.slow.test.ts. A mark is a comment in the line before the block:
 *
 *   given: DECLARATIONS    TypeScript that the block may take for granted, such as `const pixels: Float32Array`
 *   continues              the block goes on where the last one in TypeScript or JavaScript ended
 *   run                    run in the folder of the page's tutorial; a program runs as a module of Node
 *   run until TEXT         the same in the background, until a line of its output has TEXT; it ends with the tutorial
 *   run in the checkout    the same in the repository
 *   file NAME              written to a file of the tutorial's folder
 *   prints                 what the block before printed: all lines, in order; `...` stands for anything
 *   visit URL              the text of a page in Chromium, compared in the same way
 *   unchecked: REASON      nothing can be said about it here, and why
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export type Mark =
  | { readonly kind: 'none' | 'continues' | 'run' | 'run in the checkout' | 'prints' }
  | { readonly kind: 'given' | 'run until' | 'file' | 'visit' | 'unchecked'; readonly what: string };

export interface Snippet {
  /** The page, from the root of the repository. */
  readonly page: string;
  /** The line of the first line of code, from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
  readonly mark: Mark;
}

const MARK =
  /^(?:(given|unchecked): ([\s\S]+)|(run until|file|visit) (.+)|(continues|run|run in the checkout|prints))$/;

/** @throws {Error} for a comment that is meant as a mark and is none. */
function markOf(comment: string | undefined, place: string): Mark {
  if (comment === undefined) return { kind: 'none' };
  const found = MARK.exec(comment.trim());
  if (found === null) {
    if (/^(begin|end) generated/.test(comment.trim())) return { kind: 'none' };
    throw new Error(`${place}: not a mark of a snippet: ${comment}`);
  }
  const kind = (found[1] ?? found[3] ?? found[5]) as Mark['kind'];
  const what = found[2] ?? found[4];
  return (what === undefined ? { kind } : { kind, what: what.trim() }) as Mark;
}

/** The blocks of a page's text, in order. */
export function snippetsOf(page: string, text: string): Snippet[] {
  const block = /(?:<!--((?:(?!-->)[\s\S])*)-->\n)?^(`{3,})([^\n]*)\n([\s\S]*?)^\2$/gm;
  return [...text.matchAll(block)].map((found) => {
    const [whole, comment, , language = '', code = ''] = found;
    const before = text.slice(0, found.index + whole.length - code.length - (found[2]?.length ?? 0));
    const line = before.split('\n').length;
    return { page, line, language, code, mark: markOf(comment, `${page}:${line}`) };
  });
}

/** Every page of the documentation, from the root of the repository. */
export function pages(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join('docs', name));
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs.sort()];
}

export const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

export const allSnippets = (): Snippet[] => pages().flatMap((page) => snippetsOf(page, textOf(page)));

/** The commands of a block for a shell: lines put together, without comments. */
export function commandsOf(code: string): string[] {
  return code
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#(\s.*)?$/, '').trim())
    .filter((line) => line !== '');
}
