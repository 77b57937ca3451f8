/**
 * Where the parties of a joint training meet. A host hands each party the messages of the others, and keeps what the receiver opens. It holds
 * no key, computes nothing and is trusted with nothing but passing on: what it changes, leaves out or shows to some alone ends the session.
 */
import * as arg from '../../base/arguments.ts';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { ProtocolError, SubrosaError } from '../../base/errors.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { readObjectStart, writeObjectStart } from '../../base/object-start.ts';
import type { MessageLink } from '../channel/message-link.ts';
import type { JointInvitation } from './invitation.ts';
import { JointPlan } from './joint-plan.ts';
import {
  HASH_BYTES,
  type JointKind,
  peekJointBody,
  peekJointMessage,
  writeBundle,
  writeEnd,
} from './messages.ts';

/** 'SRWS' */
const FAMILY = { magic: 0x5357_5253, version: 1 } as const;

export class JointHost {
  readonly plan: JointPlan;
  #invitation: JointInvitation;

  constructor(invitation: JointInvitation) {
    arg.checkArguments('new JointHost', [invitation], {
      invitation: arg.like('a JointInvitation', 'program', 'toBytes'),
    });
    this.#invitation = invitation;
    this.plan = new JointPlan(invitation.program);
  }

  /**
   * The whole session over connections to the parties, in their order. Returns the weights as the receiver opens them.
   *
   * @throws {ProtocolError} {@link DecodeError} {@link TransportError} when a party is lost or says what is not due; the others are told.
   */
  async run(
    links: readonly MessageLink[],
    onRound: (kind: JointKind, round: number) => void = () => undefined,
  ): Promise<Uint8Array> {
    const { parties } = this.#invitation.program;
    if (links.length !== parties)
      throw new ProtocolError(`${parties} parties are invited, not ${links.length}`);
    try {
      for (let round = 0; ; round++) {
        const messages = await Promise.all(links.map((link) => this.#received(link)));
        const kind = this.#kindOf(messages, round);
        onRound(kind, round);
        await Promise.all(
          links.map((link, own) => link.send(writeBundle(messages.filter((_, party) => party !== own)))),
        );
        if (kind === 'release') return this.#sealed(messages);
      }
    } catch (error) {
      const reason =
        error instanceof SubrosaError
          ? error.message
          : 'an error of the host that has nothing to do with you';
      await Promise.allSettled(
        links.map(async (link) => {
          await link.send(writeEnd(reason));
          link.close();
        }),
      );
      throw error;
    }
  }

  async #received(link: MessageLink): Promise<Uint8Array> {
    const message = await link.receive();
    if (message.length > this.plan.longestMessage)
      throw new ProtocolError('a message is longer than any of this session');
    return message;
  }

  #kindOf(messages: readonly Uint8Array[], round: number): JointKind {
    const places = messages.map(peekJointMessage);
    const { kind } = places[0]!;
    const stray = places.findIndex(
      (place, party) => place.party !== party || place.round !== round || place.kind !== kind,
    );
    if (stray >= 0) throw new ProtocolError(`party ${stray} is not where the others are`);
    return kind;
  }

  /** 'SRWS', version u8, zero u8 u16, hash of the invitation (32), then each party's share: length u32, bytes. */
  #sealed(messages: readonly Uint8Array[]): Uint8Array {
    const bytes = this.plan.bodyBytes('release', 0);
    const writer = new ByteWriter(8 + HASH_BYTES + messages.length * (4 + bytes));
    writeObjectStart(writer, FAMILY, 0);
    writer.bytes(this.#invitation.hash);
    for (const message of messages) {
      writer.u32(bytes);
      writer.bytes(peekJointBody(message, bytes));
    }
    return writer.finish();
  }
}

/** Each party's share of the released weights; views. @throws {DecodeError} for weights of another invitation as well. */
export function readSealedWeights(invitation: JointInvitation, bytes: Uint8Array): Uint8Array[] {
  const reader = new ByteReader('sealed weights', bytes);
  readObjectStart(reader, FAMILY, 0);
  const of = reader.bytes(HASH_BYTES);
  if (invitation.hash.some((byte, i) => byte !== of[i])) throw reader.error('of another invitation');
  const expected = new JointPlan(invitation.program).bodyBytes('release', 0);
  const shares = Array.from({ length: invitation.program.parties }, () => {
    if (reader.u32() !== expected) throw reader.error('a share of another length');
    return reader.bytes(expected);
  });
  reader.end();
  return shares;
}

printOnOneLine(JointHost);
arg.guard('JointHost', JointHost.prototype, {
  run: { links: arg.list, onRound: arg.optional(arg.callback) },
});
