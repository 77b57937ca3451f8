// Copies what the site shows into a folder for the generator, with links to files that are no pages made into links to pages.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, posix, relative } from 'node:path';
import { GROUPS } from './pages.mjs';

/** Of these a link may show the text; anything else is named, not linked. */
const LANGUAGES = {
  '.ts': 'ts',
  '.mjs': 'js',
  '.cpp': 'cpp',
  '.h': 'cpp',
  '.json': 'json',
  '.md': 'md',
  '': 'text',
};
const PICTURES = ['.svg', '.png'];

/** Runs `change` on the text of a page outside of its blocks and spans of code. */
function outsideCode(text, change) {
  return text
    .split(/(^```[\s\S]*?^```|`[^`\n]+`)/m)
    .map((part, i) => (i % 2 === 0 ? change(part) : part))
    .join('');
}

function markdownUnder(root, folder) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join(folder, name));
}

/** A page that shows a file or lists a folder. @returns undefined for one that cannot be shown as text */
function sourcePage(root, path) {
  const full = join(root, path);
  if (statSync(full).isDirectory()) {
    const names = readdirSync(full, { withFileTypes: true }).map((each) =>
      each.isDirectory() ? `${each.name}/` : each.name,
    );
    return `# ${path}\n\n${names.map((name) => `- \`${name}\``).join('\n')}\n`;
  }
  const language = LANGUAGES[extname(path)];
  if (language === undefined) return undefined;
  return `# ${path}\n\n\`\`\`\`${language}\n${readFileSync(full, 'utf8')}\n\`\`\`\`\n`;
}

/**
 * Writes all pages and pictures from the repository at `root` into `target`, at the same paths.
 *
 * @returns what is wrong: links to nothing, pages that the sidebar lacks or that do not exist
 */
export function stagePages(root, target) {
  const listed = GROUPS.flatMap(({ pages }) => pages.map(([path]) => path));
  const decisions = markdownUnder(root, 'docs/decisions');
  const pages = new Set([...listed, ...decisions]);
  const problems = [];
  for (const path of markdownUnder(root, 'docs'))
    if (!pages.has(path)) problems.push(`${path} is in no group of scripts/site/pages.mjs`);
  const write = (path, text) => {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    writeFileSync(join(target, path), text);
  };
  const shown = new Map();

  function linkTo(page, address) {
    if (/^([a-z]+:|#)/.test(address)) return address;
    const [name, anchor] = address.split('#');
    const path = posix.join(posix.dirname(page), name).replace(/\/$/, '');
    if (path.startsWith('..') || !existsSync(join(root, path))) {
      problems.push(`${page}: there is no ${address}`);
      return address;
    }
    if (pages.has(path) || PICTURES.includes(extname(path))) return address;
    const text = shown.get(path) ?? sourcePage(root, path);
    if (text === undefined) {
      problems.push(`${page}: ${address} can be shown by no page`);
      return address;
    }
    shown.set(path, text);
    const shownAt = posix.join('source', `${path}.md`);
    return `${relative(dirname(page), shownAt)}${anchor === undefined ? '' : `#${anchor}`}`;
  }

  for (const page of pages) {
    if (!existsSync(join(root, page))) {
      problems.push(`${page} of scripts/site/pages.mjs does not exist`);
      continue;
    }
    const text = readFileSync(join(root, page), 'utf8');
    // Code in the text of a link splits it; the address never is code.
    write(
      page,
      outsideCode(text, (part) =>
        part.replace(/\]\(([^)\s]+)\)/g, (_, address) => `](${linkTo(page, address)})`),
      ),
    );
  }
  for (const [path, text] of shown) write(posix.join('source', `${path}.md`), text);
  for (const name of readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }))
    if (PICTURES.includes(extname(name))) cpSync(join(root, 'docs', name), join(target, 'docs', name));
  return problems;
}
