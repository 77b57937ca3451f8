/**
 * Who opens a page elsewhere must not see when others ask: the log stays on the server's machine unless its operator says otherwise. What the
 * two edges compute on is together what somebody draws, and stays there whatever the operator says.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { webAppFor } from '../../../src/apps/cli/web.ts';
import { SIGHTS_PATH } from '../../../src/apps/web/page-routes.ts';
import { routes } from '../../../src/apps/transport/wire.ts';
import { EdgePair } from '../../../src/apps/web/edge-pair.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { FakeInference, fakeEnrolment } from '../fake-inference.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
beforeAll(() => {
  execFileSync(process.execPath, [join(installation.root, 'scripts', 'build-web.mjs')]);
}, 240_000);

/** Somebody asks, and somebody else opens every address that might tell of it: what that one gets. */
async function seenBy(flags: { host: string; showLog?: boolean }): Promise<string> {
  const app = await webAppFor(new FakeInference(['digits']), { ...flags, models: installation.models });
  open.push(app);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const victim = {
    authorization: `Bearer ${randomBytes(32).toString('base64url')}`,
    'content-type': 'application/octet-stream',
  };
  const body = Buffer.from(fakeEnrolment(1));
  expect((await fetch(url + routes.keys('digits'), { method: 'PUT', headers: victim, body })).status).toBe(
    201,
  );
  let seen = '';
  for (const path of [
    SIGHTS_PATH,
    '/web/',
    '/web/log',
    '/metrics',
    '/v1/log',
    routes.health,
    routes.models,
  ]) {
    const leaving = new AbortController();
    const reply = await fetch(url + path, { signal: leaving.signal });
    if (!reply.headers.get('content-type')?.startsWith('text/event-stream')) {
      seen += await reply.text();
      continue;
    }
    const first = await reply.body!.getReader().read();
    seen += Buffer.from(first.value!).toString('utf8');
    leaving.abort();
  }
  return seen;
}

test('a page on another machine is shown nothing; on this one, or with --show-log, it is (control)', async () => {
  const isTold = (seen: string) => /"kind":"(log|received)"/.test(seen) || seen.includes('enrolled');
  for (const host of ['0.0.0.0', '192.0.2.7', 'pages.example.org', '::'])
    expect(isTold(await seenBy({ host })), host).toBe(false);
  expect(isTold(await seenBy({ host: '127.0.0.1' }))).toBe(true);
  expect(isTold(await seenBy({ host: '0.0.0.0', showLog: true }))).toBe(true);
});

const directory = mkdtempSync(join(tmpdir(), 'subrosa-log-view-'));
afterAll(() => rmSync(directory, { recursive: true }));
const [tlsCert, tlsKey] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];

/** Edges that other machines reach need TLS. False where there is no openssl. */
function makeCertificate(): boolean {
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const into = ['-subj', '/CN=localhost', '-keyout', tlsKey, '-out', tlsCert];
  try {
    execFileSync('openssl', ['req', '-x509', ...made, ...into], { stdio: 'ignore' });
    return readFileSync(tlsCert).length > 0;
  } catch {
    return false;
  }
}

test.skipIf(!makeCertificate())(
  'nor what the edges compute on, with --show-log neither; on this machine it is (control)',
  async () => {
    using kernel = await openKernel();
    const opened = vi.spyOn(EdgePair, 'open').mockImplementation(async () => {
      return { ports: { a: 1, b: 2 }, [Symbol.asyncDispose]: async () => undefined } as unknown as EdgePair;
    });
    try {
      const isShown = async (flags: {
        host: string;
        showLog?: boolean;
        tlsCert?: string;
        tlsKey?: string;
      }) => {
        opened.mockClear();
        const service = new FakeInference(['digits']);
        open.push(await webAppFor(service, { ...flags, models: installation.models }, { kernel }));
        expect(opened).toHaveBeenCalledOnce();
        const { witness } = opened.mock.calls[0]![0];
        let seen = 0;
        witness?.listen(({ kind }) => {
          if (kind === 'edge') seen++;
        });
        witness?.saw('a', Int32Array.of(1), 8);
        return seen > 0;
      };
      for (const host of ['0.0.0.0', '192.0.2.7', 'pages.example.org', '::'])
        expect(await isShown({ host, showLog: true, tlsCert, tlsKey }), host).toBe(false);
      expect(await isShown({ host: '127.0.0.1' })).toBe(true);
    } finally {
      opened.mockRestore();
    }
  },
  60_000,
);
