/** A user's TypeScript program against the declarations of the package: old and new compilers, every way to resolve modules. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixture, installPackage, root } from './installed.ts';
import { isBuilt } from '../setup/built.ts';

const compilers = fixture('typescript');
const why = 'missing' in compilers ? compilers.missing : '';

const WITHOUT_SERVER = ['src/consumer.ts'];
/** The declarations of Fastify and zod, which these entries name, need TypeScript 5.4. */
const ALL = ['src/consumer.ts', 'src/consumer-server.ts'];

/** Compiler, `module`, `moduleResolution`, programs. TypeScript 6 has no node10 any more without a flag. */
const CASES = [
  ['typescript52', 'esnext', 'node10', WITHOUT_SERVER],
  ['typescript52', 'node16', 'node16', WITHOUT_SERVER],
  ['typescript52', 'esnext', 'bundler', WITHOUT_SERVER],
  ['typescript57', 'esnext', 'node10', ALL],
  ['typescript57', 'nodenext', 'nodenext', ALL],
  ['typescript', 'nodenext', 'nodenext', ALL],
  ['typescript', 'esnext', 'bundler', ALL],
] as const;

describe.skipIf(!isBuilt || why !== '')(`TypeScript programs ${why}`, () => {
  const folder = 'folder' in compilers ? compilers.folder : '';

  beforeAll(() => {
    installPackage(folder);
    // The entries with a server name its types.
    for (const name of ['fastify', 'pino', 'typescript']) {
      const link = join(folder, 'node_modules', name);
      rmSync(link, { recursive: true, force: true });
      symlinkSync(join(root, 'node_modules', name), link);
    }
    mkdirSync(join(folder, 'src'), { recursive: true });
    for (const path of ALL) cpSync(join(root, 'test/packaging/programs', basename(path)), join(folder, path));
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  }, 120_000);

  function compile(
    compiler: string,
    module: string,
    moduleResolution: string,
    files: readonly string[],
  ): string {
    const compilerOptions = {
      ...{ target: 'es2022', lib: ['es2022', 'dom'], types: ['node'], module, moduleResolution },
      ...{ strict: true, noEmit: true, esModuleInterop: true, skipLibCheck: false },
    };
    const config = join(folder, `tsconfig-${compiler}-${module}-${moduleResolution}.json`);
    writeFileSync(config, JSON.stringify({ compilerOptions, files }));
    const tsc = join(folder, 'node_modules', compiler, 'bin/tsc');
    const { stdout } = spawnSync(process.execPath, [tsc, '-p', config], {
      cwd: dirname(config),
      encoding: 'utf8',
    });
    return stdout;
  }

  test.each(CASES)(
    '%s, module %s, moduleResolution %s',
    (compiler, module, resolution, programs) => {
      expect(compile(compiler, module, resolution, programs)).toBe('');
    },
    180_000,
  );

  test('the check sees a wrong type (positive control)', () => {
    const wrong = "import { openKernel } from 'subrosa';\nexport const kernel: number = openKernel();\n";
    writeFileSync(join(folder, 'src/wrong.ts'), wrong);
    expect(compile('typescript57', 'nodenext', 'nodenext', ['src/wrong.ts'])).toContain('TS2322');
  }, 180_000);
});
