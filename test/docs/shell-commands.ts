/** Whether a command of the documentation could run: the command line knows it with its options, the script or file is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { buildProgram } from '../../src/apps/cli/program.ts';
import type { EngineParts } from '../../src/apps/cli/parts.ts';
import { root } from './snippets.ts';

/** Of these only the name is checked. */
const FOREIGN = ['nats-server', 'apt-get', 'git', 'cd', 'curl', 'openssl', 'kill'];

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
  version: string;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
};

/** Commands run nothing here; groups of commands go on refusing what they do not know. */
function withoutActions(command: Command): Command {
  if (command.commands.length === 0) command.action(() => {});
  command.commands.forEach(withoutActions);
  return command;
}

/** What the command line says against `subrosa ARGS`, or undefined. */
function programFault(args: readonly string[]): string | undefined {
  const said: string[] = [];
  const terminal = {
    out: () => {},
    err: (text: string) => void said.push(text),
    outIsTerminal: false,
    errIsTerminal: false,
    env: {},
  };
  try {
    withoutActions(buildProgram(terminal, {} as EngineParts, () => {})).parse([...args], { from: 'user' });
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return code?.endsWith('helpDisplayed') === true ? undefined : said.join('').trim() || message;
  }
  return undefined;
}

const isThere = (path: string, written: readonly string[]): boolean =>
  written.includes(path) || existsSync(join(root, path));

function npmFault(args: readonly string[]): string | undefined {
  const [verb, ...rest] = args.filter((arg) => arg !== '-s' && arg !== '--silent');
  const script = verb === 'run' ? rest[0] : verb;
  switch (verb) {
    case 'init':
      return undefined;
    case 'install': {
      const known: Record<string, string> = {
        ...manifest.devDependencies,
        ...manifest.dependencies,
        ...manifest.peerDependencies,
        subrosa: manifest.version,
        vite: '',
      };
      const strange = rest.find((arg) => !arg.startsWith('-') && !(arg.replace(/(.)@.*$/, '$1') in known));
      return strange === undefined ? undefined : `${strange} is no package that this one knows`;
    }
    case 'run':
    case 'start':
    case 'test': {
      if (script === undefined || manifest.scripts[script] === undefined)
        return `there is no script ${script}`;
      const own = rest.slice(rest.indexOf('--') + 1);
      if (script === 'subrosa') return programFault(own);
      if (script === 'web' && rest.includes('--')) return programFault(['web', ...own]);
      return undefined;
    }
    default:
      return `npm ${verb} is not known here`;
  }
}

/**
 * What is wrong with one command, or undefined. Parts in brackets count as given, and variables as their values.
 * @param written files that the page told its reader to write
 */
export function commandFault(
  command: string,
  written: readonly string[],
  set: Map<string, string>,
): string | undefined {
  let text = command.replace(/[[\]]/g, '').replace(/\s*(?:&&|[|>]).*$/, '');
  for (const [variable, value] of set) text = text.replaceAll(`$${variable}`, value);
  const assigned = /^(\w+)="?([^"]*)"?$/.exec(text);
  if (assigned !== null) {
    set.set(assigned[1] ?? '', assigned[2] ?? '');
    return undefined;
  }
  const words = [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');
  while (/^[A-Z_]+=/.test(words[0] ?? '')) words.shift();
  const [program = '', ...args] = words;
  const path = args.find((arg) => !arg.startsWith('-'));
  switch (program) {
    case 'subrosa':
      return programFault(args);
    case 'npm':
      return npmFault(args);
    case 'node':
      return path !== undefined && isThere(path, written) ? undefined : `there is no ${path}`;
    case 'npx': {
      const [tool = '', ...rest] = args;
      const file = rest.find((arg) => arg.includes('/') || arg.includes('.'));
      if (tool === 'subrosa') return programFault(rest);
      if (!['vitest', 'tsx', 'vite'].includes(tool)) return `npx ${tool} is not known here`;
      return tool === 'vite' || file === undefined || isThere(file, written)
        ? undefined
        : `there is no ${file}`;
    }
    default:
      return FOREIGN.includes(program) ? undefined : `${program} is no command that is known here`;
  }
}
