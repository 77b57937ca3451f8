/** Every page with blocks that are marked to run: all of them in order, as a reader would, with the package as npm would install it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { chromium } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chromiumPath, fixture, installPackage } from '../packaging/installed.ts';
import { isBuilt } from '../setup/built.ts';
import { allSnippets, commandsOf, root, type Snippet } from './snippets.ts';

const RUN = ['run', 'run until', 'run in the checkout'];
const snippets = allSnippets();
const tutorials = [
  ...new Set(snippets.filter(({ mark }) => RUN.includes(mark.kind)).map(({ page }) => page)),
];
const vite = fixture('bundlers');
const browserAt = chromiumPath();
const missing = [vite, browserAt].flatMap((found) => ('missing' in found ? [found.missing] : []));

/** Installed where the reader's command would put it; nothing is downloaded. */
const BROUGHT: Readonly<Record<string, string>> = {
  vite: join('folder' in vite ? vite.folder : '', 'node_modules/vite8'),
};
const PROGRAMS: Readonly<Record<string, readonly [name: string, path: string]>> = {
  subrosa: ['subrosa', 'dist/src/apps/cli/main.js'],
  vite: ['vite', 'bin/vite.js'],
};

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
/** All of a text, with `...` for anything. */
const pattern = (text: string): RegExp =>
  new RegExp(`^\\s*${escaped(text.trim()).replaceAll('\\.\\.\\.', '[\\s\\S]*?')}\\s*$`);
const plain = (text: string): string => stripVTControlCharacters(text).replace(/[ \t]+$/gm, '');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

class Tutorial {
  readonly #folder = mkdtempSync(join(tmpdir(), 'subrosa-tutorial-'));
  readonly #background: ChildProcess[] = [];
  readonly #ports = new Map<string, string>();
  #printed = '';

  /** The page's ports by free ones: other programs may have its own. */
  async prepare(page: readonly Snippet[]): Promise<void> {
    const text = page.map(({ code }) => code).join('\n');
    for (const [, port = ''] of text.matchAll(/(?:127\.0\.0\.1:|port )(\d{4})/g))
      if (!this.#ports.has(port)) this.#ports.set(port, `${await freePort()}`);
  }

  async step({ language, code, mark }: Snippet, place: string): Promise<void> {
    const text = this.#withPorts(code);
    switch (mark.kind) {
      case 'file':
        mkdirSync(dirname(join(this.#folder, mark.what)), { recursive: true });
        writeFileSync(join(this.#folder, mark.what), text);
        break;
      case 'run':
      case 'run in the checkout': {
        const folder = mark.kind === 'run' ? this.#folder : root;
        const command = language === 'sh' ? text : `node ${this.#program(text, folder)}`;
        this.#printed = await this.#run(command, folder);
        // `console.log(x); // 1: why` says what it prints.
        const [, said] = /^console\.log\(.*\); \/\/ ([^:\n]+)/m.exec(language === 'sh' ? '' : text) ?? [];
        if (said !== undefined) expect(this.#printed.trim(), place).toBe(said.trim());
        break;
      }
      case 'run until':
        this.#printed = await this.#start(text, this.#withPorts(mark.what));
        break;
      case 'prints':
        expect(plain(this.#printed), place).toMatch(pattern(text));
        break;
      case 'visit':
        await this.#visit(this.#withPorts(mark.what), pattern(text));
        break;
      default:
    }
  }

  async close(): Promise<void> {
    for (const child of this.#background) {
      const ended = new Promise((resolve) => {
        child.once('exit', resolve);
      });
      if (child.exitCode === null && child.pid !== undefined) {
        process.kill(-child.pid, 'SIGTERM');
        await ended;
      }
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #withPorts(text: string): string {
    return [...this.#ports].reduce((all, [from, to]) => all.replaceAll(from, to), text);
  }

  /** Where it finds the package by its name. */
  #program(text: string, folder: string): string {
    const path = join(folder === root ? join(root, 'build/snippets') : folder, 'program.mjs');
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  #spawn(command: string, cwd: string): ChildProcess {
    const env = { ...process.env, SUBROSA_HOME: join(this.#folder, 'home'), NO_COLOR: '1', CI: 'true' };
    delete (env as NodeJS.ProcessEnv)['FORCE_COLOR'];
    return spawn('bash', ['-euo', 'pipefail', '-c', command], {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async #run(text: string, cwd: string): Promise<string> {
    const commands = commandsOf(text);
    commands.filter((each) => each.startsWith('npm install')).forEach((each) => this.#install(each));
    const rest = commands.filter((each) => !each.startsWith('npm install')).join('\n');
    const child = this.#spawn(rest, cwd);
    const printed: string[] = [];
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (data: Buffer) => printed.push(data.toString()));
    const status = await new Promise((resolve) => {
      child.once('close', resolve);
    });
    expect(status, `${rest}\n${printed.join('')}`).toBe(0);
    return printed.join('');
  }

  #start(command: string, until: string): Promise<string> {
    const child = this.#spawn(commandsOf(command).join('\n'), this.#folder);
    this.#background.push(child);
    return new Promise((resolve, reject) => {
      let printed = '';
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on('data', (data: Buffer) => {
          printed += data.toString();
          if (plain(printed).includes(until)) resolve(printed);
        });
      }
      child.once('exit', () => reject(new Error(`${command} ended: ${printed}`)));
    });
  }

  #install(command: string): void {
    const names = command.split(/\s+/).filter((word) => !word.startsWith('-'));
    for (const name of names.slice(2)) {
      const target = join(this.#folder, 'node_modules', name);
      if (name === 'subrosa') installPackage(this.#folder);
      else if (!existsSync(target)) {
        mkdirSync(dirname(target), { recursive: true });
        symlinkSync(BROUGHT[name] ?? join(root, 'node_modules', name), target);
      }
      const program = PROGRAMS[name];
      if (program === undefined) continue;
      mkdirSync(join(this.#folder, 'node_modules/.bin'), { recursive: true });
      symlinkSync(join(target, program[1]), join(this.#folder, 'node_modules/.bin', program[0]));
      execFileSync('chmod', ['+x', join(target, program[1])]);
    }
  }

  async #visit(url: string, expected: RegExp): Promise<void> {
    const browser = await chromium.launch({
      executablePath: 'folder' in browserAt ? browserAt.folder : '',
      args: ['--no-sandbox'],
    });
    try {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('console', (message) => errors.push(message.text()));
      await page.goto(url);
      const text = (): Promise<string> => page.evaluate(() => document.body.innerText);
      const deadline = AbortSignal.timeout(120_000);
      while (!expected.test(await text()) && !deadline.aborted) await page.waitForTimeout(100);
      expect(await text(), errors.join('\n')).toMatch(expected);
    } finally {
      await browser.close();
    }
  }
}

describe.skipIf(!isBuilt || missing.length > 0)(`tutorials ${missing.join(', ')}`, () => {
  let tutorial: Tutorial;
  beforeEach(() => {
    tutorial = new Tutorial();
  });
  afterEach(() => tutorial.close());

  test('there is one for each reader', () => expect(tutorials.length).toBeGreaterThanOrEqual(5));

  test.each(tutorials)(
    '%s',
    async (page) => {
      const own = snippets.filter((each) => each.page === page);
      await tutorial.prepare(own);
      for (const each of own) await tutorial.step(each, `${each.page}:${each.line}`);
    },
    900_000,
  );
});
