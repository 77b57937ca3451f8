/**
 * What the packaging tests install or need: packages that are no part of the development of this one, in
 * .cache, and a Chromium. Without a registry or a browser a test is skipped with the reason; never in CI.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installFixture } from '../../scripts/install-fixture.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const isCi = process.env['CI'] === 'true';
const NPM = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];

export function npm(args: readonly string[], cwd: string): string {
  return execFileSync('npm', [...args, ...NPM], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** `folder`, or why there is none. */
export type Installed = { readonly folder: string } | { readonly missing: string };

function unlessCi(missing: string): Installed {
  if (isCi) throw new Error(missing);
  return { missing };
}

/** The folder of test/packaging/fixtures/NAME, installed. @throws in CI when it cannot be. */
export function fixture(name: string): Installed {
  try {
    return { folder: installFixture(name) };
  } catch (error) {
    return unlessCi(
      `the ${name} of this test cannot be installed: ${(error as Error).message.slice(0, 200)}`,
    );
  }
}

/** The path of a system Chromium. @throws in CI when there is none. */
export function chromiumPath(): Installed {
  const names = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`);
  const folder = names.find(existsSync);
  return folder === undefined ? unlessCi('there is no Chromium') : { folder };
}

/**
 * Puts the package into FOLDER/node_modules as npm would: exactly the files that `npm pack` lists, and links to the
 * dependencies that it names, no others.
 */
export function installPackage(folder: string): void {
  const target = join(folder, 'node_modules', 'subrosa');
  rmSync(target, { recursive: true, force: true });
  const [{ files }] = JSON.parse(npm(['pack', '--dry-run', '--json'], root)) as [
    { files: { path: string }[] },
  ];
  for (const { path } of files) cpSync(join(root, path), join(target, path));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
}
