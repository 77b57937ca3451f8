/** The authority over HTTP: roles, refusals, rollback; and its state on a disk. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AuthorityFiles } from '../../../src/apps/cryptonn/authority-files.ts';
import { authorityRoutes } from '../../../src/apps/cryptonn/authority-wire.ts';
import { RemoteAuthority } from '../../../src/apps/cryptonn/remote-authority.ts';
import {
  FileWriteError,
  KeyFileError,
  KeyRefusedError,
  ProtocolError,
  RolledBackError,
  TransportError,
  UsageError,
} from '../../../src/base/errors.ts';
import type { LogHead } from '../../../src/protocols/cryptonn/agreement/log-head.ts';
import { replayLog } from '../../../src/protocols/cryptonn/authority/audit-log.ts';
import { writeKeyRequest } from '../../../src/protocols/cryptonn/agreement/key-messages.ts';
import { logReport } from '../../../src/protocols/cryptonn/authority/log-report.ts';
import { verifyAuthorityLog } from '../../../src/protocols/cryptonn/authority/log-verification.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';
import { MemoryStorage } from '../../protocols/cryptonn/memory-storage.ts';
import {
  FAITHFUL,
  FEATURES,
  insecureSchemeFor,
  openAuthorityWorld,
  PROJECTED,
  PROJECTION_SEED,
  RANK,
  TOKENS,
} from './authority-world.ts';

const P = projectionMatrix(PROJECTION_SEED, RANK, FEATURES);
const unit = Int32Array.from({ length: FEATURES }, (_, i) => (i === 5 ? 1 : 0));

describe('over HTTP', () => {
  test('owners get public keys, trainers function keys, and nobody the other', async () => {
    const storage = new MemoryStorage();
    await using world = await openAuthorityWorld(storage);
    const scheme = insecureSchemeFor(PROJECTED, 'projection');
    const [ann, tom] = [world.as('ann'), world.as('tom')];
    expect(await ann.spec('projected')).toEqual(PROJECTED);
    using publicKey = await ann.publicKey(PROJECTED, 'projection', scheme);
    using keys = await tom.issue(PROJECTED, 'projection', P, scheme);
    expect([keys.count, tom.keys, tom.rank('projection')]).toEqual([RANK, RANK, RANK]);
    expect(tom.seen).toEqual(world.authority.head);
    expect(publicKey.kind).toBe('master-public-key');
    await expect(tom.publicKey(PROJECTED, 'projection', scheme)).rejects.toThrow(/forbidden/);
    await expect(ann.issue(PROJECTED, 'projection', P, scheme)).rejects.toThrow(/forbidden/);
    const stranger = new Uint8Array(32).fill(7);
    const { status } = await fetch(world.server.url + authorityRoutes.dataset('projected'), {
      headers: { authorization: `Bearer ${Buffer.from(stranger).toString('base64url')}` },
    });
    expect(status).toBe(401);
    expect((await fetch(world.server.url + authorityRoutes.dataset('projected'))).status).toBe(401);
  });

  test('a trainer that asks for forbidden keys gets a typed refusal, and the log says so', async () => {
    const storage = new MemoryStorage();
    await using world = await openAuthorityWorld(storage);
    const tom = world.as('tom');
    const scheme = insecureSchemeFor(PROJECTED, 'projection');
    const other = P.slice(0, FEATURES);
    other[0] = other[0] === 0 ? 1 : 0;
    const asked = [
      [unit, 'projection', 'isolates-coordinates'],
      [other, 'projection', 'outside-span'],
      [P.map((value) => 9 * value), 'projection', 'out-of-bound'],
      [new Int32Array(PROJECTED.batch).fill(1), 'gradient', 'outside-span'],
      [P, 'forward', 'outside-span'],
    ] as const;
    for (const [weights, axis, reason] of asked) {
      const error = await tom.issue(PROJECTED, axis, weights, scheme).catch((refused: unknown) => refused);
      expect(error).toBeInstanceOf(KeyRefusedError);
      expect((error as KeyRefusedError).details.reason).toBe(reason);
    }
    const [report] = logReport(replayLog(storage.log).records);
    expect(report?.axes).toEqual([]);
    expect(report?.refused).toEqual([
      { requester: 'tom', reason: 'isolates-coordinates', count: 1 },
      { requester: 'tom', reason: 'outside-span', count: 3 },
      { requester: 'tom', reason: 'out-of-bound', count: 1 },
    ]);
    // The refusals are the policy: the same vector passes where the leak was acknowledged.
    using open = await tom.issue(FAITHFUL, 'forward', unit, insecureSchemeFor(FAITHFUL, 'forward'));
    expect(open.count).toBe(1);
  });

  test('bytes that are no request are refused before they are believed', async () => {
    await using world = await openAuthorityWorld(new MemoryStorage());
    const send = async (body: Uint8Array) => {
      const reply = await fetch(world.server.url + authorityRoutes.keys('projected', 'projection'), {
        method: 'POST',
        headers: {
          authorization: `Bearer ${Buffer.from(TOKENS.tom).toString('base64url')}`,
          'content-type': 'application/octet-stream',
        },
        body: new Uint8Array(body),
      });
      return [reply.status, ((await reply.json()) as { code: string }).code];
    };
    const whole = writeKeyRequest({ weights: P }, FEATURES);
    for (let cut = 0; cut < whole.length; cut += 13) {
      expect(await send(whole.subarray(0, cut))).toEqual([400, 'bad-request']);
    }
    const many = whole.slice();
    many[45] = 255;
    expect(await send(many)).toEqual([400, 'bad-request']);
    expect(await send(new Uint8Array(2 ** 22 + 1000))).toEqual([413, 'limit']);
    expect(world.authority.issuedRanks('projected')).toEqual({ projection: 0 });
  });

  test('a full disk is 503 with its reason, and over as soon as there is room', async () => {
    const storage = new MemoryStorage();
    await using world = await openAuthorityWorld(storage);
    const scheme = insecureSchemeFor(PROJECTED, 'projection');
    const tom = world.as('tom');
    using before = await tom.issue(PROJECTED, 'projection', P.slice(0, FEATURES), scheme);
    const append = storage.appendLog.bind(storage);
    // Half of a line is what a full disk takes.
    storage.appendLog = async (bytes) => {
      await append(bytes.subarray(0, bytes.length / 2));
      throw new FileWriteError('/state/audit.log', 'ENOSPC', 'the disk is full');
    };
    const reply = await fetch(world.server.url + authorityRoutes.keys('projected', 'projection'), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${Buffer.from(TOKENS.tom).toString('base64url')}`,
        'content-type': 'application/octet-stream',
      },
      body: new Uint8Array(writeKeyRequest({ weights: P.slice(FEATURES) }, FEATURES)),
    });
    expect([reply.status, reply.headers.has('retry-after')]).toEqual([503, true]);
    expect(((await reply.json()) as { code: string }).code).toBe('storage');
    await expect(tom.issue(PROJECTED, 'projection', P, scheme)).rejects.toThrow(
      /could not write to its disk/,
    );
    storage.appendLog = append;
    using after = await tom.issue(PROJECTED, 'projection', P, scheme);
    expect([before.count, after.count, tom.rank('projection')]).toEqual([1, RANK, RANK]);
    // What was asked for while the disk was full is in the log, once, so that a restart finds the same ranks.
    expect(replayLog(storage.log).records.filter(({ kind }) => kind === 'issued')).toHaveLength(2);
    await using restarted = await openAuthorityWorld(storage);
    expect(restarted.authority.issuedRanks('projected')).toEqual({ projection: RANK });
  });

  test('a trainer notices an authority that was rolled back, and one that is not there', async () => {
    const storage = new MemoryStorage();
    const target = insecureSchemeFor(PROJECTED, 'projection');
    let seen: LogHead | undefined;
    {
      await using world = await openAuthorityWorld(storage);
      const { log, anchor } = storage;
      const tom = world.as('tom');
      await tom.issue(PROJECTED, 'projection', P.slice(0, FEATURES), target);
      seen = tom.seen;
      Object.assign(storage, { log, anchor });
      await world.server.close();
      await expect(tom.issue(PROJECTED, 'projection', P, target)).rejects.toThrow(TransportError);
    }
    await using world = await openAuthorityWorld(storage);
    const tom = new RemoteAuthority(world.server.url, { token: TOKENS.tom, retries: 0 }, seen);
    await expect(tom.issue(PROJECTED, 'projection', P, target)).rejects.toThrow(RolledBackError);
    expect((await world.as('tom').issue(PROJECTED, 'projection', P, target)).count).toBe(RANK);
  });
});

describe('on a disk', () => {
  const directory = mkdtempSync(join(tmpdir(), 'subrosa-authority-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const cost = { logN: 4, r: 8, p: 1 };
  const state = join(directory, 'state');
  const open = () => AuthorityFiles.open(state, 'a passphrase', { cost });

  test('keeps keys and ranks over restarts; sealed, private, for one process at a time', async () => {
    let before: Uint8Array;
    {
      await using files = await open();
      await using world = await openAuthorityWorld(files);
      const scheme = insecureSchemeFor(PROJECTED, 'projection');
      using keys = await world.as('tom').issue(PROJECTED, 'projection', P, scheme);
      before = keys.toBytes();
      await expect(open()).rejects.toThrow(UsageError);
    }
    expect(statSync(join(state, 'root.key')).mode & 0o777).toBe(0o600);
    // A process that is gone left its lock.
    writeFileSync(join(state, 'lock'), '4194303999\n');
    await using files = await open();
    await using world = await openAuthorityWorld(files);
    expect(world.authority.issuedRanks('projected')).toEqual({ projection: RANK });
    const scheme = insecureSchemeFor(PROJECTED, 'projection');
    using keys = await world.as('tom').issue(PROJECTED, 'projection', P, scheme);
    expect(keys.toBytes()).toEqual(before);
    const audit = AuthorityFiles.readOnly(state, 'a passphrase', { cost });
    expect((await verifyAuthorityLog(audit, false)).records).toHaveLength(4);
    await expect(audit.appendLog(new Uint8Array(1))).rejects.toThrow(UsageError);
    const wrong = AuthorityFiles.readOnly(state, 'another', { cost });
    await expect(verifyAuthorityLog(wrong, false)).rejects.toThrow(KeyFileError);
    expect((await verifyAuthorityLog(wrong, true)).records).toHaveLength(4);
  });

  test('a cut log is refused, half a line of a crash is not', async () => {
    const path = join(state, 'audit.log');
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.concat([whole, Buffer.from('{"entry":5,"prev')]));
    {
      await using files = await open();
      await using world = await openAuthorityWorld(files);
      expect(world.authority.head.entries).toBe(4);
    }
    expect(readFileSync(path)).toEqual(whole);
    truncateSync(path, whole.subarray(0, -1).lastIndexOf('\n') + 1);
    await using files = await open();
    await expect(openAuthorityWorld(files)).rejects.toThrow(RolledBackError);
    rmSync(join(state, 'root.key'));
    await expect(openAuthorityWorld(files)).rejects.toThrow(ProtocolError);
  });
});
