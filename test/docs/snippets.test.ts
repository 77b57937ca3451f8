/** Every block of code in README and docs: programs are type-checked against the package, commands against the command line. */
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { isBuilt } from '../setup/built.ts';
import { commandFault } from './shell-commands.ts';
import { allSnippets, commandsOf, pages, root, type Snippet, snippetsOf, textOf } from './snippets.ts';

const PROGRAMS = ['ts', 'js'];
/** Read, not run. What looks like a command or a program in one of them is in the wrong language. */
const PROSE = ['text', 'html', 'json', 'nginx'];
const LOOKS_LIKE_CODE = /^ *(\$ |subrosa [a-z]|npm (run|start|test|install)|import .* from )/m;
/** Errors that JavaScript has no means against: implicit `any`, what may be null, `unknown` in a catch clause. */
const WITHOUT_TYPES = [7006, 7031, 2531, 18047, 18046];

const snippets = allSnippets();
const placeOf = ({ page, line }: Snippet): string => `${page}:${line}`;
const isChecked = ({ mark }: Snippet): boolean => mark.kind !== 'unchecked';

function program(sources: ReadonlyMap<string, string>): string[] {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  host.getSourceFile = (path, version) => {
    const own = sources.get(path);
    return own === undefined ? getSourceFile(path, version) : ts.createSourceFile(path, own, version);
  };
  const checked = ts.createProgram([...sources.keys()], options, host);
  return ts.getPreEmitDiagnostics(checked).flatMap(({ file, start, messageText, code }) => {
    if (file?.fileName.endsWith('-js.mts') === true && WITHOUT_TYPES.includes(code)) return [];
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line;
    return `${file?.fileName.replace(/.*\//, '')}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

/** Each program as a file of the package, so that it finds the package by its name; lines as on its page. */
function sourcesOf(all: readonly Snippet[]): Map<string, string> {
  const sources = new Map<string, string>();
  let last: { path: string; page: string } | undefined;
  for (const snippet of all.filter(({ language }) => PROGRAMS.includes(language)).filter(isChecked)) {
    const { page, line, mark, code } = snippet;
    const above = (text: string) => `${text.replace(/\n/g, ' ')}\n${'\n'.repeat(line - 1)}${code}`;
    if (mark.kind === 'continues') {
      if (last?.page !== page) throw new Error(`${placeOf(snippet)} continues nothing`);
      sources.set(last.path, `${sources.get(last.path)}\n${code}`);
      continue;
    }
    const path = join(root, 'build/snippets', `${page.replace(/\W/g, '-')}-${line}-${snippet.language}.mts`);
    sources.set(path, above(mark.kind === 'given' ? mark.what : ''));
    last = { path, page };
  }
  return sources;
}

test('there are blocks to check', () => {
  expect(snippets.filter(({ language }) => PROGRAMS.includes(language)).length).toBeGreaterThan(10);
  expect(snippets.filter(({ language }) => language === 'sh').length).toBeGreaterThan(10);
});

test('every block names a language that says how it is checked', () => {
  const known = [...PROGRAMS, ...PROSE, 'sh'];
  expect(snippets.filter(({ language }) => !known.includes(language)).map(placeOf)).toEqual([]);
  const hidden = snippets.filter(
    ({ language, code }) => PROSE.includes(language) && LOOKS_LIKE_CODE.test(code),
  );
  expect(hidden.map(placeOf)).toEqual([]);
  for (const page of pages()) {
    const indented = textOf(page)
      .replace(/^(`{3,})[\s\S]*?^\1$/gm, '')
      .match(/(?<=\n\n {4})(npm|npx|subrosa|node|import) .*/g);
    expect(indented ?? [], `${page}: code that is only indented`).toEqual([]);
  }
});

test.skipIf(!isBuilt)(
  'programs have no type error (needs dist: npm run build)',
  () => {
    const wrong = "```ts\nimport { CkksContext } from 'subrosa/ckks';\nCkksContext.openn();\n```\n";
    expect(program(sourcesOf([...snippets, ...snippetsOf('docs/wrong.md', wrong)]))).toEqual([
      expect.stringMatching(/^docs-wrong-md-2-ts\.mts:3: Property 'openn' does not exist/),
    ]);
  },
  60_000,
);

describe('commands', () => {
  const faults = (all: readonly Snippet[]): string[] =>
    all
      .filter(({ language }) => language === 'sh')
      .filter(isChecked)
      .flatMap((snippet) => {
        const written = all.flatMap(({ page, mark }) =>
          page === snippet.page && mark.kind === 'file' ? [mark.what] : [],
        );
        const set = new Map<string, string>();
        return commandsOf(snippet.code).flatMap((command) => {
          const fault = commandFault(command, written, set);
          return fault === undefined ? [] : [`${placeOf(snippet)}: ${command}: ${fault}`];
        });
      });

  test('each of them exists, with its options', () => expect(faults(snippets)).toEqual([]));

  test.each([
    ['subrosa serv digits', 'unknown command'],
    ['subrosa serve digits --prot 1', 'unknown option'],
    ['subrosa serve digits --port many', 'port'],
    ['subrosa compile -o model.subrosa', 'missing required argument'],
    ['npm run nothing', 'no script'],
    ['npm install left-pad', 'no package'],
    ['node nowhere.mjs', 'there is no'],
    ['frobnicate', 'no command'],
  ])('%s is found', (command, fault) => {
    const page = `\`\`\`sh\n${command}\n\`\`\`\n`;
    expect(faults(snippetsOf('docs/wrong.md', page))).toEqual([expect.stringContaining(fault)]);
  });
});
