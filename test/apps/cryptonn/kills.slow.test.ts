/**
 * Processes that die in the middle of a request for keys, and a disk that is full: real commands, a relay between trainer and
 * authority that pulls the trigger. What comes out equals an undisturbed training, and the log accounts for every key.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { at, done, prepared, run, startAuthority } from './training-world.ts';

const FAITHFUL = ['--mode', 'faithful', '--i-understand-what-leaks'];
const FLAGS = [...FAITHFUL, '--epochs', '3', '--checkpoint-every', '1'];
const MAIN = join(installation.root, 'src', 'apps', 'cli', 'main.ts');

/** Passes everything on; `onKeys(n)` is called when the n-th request for keys has reached the authority. */
async function relay(target: string, onKeys: (count: number) => void) {
  let count = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, headers } = incoming;
    const onward = request(`${target}${incoming.url}`, { method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
      reply.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
    if (method === 'POST') incoming.once('end', () => onKeys(++count));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** The command of another authority address. */
const through = (url: string, args: readonly string[]) =>
  args.map((word, i) => (args[i - 1] === '--authority' ? url : word));

const exitOf = (child: ChildProcess) =>
  new Promise<string | number | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });

/** Keys that the verified log has on all axes. */
async function keysInLog(name: string): Promise<number> {
  const { verified, datasets } = JSON.parse(
    await done('authority', 'verify', '--state', at(`${name}.state`), '--json'),
  );
  expect(verified).toBe(true);
  return datasets[0].axes.reduce((sum: number, { keys }: { keys: number }) => sum + keys, 0);
}

test('a trainer killed while it waits for keys continues to the same weights', async () => {
  const { url, child, train } = await prepared('killed', ...FAITHFUL);
  await done(...train('whole.srnn', ...FLAGS, '--curve', at('whole.svg')));
  const reported: string[] = [];
  // In the first run the scales of two owners come first; two requests make a step, and there are nine.
  for (const kill of [5, 8, 5]) {
    const victims: ChildProcess[] = [];
    await using between = await relay(url, (count) => {
      if (count === kill) victims[0]?.kill('SIGKILL');
    });
    const args = through(between.url, train('part.srnn', ...FLAGS));
    const victim = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], { stdio: 'ignore' });
    victims.push(victim);
    reported.push(String(await exitOf(victim)));
    expect(existsSync(at('part.srnn'))).toBe(false);
    expect(existsSync(at('part.srnn.checkpoint'))).toBe(true);
  }
  expect(reported).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL']);
  const rest = JSON.parse(await done(...train('part.srnn', ...FLAGS, '--curve', at('part.svg'))));
  expect(rest).toMatchObject({ steps: 9, isComplete: true });
  expect(readFileSync(at('part.srnn'))).toEqual(readFileSync(at('whole.srnn')));
  expect(readFileSync(at('part.svg'))).toEqual(readFileSync(at('whole.svg')));
  expect(readFileSync(at('part.svg'), 'utf8')).toMatch(/points="(\d+\.\d,\d+\.\d ?){9}"/);
  child.kill('SIGTERM');
  await keysInLog('killed');
});

test('an authority killed in the middle of requests: the training ends with the same weights, the log with every key', async () => {
  const { url, child, train } = await prepared('shot', ...FAITHFUL);
  await done(...train('whole2.srnn', ...FLAGS));
  let authority = child;
  for (const delay of [0, 1, 3, 10]) {
    await using between = await relay(url, (count) => {
      if (count === 4) setTimeout(() => authority.kill('SIGKILL'), delay);
    });
    const gone = exitOf(authority);
    const lost = await run(...through(between.url, train('part2.srnn', ...FLAGS)));
    expect(lost).toMatchObject({ code: 1, out: '' });
    expect(await gone).toBe('SIGKILL');
    authority = (await startAuthority('shot', new URL(url).port)).child;
  }
  const rest = JSON.parse(await done(...train('part2.srnn', ...FLAGS)));
  expect(readFileSync(at('part2.srnn'))).toEqual(readFileSync(at('whole2.srnn')));
  const stopped = exitOf(authority);
  authority.kill('SIGTERM');
  await stopped;
  // A key whose answer was lost is in the log all the same.
  expect(await keysInLog('shot')).toBeGreaterThanOrEqual(rest.keysIssued);
});

test('a file that may not grow further: a clear error, nothing left, and the next try works', async () => {
  const { encrypt } = await prepared('small');
  const args = encrypt('ann', 'grown.enc', '--samples', '192');
  const node = [process.execPath, '--import', 'tsx', MAIN, ...args];
  // Blocks of 512 or 1024 bytes; the file would be some hundred times as large.
  const limited = spawnSync('sh', ['-c', 'ulimit -f 16; exec "$@"', 'sh', ...node], { encoding: 'utf8' });
  expect(limited.status).toBe(1);
  expect(limited.stdout).toBe('');
  expect(limited.stderr).toMatch(/cannot write .*grown\.enc \(EFBIG\): nothing half written is left/);
  expect(readdirSync(at('.')).filter((name) => name.startsWith('grown'))).toEqual([]);
  await done(...args);
  expect(existsSync(at('grown.enc'))).toBe(true);
});
