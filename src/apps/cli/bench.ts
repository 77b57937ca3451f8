/** `subrosa bench`: hands over to the benches, which are a program of their own. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { DataError } from '../../base/errors.ts';
import { FAILED } from './terminal/report-error.ts';
import { installation } from './installation.ts';

/** Runs the bench with this process's streams; returns its exit code. @throws {DataError} when it was not built. */
export function bench(args: readonly string[]): Promise<number> {
  if (!existsSync(installation.bench))
    throw new DataError('the benches are not built here: run npm run bench in a clone of the project');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [installation.bench, ...args], { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? FAILED));
  });
}
