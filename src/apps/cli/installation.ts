/** Where the parts of the installed package are: works from the build and from sources. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'examples', 'audio')))
      return folder;
    if (folder === dirname(folder)) throw new Error('the package has no package.json above its code');
  }
}

const root = findRoot();

export const installation = {
  root,
  models: join(root, 'models'),
  recordings: join(root, 'examples', 'audio'),
  bench: join(root, 'dist', 'bench', 'main.js'),
  version: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
};
