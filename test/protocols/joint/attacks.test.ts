/** Parties and hosts that deviate: the session ends before a share of the key, or of a ciphertext, has left. */
import { ed25519 } from '@noble/curves/ed25519.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DecodeError, TransportError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { JointComputation } from '../../../src/protocols/joint/index.ts';
import { JointInvitation, JointTrainer } from '../../../src/protocols/joint/index.ts';
import {
  MESSAGE_OVERHEAD,
  peekJointMessage,
  writeJointMessage,
} from '../../../src/protocols/joint/messages.ts';
import { allocateCiphertext } from '../../../src/schemes/rlwe/ciphertext.ts';
import type { CkksCiphertext } from '../../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { openToy, runSession, type SessionResult, type Tap, TOY_PARAMS, type Toy } from './session.ts';

let toy: Toy;
beforeAll(async () => {
  toy = await openToy('joint attacks');
});
afterAll(() => toy[Symbol.asyncDispose]());

/** Records the kinds that each party sends; every fault of a tap is a session that the others end. */
function watched(tap: Tap = (message) => message): { tap: Tap; sent: string[][] } {
  const sent: string[][] = [[], [], []];
  return {
    sent,
    tap(message, party, direction, index) {
      if (direction === 'up') sent[party]!.push(peekJointMessage(message).kind);
      return tap(message, party, direction, index);
    },
  };
}

function reasonsOf(result: SessionResult): string[] {
  return result.parties.map((party) =>
    party.status === 'rejected' ? (party.reason as Error).message : 'went on',
  );
}

/** Of the first message of this kind of a party. */
function once(kind: string, party: number, change: (message: Uint8Array) => Uint8Array | null): Tap {
  let isDone = false;
  return (message, of, direction) => {
    if (isDone || direction !== 'up' || of !== party || peekJointMessage(message).kind !== kind)
      return message;
    isDone = true;
    return change(message.slice());
  };
}

function flipped(message: Uint8Array, at: number): Uint8Array {
  message[at]! ^= 1;
  return message;
}

describe('a combiner, or a party, that wants an answer for another ciphertext', () => {
  /** Computes honestly, then 2^140 is added to c1 of what is to be refreshed. */
  function tampering(
    toContext: Toy,
  ): (evaluation: ConstructorParameters<typeof JointTrainer>[2]) => JointComputation {
    return (evaluation) => {
      const trainer = new JointTrainer(toContext.context, toContext.invitation.program, evaluation);
      return {
        *run(owned, arena) {
          const run = trainer.run(owned, arena);
          try {
            let next = run.next();
            while (next.done !== true) {
              using changed = withLargeSecondPart(toContext, next.value.ciphertext);
              next = run.next(yield { ...next.value, ciphertext: changed });
            }
            return next.value;
          } finally {
            run.return(undefined as never);
          }
        },
        [Symbol.dispose]: () => trainer[Symbol.dispose](),
      };
    };
  }

  test('2^140 in c1: nobody answers, because everybody computes what it answers for', async () => {
    const { tap, sent } = watched();
    const result = await runSession(toy, {
      tap,
      options: (party) => (party === 1 ? { computation: tampering(toy) } : {}),
    });
    expect(reasonsOf(result)[0]).toContain('party 1 computed another ciphertext in step 2');
    expect(reasonsOf(result)[2]).toContain('the session is over before a share of it left');
    for (const kinds of sent) expect(kinds).not.toContain('refresh');
  });

  test('when all others conspire, the one that computes does not answer', async () => {
    const { tap, sent } = watched();
    await runSession(toy, { tap, options: (party) => (party === 2 ? {} : { computation: tampering(toy) }) });
    expect(sent[2]).not.toContain('refresh');
    expect(sent[2]).toContain('agree');
  });
});

function withLargeSecondPart({ context }: Toy, ciphertext: CkksCiphertext): CkksCiphertext {
  const { kernel, ring, params } = context;
  using arena = context.arena();
  const changed = allocateCiphertext(arena, ciphertext);
  changed.words.u64().set(ciphertext.words.u64());
  const c1 = changed.part(0, 1);
  const residues = c1.mods.map((limb) => Number(2n ** 140n % BigInt(params.q[limb]!.q)));
  kernel.addScalar(ring.tables, c1.words, c1.words, residues, c1.mods);
  return arena.keep(changed);
}

/** A context of a party whose signing key, the first seed that it draws, is known. */
function contextWithKey(key: Uint8Array): Promise<CkksContext> {
  const others = seededRandom('a party with a known key');
  let isFirst = true;
  const random = {
    seed: () => {
      if (!isFirst) return others.seed();
      isFirst = false;
      return key.slice();
    },
  };
  return CkksContext.open(TOY_PARAMS, { kernel: toy.context.kernel, random });
}

test('a rogue share of the public key, chosen after the others were seen, opens no commitment', async () => {
  // Party 2 signs what it likes: the test knows its key.
  const key = new Uint8Array(32).fill(5);
  using rogue = await contextWithKey(key);
  const { tap, sent } = watched(
    once('share', 2, (message) => {
      const { round, party, kind } = peekJointMessage(message);
      const body = flipped(message.slice(MESSAGE_OVERHEAD - 64, message.length - 64), 3);
      return writeJointMessage({ round, party, kind, before: message.slice(12, 44) }, body, key);
    }),
  );
  const result = await runSession(toy, { tap, context: (party) => (party === 2 ? rogue : toy.context) });
  expect(reasonsOf(result)[0]).toContain('party 2 showed another share 0 than it had committed to');
  for (const kinds of sent.slice(0, 2)) {
    expect(kinds.filter((kind) => kind === 'share')).toHaveLength(1);
    expect(kinds).not.toContain('rows');
  }
});

describe('a host, or somebody on the way', () => {
  test.each([
    ['hello', 'is not signed by it'],
    ['nonce', 'is not signed by it'],
    ['share', 'is not signed by it'],
    ['rows', 'is not signed by it'],
    ['agree', 'is not signed by it'],
    ['refresh', 'is not signed by it'],
  ])('changes a %s', async (kind, reason) => {
    const { tap, sent } = watched(once(kind, 1, (message) => flipped(message, 60)));
    const result = await runSession(toy, { tap });
    expect(reasonsOf(result).filter((text) => text.includes(reason)).length).toBeGreaterThan(0);
    expect(result.host.status).toBe('rejected');
    for (const kinds of sent) expect(kinds).not.toContain('release');
  });

  test('shows two parties different messages: the next round says so, before any share', async () => {
    // Party 1 signs two hellos, and its partner at the host shows one of them to party 0 alone.
    const key = ed25519.utils.randomSecretKey();
    const { tap, sent } = watched((message, party, direction) => {
      if (direction !== 'down' || party !== 0) return message;
      if (new DataView(message.buffer, message.byteOffset).getUint32(16, true) !== 0) return message;
      const inner = message.slice(12, 12 + MESSAGE_OVERHEAD + 64);
      const body = inner.slice(MESSAGE_OVERHEAD - 64, inner.length - 64);
      body.set(ed25519.getPublicKey(key));
      const other = writeJointMessage(
        { round: 0, party: 1, kind: 'hello', before: inner.slice(12, 44) },
        body,
        key,
      );
      const shown = message.slice();
      shown.set(other, 12);
      return shown;
    });
    const result = await runSession(toy, { tap });
    expect(reasonsOf(result).some((text) => /other messages than this one|not signed/.test(text))).toBe(true);
    for (const kinds of sent) expect(kinds).not.toContain('share');
  });

  test('repeats a message, or sends one of another round', async () => {
    let first: Uint8Array | undefined;
    const { tap, sent } = watched((message, party, direction) => {
      if (direction !== 'up' || party !== 1) return message;
      first ??= message.slice();
      return peekJointMessage(message).kind === 'agree' ? first : message;
    });
    const result = await runSession(toy, { tap });
    expect(result.host.status).toBe('rejected');
    for (const kinds of sent) expect(kinds).not.toContain('refresh');
  });

  test('loses a party in the middle of a refresh: nobody goes on', async () => {
    const { tap, sent } = watched(once('refresh', 1, () => null));
    const result = await runSession(toy, { tap });
    expect(result.parties.every(({ status }) => status === 'rejected')).toBe(true);
    const host = result.host as PromiseRejectedResult;
    expect(host.reason).toBeInstanceOf(TransportError);
    expect(reasonsOf(result)[0]).toContain('the host ended the session');
    for (const kinds of sent) expect(kinds).not.toContain('release');
  });
});

describe('a party that is not what it says', () => {
  test('the same party twice', async () => {
    const key = new Uint8Array(32).fill(9);
    using first = await contextWithKey(key);
    using second = await contextWithKey(key);
    const result = await runSession(toy, { context: (party) => [first, second, toy.context][party]! });
    expect(reasonsOf(result)[2]).toContain('the same party takes part twice');
  });

  test('of another invitation', async () => {
    const { program, columns, standardisation, receiverKey } = toy.invitation;
    const other = new JointInvitation({ program, columns, standardisation, receiverKey, label: 'other' });
    const result = await runSession(toy, { options: (party) => (party === 1 ? { invitation: other } : {}) });
    expect(reasonsOf(result)[0]).toContain('party 1 was shown other messages than this one');
  });

  test('with weights of another session, the receiver opens nothing', () => {
    expect(() => toy.receiver.open(new Uint8Array(100))).toThrow(DecodeError);
  });
});
