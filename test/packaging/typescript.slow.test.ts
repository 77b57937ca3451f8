/** A user's TypeScript program against the declarations of the package: old and new compilers, every way to resolve modules. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixture, installPackage, root } from './installed.ts';

const compilers = fixture('typescript');
const isBuilt = existsSync(join(root, 'dist/src/client.js'));
const why = 'missing' in compilers ? compilers.missing : '';

/** Compiler, `module`, `moduleResolution`. TypeScript 6 has no node10 any more without a flag. */
const CASES = [
  ['typescript52', 'esnext', 'node10'],
  ['typescript52', 'node16', 'node16'],
  ['typescript52', 'esnext', 'bundler'],
  ['typescript57', 'esnext', 'node10'],
  ['typescript57', 'nodenext', 'nodenext'],
  ['typescript', 'nodenext', 'nodenext'],
  ['typescript', 'esnext', 'bundler'],
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
    cpSync(join(root, 'test/packaging/programs/consumer.ts'), join(folder, 'src/consumer.ts'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  }, 120_000);

  function compile(compiler: string, module: string, moduleResolution: string, files: string[]): string {
    const compilerOptions = {
      ...{ target: 'es2022', lib: ['es2022', 'dom'], types: ['node'], module, moduleResolution },
      ...{ strict: true, noEmit: true, skipLibCheck: false },
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
    (compiler, module, resolution) => {
      expect(compile(compiler, module, resolution, ['src/consumer.ts'])).toBe('');
    },
    180_000,
  );

  test('the check sees a wrong type (positive control)', () => {
    const wrong = "import { openKernel } from 'subrosa';\nexport const kernel: number = openKernel();\n";
    writeFileSync(join(folder, 'src/wrong.ts'), wrong);
    expect(compile('typescript57', 'nodenext', 'nodenext', ['src/wrong.ts'])).toContain('TS2322');
  }, 180_000);
});
