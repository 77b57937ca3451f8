// Installs what a test needs and development does not, from test/packaging/fixtures/NAME/package.json into .cache,
// once per content. As a program it prints the folder: node scripts/install-fixture.mjs NAME
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @returns the folder. @throws when npm cannot install there, for example without a registry. */
export function installFixture(name) {
  const text = readFileSync(join(root, 'test', 'packaging', 'fixtures', name, 'package.json'), 'utf8');
  const key = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const folder = join(root, '.cache', 'packaging', `${name}-${key}`);
  const stamp = join(folder, 'installed');
  if (existsSync(stamp)) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), text);
  const flags = ['--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  execFileSync('npm', ['install', ...flags], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  writeFileSync(stamp, '');
  return folder;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.stdout.write(`${installFixture(process.argv[2])}\n`);
