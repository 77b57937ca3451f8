/** Whether the build is there and not older than its sources: a test of the build must not pass or fail by an old one. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The newest change below a folder, folders themselves included. */
function newest(folder: string): number {
  return Math.max(
    statSync(folder).mtimeMs,
    ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(
      (name) => statSync(join(folder, name)).mtimeMs,
    ),
  );
}

/** `npm run build` makes it true; every npm script that tests does so first. */
export const isBuilt = ['src', 'bench'].every((folder) => {
  const stamp = join(root, 'build', 'stamps', 'typescript');
  const isThere = existsSync(stamp) && existsSync(join(root, 'dist', folder));
  return isThere && newest(join(root, folder)) <= statSync(stamp).mtimeMs;
});
