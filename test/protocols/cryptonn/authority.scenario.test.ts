import { shake256 } from '@noble/hashes/sha3.js';
import { describe, expect, test } from 'vitest';
import type { Seed } from '../../../src/base/brand.ts';
import {
  DecodeError,
  InvalidParamsError,
  KeyRefusedError,
  ProtocolError,
  RolledBackError,
} from '../../../src/base/errors.ts';
import type { RandomSource } from '../../../src/base/random.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { replayLog } from '../../../src/protocols/cryptonn/authority/audit-log.ts';
import { Authority, type KeyDerivation } from '../../../src/protocols/cryptonn/authority/authority.ts';
import {
  type Approval,
  approverKey,
  signApproval,
} from '../../../src/protocols/cryptonn/agreement/dataset-approvals.ts';
import { approvalText, type DatasetSpec } from '../../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { logReport } from '../../../src/protocols/cryptonn/authority/log-report.ts';
import { verifyAuthorityLog } from '../../../src/protocols/cryptonn/authority/log-verification.ts';
import { projectionMatrix } from '../../../src/protocols/cryptonn/agreement/projection.ts';
import { RankEchelon } from '../../../src/protocols/cryptonn/agreement/rank-echelon.ts';
import { Killed, MemoryStorage } from './memory-storage.ts';

function testRandom(): RandomSource {
  let count = 0;
  return { seed: () => shake256(Uint8Array.of(++count & 255, count >> 8), { dkLen: 32 }) as Seed };
}

/** The linear part of every inner-product scheme, <s, y> mod 2^32, with s expanded from the seed. What a key is does not matter here. */
const deriveInner: KeyDerivation<number[]> = {
  deriveKeys(seed, _spec, _axis, weights) {
    const s = new Int32Array(shake256(seed, { dkLen: 4 * 64 }).buffer);
    return Array.from(weights, (w, i) => Math.imul(w, s[i % 64]!));
  },
  publicKey: (seed) => shake256(seed, { dkLen: 32 }),
  discardKeys: (keys) => keys.fill(0),
};

const FEATURES = 64;
const RANK = 6;
const SEED = '11'.repeat(32);

const projected: DatasetSpec = {
  id: 'digits',
  scheme: 'lattice',
  mode: 'projected',
  features: FEATURES,
  inputScale: 100,
  inputBound: 100,
  classes: 10,
  batch: 16,
  projection: { rank: RANK, seed: SEED, budgetShare: 0.25, approvedBy: [] },
};

const faithful: DatasetSpec = {
  ...projected,
  id: 'open',
  mode: 'faithful',
  projection: undefined,
  faithful: { acknowledged: 'I understand what leaks', weightBound: 127, gradientBound: 127 },
};

const P = projectionMatrix(SEED, RANK, FEATURES);
const [ann, bob] = ['ann', 'bob'].map((name, i) => ({ name, secret: new Uint8Array(32).fill(i + 1) })) as [
  { name: string; secret: Uint8Array },
  { name: string; secret: Uint8Array },
];
const row = (k: number) => P.slice(k * FEATURES, (k + 1) * FEATURES);

async function started(storage: MemoryStorage, spec: DatasetSpec = projected): Promise<Authority<number[]>> {
  const authority = await Authority.open(storage, deriveInner, testRandom());
  await authority.createDataset('owner', spec);
  return authority;
}

const ask = (authority: Authority<number[]>, weights: Int32Array, dataset = 'digits') =>
  authority.issue({ requester: 'trainer', dataset, axis: 'projection', weights });

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KeyRefusedError);
  return (error as KeyRefusedError).details.reason;
}

describe('the policy', () => {
  test('issues the rows of the projection and their combinations, and counts the rank', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    expect((await ask(authority, P)).rank).toBe(RANK);
    const sum = row(0).map((value, j) => value + row(3)[j]!);
    expect((await ask(authority, sum)).rank).toBe(RANK);
    expect(authority.issuedRanks('digits')).toEqual({ projection: RANK });
  });

  test('refuses what it must, with the reason in the log', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    const unit = new Int32Array(FEATURES);
    unit[5] = 1;
    const radix = Int32Array.from({ length: FEATURES }, (_, i) => (i < 12 ? 2 ** i : 0));
    const other = row(0);
    other[0] = other[0] === 0 ? 1 : 0;
    const asked: [Int32Array, string, string][] = [
      [unit, 'digits', 'isolates-coordinates'],
      [radix, 'digits', 'out-of-bound'],
      [other, 'digits', 'outside-span'],
      [row(0).map((value) => 5 * value), 'digits', 'out-of-bound'],
      [row(0).subarray(1), 'digits', 'wrong-length'],
      [row(0), 'other', 'unknown-dataset'],
    ];
    for (const [weights, dataset, reason] of asked) {
      expect(await refusalOf(ask(authority, weights, dataset))).toBe(reason);
    }
    const { records } = replayLog(storage.log);
    expect(records.filter((r) => r.kind === 'refused').map((r) => r.reason)).toEqual(asked.map((a) => a[2]));
    // One forbidden row spoils the request: no key of it is issued.
    expect(await refusalOf(ask(authority, Int32Array.from([...row(0), ...unit])))).toBe(
      'isolates-coordinates',
    );
    expect(authority.issuedRanks('digits')).toEqual({ projection: 0 });
  });

  test('the attack vectors pass when the data set is open by acknowledgement: the refusals above are the policy', async () => {
    const authority = await started(new MemoryStorage(), faithful);
    const unit = Int32Array.from({ length: FEATURES }, (_, i) => (i === 5 ? 1 : 0));
    const answer = await authority.issue({ requester: 't', dataset: 'open', axis: 'forward', weights: unit });
    expect(answer.rank).toBe(1);
  });

  test('a projection over the budget is refused at creation unless two enrolled keys signed a larger share', async () => {
    const storage = new MemoryStorage();
    const approvers = [ann, bob].map(({ name, secret }) => ({ name, key: approverKey(secret) }));
    const authority = await Authority.open(storage, deriveInner, testRandom(), undefined, { approvers });
    const large = { ...projected.projection!, rank: 16 };
    await expect(authority.createDataset('o', { ...projected, projection: large })).rejects.toThrow(
      InvalidParamsError,
    );
    const asked = { ...projected, projection: { ...large, budgetShare: 0.5 } };
    const text = approvalText(asked);
    const signed = (...approvedBy: (string | Approval)[]) => ({
      ...asked,
      projection: { ...asked.projection, approvedBy },
    });
    const [first, second] = [ann, bob].map(({ name, secret }) => signApproval(text, name, secret));
    const refused = [
      // Names alone, as earlier versions took them.
      signed('ann', 'bob'),
      signed(first!),
      signed(first!, first!),
      // One key under two names; one name with two keys; a signature moved under another key; of another data set.
      signed(first!, signApproval(text, 'other', ann.secret)),
      signed(first!, signApproval(text, 'ann', bob.secret)),
      signed(first!, { ...second!, signature: first!.signature }),
      signed(first!, signApproval(approvalText({ ...asked, id: 'other' }), 'bob', bob.secret)),
    ];
    for (const spec of refused)
      await expect(authority.createDataset('o', spec)).rejects.toThrow(/approvals signed by different keys/);
    const strangers = signed(first!, signApproval(text, 'eve', new Uint8Array(32).fill(9)));
    await expect(authority.createDataset('o', strangers)).rejects.toThrow(/enrolled/);
    // Any change after the signatures makes them worthless.
    const changed = signed(first!, second!);
    changed.projection.rank = 20;
    await expect(authority.createDataset('o', changed)).rejects.toThrow(InvalidParamsError);
    await authority.createDataset('o', signed(first!, second!));
    expect((await ask(authority, projectionMatrix(SEED, 16, FEATURES))).rank).toBe(16);
    // A restart with other keys enrolled keeps the log readable, and issues no more.
    const again = await Authority.open(storage, deriveInner, testRandom());
    expect(await refusalOf(ask(again, row(0)))).toBe('closed');
  });

  test('data sets have unrelated master keys, and a closed one has none', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    await authority.createDataset('owner', { ...projected, id: 'second' });
    const [first, second] = [await ask(authority, row(0)), await ask(authority, row(0), 'second')];
    expect(first.keys).not.toEqual(second.keys);
    expect((await ask(authority, row(0))).keys).toEqual(first.keys);
    await authority.closeDataset('owner', 'digits');
    expect(await refusalOf(ask(authority, row(0)))).toBe('closed');
    const again = await Authority.open(storage, deriveInner, testRandom());
    expect(await refusalOf(ask(again, row(0)))).toBe('closed');
    await expect(again.createDataset('owner', projected)).rejects.toThrow(ProtocolError);
  });
});

describe('the log', () => {
  test('a restart keeps ranks and keys', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    const before = await ask(authority, P.slice(0, 3 * FEATURES));
    const again = await Authority.open(storage, deriveInner, testRandom());
    expect(again.issuedRanks('digits')).toEqual({ projection: 3 });
    expect((await ask(again, P.slice(0, 3 * FEATURES))).keys).toEqual(before.keys);
    expect(again.head.entries).toBe(authority.head.entries + 1);
  });

  test('every changed byte is found', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    await ask(authority, row(1));
    await ask(authority, row(2));
    const whole = storage.log;
    const generator = new SeededGenerator(3);
    for (let i = 0; i < 200; i++) {
      storage.log = whole.slice();
      storage.log[generator.below(whole.length)]! ^= 1 << generator.below(8);
      await expect(Authority.open(storage, deriveInner, testRandom())).rejects.toThrow(/./);
    }
    storage.log = whole;
    await Authority.open(storage, deriveInner, testRandom());
  });

  test('a shorter log is refused by the anchor, and a log whose anchor went with it by the trainer that saw more', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    await ask(authority, row(1));
    const [log, anchor] = [storage.log, storage.anchor];
    const { head: seen } = await ask(authority, row(2));
    storage.log = log;
    await expect(Authority.open(storage, deriveInner, testRandom())).rejects.toThrow(/rolled back/);
    storage.anchor = anchor;
    const rolledBack = await Authority.open(storage, deriveInner, testRandom());
    const request = {
      requester: 'trainer',
      dataset: 'digits',
      axis: 'projection',
      weights: row(3),
      seen,
    } as const;
    await expect(rolledBack.issue(request)).rejects.toThrow(RolledBackError);
    // With both gone and a trainer that stays silent, the span still holds: it follows from the specification.
    const other = row(0);
    other[0] = other[0] === 0 ? 1 : 0;
    expect(await refusalOf(ask(rolledBack, other))).toBe('outside-span');
  });

  test('foreign secrets do not verify, and a log without secrets is refused', async () => {
    const storage = new MemoryStorage();
    await started(storage);
    const stranger = new MemoryStorage();
    await Authority.open(stranger, deriveInner, { seed: () => new Uint8Array(32).fill(9) as Seed });
    const mixed = Object.assign(new MemoryStorage(), { secrets: stranger.secrets, log: storage.log });
    await expect(Authority.open(mixed, deriveInner, testRandom())).rejects.toThrow(DecodeError);
    storage.secrets = null;
    await expect(Authority.open(storage, deriveInner, testRandom())).rejects.toThrow();
  });
});

describe('a log that grows', () => {
  const unit = Int32Array.from({ length: FEATURES }, (_, i) => (i === 5 ? 1 : 0));

  test('by refusals grows with the logarithm of their number, and counts them all', async () => {
    const storage = new MemoryStorage();
    const authority = await started(storage);
    for (let i = 0; i < 3000; i++) await ask(authority, unit).catch(() => undefined);
    // Names that do not exist are the requester's to invent.
    for (let i = 0; i < 1000; i++) await ask(authority, unit, `none-${i}`).catch(() => undefined);
    const { records } = replayLog(storage.log);
    expect(records.length).toBeLessThan(60);
    const restarted = await Authority.open(storage, deriveInner, testRandom());
    for (let i = 0; i < 1100; i++) await ask(restarted, unit).catch(() => undefined);
    const [report] = logReport(replayLog(storage.log).records);
    // What came after the last power of two before the restart was counted in memory alone.
    expect(report?.refused).toEqual([{ requester: 'trainer', reason: 'isolates-coordinates', count: 2048 }]);
    expect(replayLog(storage.log).records.length).toBeLessThan(64);
  });

  test('is put aside in parts: a start reads one, ranks and keys go on, and every part is verified', async () => {
    const storage = new MemoryStorage();
    const options = { logPartBytes: 4000 };
    const open = () => Authority.open(storage, deriveInner, testRandom(), undefined, options);
    const authority = await open();
    await authority.createDataset('owner', projected);
    const { head: oldest } = authority;
    await authority.createDataset('owner', faithful);
    const { head: early, keys } = await ask(authority, row(1));
    // Every vector of the faithful axis: a full rank is carried without vectors.
    const units = new Int32Array(FEATURES * FEATURES);
    for (let i = 0; i < FEATURES; i++) units[i * FEATURES + i] = 1;
    await authority.issue({ requester: 't', dataset: 'open', axis: 'forward', weights: units });
    for (let i = 0; i < 60; i++) {
      await ask(authority, row(i % RANK));
      await ask(authority, unit).catch(() => undefined);
    }
    expect(storage.archived.size).toBeGreaterThan(3);
    expect(storage.log.length).toBeLessThan(8000);
    const again = await open();
    expect(again.issuedRanks('digits')).toEqual({ projection: RANK });
    expect(again.issuedRanks('open')).toEqual({ forward: FEATURES, gradient: 0 });
    const request = { requester: 't', dataset: 'digits', axis: 'projection', weights: row(1) } as const;
    // A trainer that comes back with a head of the first part finds it there.
    expect((await again.issue({ ...request, seen: early })).keys).toEqual(keys);
    const forged = { ...early, hash: '0'.repeat(64) };
    await expect(again.issue({ ...request, seen: forged })).rejects.toThrow(RolledBackError);
    const verified = await verifyAuthorityLog(storage, false);
    expect([verified.head, verified.missingEntries]).toEqual([again.head, 0]);
    const all = logReport(verified.records).find(({ dataset }) => dataset === 'digits');
    expect(all?.axes).toEqual([{ axis: 'projection', requests: 62, keys: 62, rank: RANK }]);
    // The latest line, or the latest part, says so.
    expect(all?.refused[0]?.count).toBeGreaterThanOrEqual(32);
    // Without its first part the report is the same; a changed byte of any part is found.
    const [first, second] = [...storage.archived.keys()];
    const part = storage.archived.get(second!)!;
    storage.archived.set(second!, part.with(100, part[100]! ^ 1));
    await expect(verifyAuthorityLog(storage, true)).rejects.toThrow(DecodeError);
    storage.archived.set(second!, part).delete(first!);
    const later = await verifyAuthorityLog(storage, false);
    expect(later.missingEntries).toBe(first);
    expect(logReport(later.records).find(({ dataset }) => dataset === 'digits')?.axes).toEqual(all?.axes);
    await expect(again.issue({ ...request, seen: oldest })).rejects.toThrow(RolledBackError);
  });

  test('killed at any step of putting a part aside, it starts with the old part or the new', async () => {
    for (let steps = 0; steps < 12; steps++) {
      const storage = new MemoryStorage();
      const open = () =>
        Authority.open(storage, deriveInner, testRandom(), undefined, { logPartBytes: 1500 });
      const authority = await open();
      await authority.createDataset('owner', projected);
      await ask(authority, row(0));
      storage.stepsLeft = steps;
      for (let i = 0; i < 4; i++) await ask(authority, row(1)).catch(() => undefined);
      storage.stepsLeft = Number.POSITIVE_INFINITY;
      const again = await open();
      expect((await ask(again, row(2))).rank).toBe(again.issuedRanks('digits').projection);
      expect((await verifyAuthorityLog(storage, false)).head).toEqual(again.head);
    }
  });

  test('a closed data set is closed for ever, also when the end came between its record and its effect', async () => {
    const forgotten: string[] = [];
    const watched: KeyDerivation<number[]> = {
      ...deriveInner,
      forget: (seed) => forgotten.push(Buffer.from(seed).toString('hex')),
    };
    const storage = new MemoryStorage();
    const authority = await Authority.open(storage, watched, testRandom());
    await authority.createDataset('owner', projected);
    const opened = storage.secrets!;
    storage.stepsLeft = 4;
    await expect(authority.closeDataset('owner', 'digits')).rejects.toThrow(Killed);
    expect(storage.secrets).toEqual(opened);
    expect(forgotten).toHaveLength(1);
    storage.stepsLeft = Number.POSITIVE_INFINITY;
    const again = await Authority.open(storage, watched, testRandom());
    expect(storage.secrets!.length).toBeLessThan(opened.length);
    expect(again.isClosed('digits')).toBe(true);
    expect(() => again.masterPublicKey('digits', 'projection')).toThrow(KeyRefusedError);
  });
});

describe('a request that fails', () => {
  test('wipes keys whose record could not be written, and recovers by itself when the storage does', async () => {
    const storage = new MemoryStorage();
    const derived: number[][] = [];
    const watched: KeyDerivation<number[]> = {
      ...deriveInner,
      deriveKeys(...request) {
        derived.push(deriveInner.deriveKeys(...request));
        return derived.at(-1)!;
      },
    };
    const authority = await Authority.open(storage, watched, testRandom());
    await authority.createDataset('owner', projected);
    // The append, its end, the anchor, its end.
    for (const [steps, weights] of [0, 1, 2, 3].map((each) => [each, row(each)] as const)) {
      storage.stepsLeft = steps;
      await expect(ask(authority, weights)).rejects.toThrow(Killed);
      expect(derived.at(-1)).toEqual(new Array(FEATURES).fill(0));
      await expect(ask(authority, row(4))).rejects.toThrow(Killed);
      storage.stepsLeft = Number.POSITIVE_INFINITY;
      // Other vectors than those that failed: the log makes up for what it missed.
      expect((await ask(authority, row(5))).keys.some((value) => value !== 0)).toBe(true);
      const restarted = await Authority.open(storage, deriveInner, testRandom());
      expect(restarted.head).toEqual(authority.head);
      expect(restarted.issuedRanks('digits')).toEqual(authority.issuedRanks('digits'));
    }
  });

  test('leaves ranks and log as they were when the derivation fails', async () => {
    const storage = new MemoryStorage();
    let fails = true;
    const failing: KeyDerivation<number[]> = {
      ...deriveInner,
      deriveKeys(...request) {
        if (fails) throw new RangeError('no memory');
        return deriveInner.deriveKeys(...request);
      },
    };
    const authority = await Authority.open(storage, failing, testRandom());
    await authority.createDataset('owner', projected);
    const before = authority.head;
    await expect(ask(authority, row(0))).rejects.toThrow(/no memory/);
    expect([authority.head, authority.issuedRanks('digits')]).toEqual([before, { projection: 0 }]);
    fails = false;
    expect((await ask(authority, row(1))).rank).toBe(1);
    const again = await Authority.open(storage, deriveInner, testRandom());
    expect(again.issuedRanks('digits')).toEqual({ projection: 1 });
  });

  test('decides about the vectors as they were when its turn came', async () => {
    const authority = await started(new MemoryStorage());
    const weights = row(0);
    const answer = ask(authority, weights);
    // Past the queue, before the hash is there.
    for (let i = 0; i < 4; i++) await Promise.resolve();
    weights.fill(1);
    expect((await answer).keys).toEqual((await ask(authority, row(0))).keys);
  });
});

test('killed 1,000 times in the middle of requests: it restarts, and what was issued stays in the log and the budget', async () => {
  const generator = new SeededGenerator(11);
  const storage = new MemoryStorage();
  await started(storage);
  const received = new RankEchelon(FEATURES);
  let [kills, answers] = [0, 0];
  while (kills < 1000) {
    storage.stepsLeft = Number.POSITIVE_INFINITY;
    if (kills % 10 === 0) {
      // A fresh life now and then keeps the log short enough to replay a thousand times.
      Object.assign(storage, new MemoryStorage());
      await started(storage);
    }
    const authority = await Authority.open(storage, deriveInner, testRandom());
    storage.stepsLeft = generator.below(9);
    storage.torn = generator.uniform();
    try {
      for (let i = 0; i < 4; i++) {
        const weights =
          generator.below(4) === 0 ? new Int32Array(FEATURES).fill(1) : row(generator.below(RANK));
        try {
          await ask(authority, weights);
          received.add(weights);
          answers++;
        } catch (error) {
          if (!(error instanceof KeyRefusedError)) throw error;
        }
      }
    } catch (error) {
      expect(error).toBeInstanceOf(Killed);
      kills++;
      await expect(ask(authority, row(0))).rejects.toThrow(Killed);
    }
  }
  expect(answers).toBeGreaterThan(100);
  expect(received.rank).toBeLessThanOrEqual(RANK);
});
