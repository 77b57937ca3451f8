/** The files of deploy/, and what the commands, the sources and the package say about the names that stand in them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command, Option } from 'commander';
import { parse, parseAllDocuments } from 'yaml';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { buildProgram } from '../../src/apps/cli/program.ts';

const root = join(import.meta.dirname, '..', '..');
const deploy = join(root, 'deploy');

/** What a file holds; the tests say what it must be. */
export type Parsed = ReturnType<typeof parse>;

export function deployText(name: string): string {
  return readFileSync(join(deploy, name), 'utf8');
}

/** @throws on anything that YAML warns of. */
export function deployYaml(name: string): Parsed {
  return parse(deployText(name), { merge: true, strict: true, uniqueKeys: true });
}

export function deployDocuments(name: string): Parsed[] {
  return parseAllDocuments(deployText(name), { strict: true, uniqueKeys: true }).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}

const conf = deployText('kubernetes/nats.conf');
const confNumber = (pattern: RegExp) => Number(pattern.exec(conf)?.[1]);

/** The broker's settings. */
export const NATS = {
  conf,
  port: confNumber(/^port: (\d+)$/m),
  healthPort: confNumber(/^http_port: (\d+)$/m),
  folder: /^ {2}store_dir: "(.*)"$/m.exec(conf)?.[1] ?? '',
  fileBytes: confNumber(/^ {2}max_file_store: (\d+)GB$/m) * 2 ** 30,
  payloadBytes: confNumber(/^max_payload: (\d+)MB$/m) * 2 ** 20,
} as const;

export const packageFacts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Code without comments. */
const sources: readonly string[] = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) =>
    readFileSync(join(root, 'src', name), 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/^\s*\/\/.*$/gm, ''),
  );

/** Names of the environment that some command reads: as properties, in brackets, taken apart, or named to an option. */
export const readVariables: ReadonlySet<string> = new Set(
  sources.flatMap((text) => [
    ...[...text.matchAll(/env(?:\.|\[')([A-Z][A-Z0-9_]+)/g)].map((match) => match[1] as string),
    ...[...text.matchAll(/\.env\('([A-Z0-9_]+)'\)/g)].map((match) => match[1] as string),
    ...[...text.matchAll(/\{([^{}]*)\} = env\b/g)].flatMap((match) =>
      [...(match[1] as string).matchAll(/([A-Z][A-Z0-9_]+)/g)].map((name) => name[1] as string),
    ),
  ]),
);

const silent = {
  out: () => undefined,
  err: () => undefined,
  outIsTerminal: false,
  errIsTerminal: false,
  env: {},
};
const program = buildProgram(silent, engineParts, () => undefined);

export interface CheckedCommand {
  /** `serve`, `fleet publish`. */
  readonly name: string;
  readonly options: ReadonlyMap<string, string | true>;
  readonly operands: readonly string[];
}

/**
 * Reads the arguments of a `subrosa` command by its own table of options, as the command would, without running it.
 * @throws {Error} for a command, an option, a value or an operand that the table does not have
 */
export function checkCommand(args: readonly string[]): CheckedCommand {
  let command: Command = program;
  const left = [...args];
  for (;;) {
    const next = command.commands.find((each) => each.name() === left[0]);
    if (next === undefined) break;
    command = next;
    left.shift();
  }
  const path: string[] = [];
  for (let each: Command | null = command; each !== null && each !== program; each = each.parent)
    path.unshift(each.name());
  const name = path.join(' ');
  if (command.commands.length > 0) throw new Error(`${args.join(' ')}: names no command`);
  const options = new Map<string, string | true>();
  const operands: string[] = [];
  while (left.length > 0) {
    const word = left.shift() as string;
    if (!word.startsWith('-')) {
      operands.push(word);
      continue;
    }
    const [flag = '', ...rest] = word.split('=');
    const option = command.options.find(({ long }) => long === flag);
    if (option === undefined) throw new Error(`${name} has no option ${flag}`);
    const value = rest.length > 0 ? rest.join('=') : option.required ? left.shift() : true;
    checkValue(name, option, value);
    options.set(flag, value as string | true);
  }
  const wanted = command.registeredArguments;
  const needed = wanted.filter(({ required }) => required).length;
  const most = wanted.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : wanted.length;
  if (operands.length < needed || operands.length > most)
    throw new Error(`${name} takes other operands than "${operands.join(' ')}"`);
  return { name, options, operands };
}

function checkValue(name: string, option: Option, value: string | true | undefined): void {
  const takes = option.required;
  if (takes !== (typeof value === 'string'))
    throw new Error(`${name} ${option.long}: a value too many or too few`);
  if (typeof value !== 'string') return;
  if (option.argChoices !== undefined && !option.argChoices.includes(value))
    throw new Error(`${name} ${option.long} is none of ${option.argChoices.join(', ')}`);
  option.parseArg?.(value, undefined);
}

/** A size as Compose and Kubernetes write it, in MiB. */
export function mebibytes(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(M|G|Mi|Gi)$/.exec(text) ?? [];
  if (number === '') throw new Error(`${text} is no size`);
  return Number(number) * (unit.startsWith('G') ? 1024 : 1);
}

/** A time as Compose writes it, in seconds. */
export function seconds(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(s|m)$/.exec(text) ?? [];
  if (number === '') throw new Error(`${text} is no time`);
  return Number(number) * (unit === 'm' ? 60 : 1);
}
