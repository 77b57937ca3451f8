/**
 * A host's end of its connections: each invited party shows its key once, and the session begins when all are there. Where a party was
 * connected, nobody else with its key is let in; a party that goes away ends the session.
 */
import * as arg from '../../base/arguments.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { ProtocolError, ShapeError, TransportError } from '../../base/errors.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { systemRandom } from '../../base/random.ts';
import type { MessageLink } from '../channel/message-link.ts';
import type { MessageService, MessageSession } from '../channel/message-service.ts';
import {
  HandshakeResponder,
  PARTY_ID_BYTES,
  readHello,
  RECORD_OVERHEAD,
  type SecureChannel,
} from '../channel/secure-channel.ts';
import type { JointInvitation } from './invitation.ts';
import { JointPlan } from './joint-plan.ts';

const OPERATOR = 'host of a joint training';

/** A party's name on the channel: its number. */
export function partyId(party: number): Uint8Array {
  const id = new Uint8Array(PARTY_ID_BYTES);
  id[0] = party;
  return id;
}

export interface JointServiceOptions {
  readonly invitation: JointInvitation;
  /** The key that each party was invited with, 32 bytes. */
  readonly keys: readonly Uint8Array[];
  /** Told when a party has come. */
  readonly onParty?: (party: number) => void;
}

export class JointService implements MessageService {
  readonly maxMessageBytes: number;
  readonly options: JointServiceOptions;
  #sessions: (JointSession | undefined)[] = [];
  #complete: (links: readonly MessageLink[]) => void = () => undefined;
  #end: (reason: Error) => void = () => undefined;
  #links: Promise<readonly MessageLink[]>;

  constructor(options: JointServiceOptions) {
    arg.checkArguments('new JointService', [options], { options: arg.options });
    const { invitation, keys } = options;
    if (keys.length !== invitation.program.parties || keys.some(({ length }) => length !== 32))
      throw new ShapeError('keys of the parties', `${invitation.program.parties} of 32 bytes`, keys.length);
    this.options = options;
    this.maxMessageBytes = new JointPlan(invitation.program).longestMessage + RECORD_OVERHEAD;
    this.#links = new Promise((resolve, reject) => {
      this.#complete = resolve;
      this.#end = reject;
    });
    this.#links.catch(() => undefined);
  }

  /** The connections to all parties, once all are there; rejects when one goes away, or the service ends, before. */
  get links(): Promise<readonly MessageLink[]> {
    return this.#links;
  }

  accept(send: (message: Uint8Array) => Promise<void>, onEnd?: (reason: Error) => void): JointSession {
    return new JointSession(this, send, onEnd);
  }

  /** A party has shown its key. @throws {ProtocolError} when it is there already. */
  enter(party: number, session: JointSession): void {
    if (this.#sessions[party] !== undefined) throw new ProtocolError(`party ${party} is there already`);
    this.#sessions[party] = session;
    this.options.onParty?.(party);
    const { parties } = this.options.invitation.program;
    const all = Array.from({ length: parties }, (_, i) => this.#sessions[i]);
    if (all.every((each) => each !== undefined)) this.#complete(all.map((each, i) => each!.linkOf(i)));
  }

  /** A connection is gone; nobody else is let in where its party was. */
  leave(party: number, session: JointSession): void {
    if (this.#sessions[party] === session) this.#end(lost(party));
  }

  /** Nobody else comes. */
  end(): void {
    this.#end(new TransportError('the host was closed before all parties were there', false));
  }
}

/** One connection: a handshake, then whatever the session of all parties says. */
export class JointSession implements MessageSession {
  #service: JointService;
  #send: (message: Uint8Array) => Promise<void>;
  #onEnd: ((reason: Error) => void) | undefined;
  #handshake: HandshakeResponder | undefined;
  #channel: SecureChannel | undefined;
  /** That the other side says it is. */
  #claimed = -1;
  /** Whose key it has shown. */
  #party: number | null = null;
  #inbox: Uint8Array[] = [];
  #waiting: { resolve: (message: Uint8Array) => void; reject: (error: Error) => void } | null = null;
  #isGone = false;

  constructor(
    service: JointService,
    send: (message: Uint8Array) => Promise<void>,
    onEnd?: (reason: Error) => void,
  ) {
    this.#service = service;
    this.#send = send;
    this.#onEnd = onEnd;
  }

  /** A party computes for minutes between messages: it is asked whether it is there, not ended. */
  get load(): number {
    return this.isAuthenticated ? 1 : 0;
  }

  get party(): string | null {
    return this.#party === null ? null : `party ${this.#party}`;
  }

  get isAuthenticated(): boolean {
    return this.#channel !== undefined;
  }

  /** For the host's run. */
  linkOf(party: number): MessageLink {
    return {
      send: async (message) => {
        if (this.#isGone) throw lost(party);
        await this.#send(await this.#channel!.seal(message));
      },
      receive: () => this.#next(party),
      close: () => this.#onEnd?.(new ProtocolError('the session is over')),
    };
  }

  #next(party: number): Promise<Uint8Array> {
    const message = this.#inbox.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#isGone) return Promise.reject(lost(party));
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** @throws {DecodeError} {@link ProtocolError} */
  async receive(message: Uint8Array): Promise<void> {
    if (this.#channel !== undefined) {
      const opened = await this.#channel.open(message);
      // A party says one thing in each round, and waits.
      if (this.#inbox.length > 1) throw new ProtocolError('a party sends more than is due');
      if (this.#waiting === null) this.#inbox.push(opened);
      else this.#waiting.resolve(opened);
      this.#waiting = null;
      return;
    }
    const { invitation, keys } = this.#service.options;
    if (this.#handshake === undefined) {
      const hello = readHello(message);
      const party = keys.findIndex((_, i) => bytesToHex(partyId(i)) === bytesToHex(hello.partyId));
      const isOurs = bytesToHex(hello.modelId) === invitation.id;
      this.#claimed = party;
      // Nobody learns from the answer who is invited.
      const key = isOurs && party >= 0 ? keys[party]! : systemRandom.seed();
      this.#handshake = new HandshakeResponder(hello, key, OPERATOR, 'joint');
      await this.#send(this.#handshake.welcome);
      return;
    }
    const channel = await this.#handshake.finish(message);
    // The connection may be gone meanwhile: then nobody has come, and the party may come again.
    if (this.#isGone) return;
    this.#party = this.#claimed;
    this.#service.enter(this.#party, this);
    this.#channel = channel;
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#isGone = true;
    if (this.#party === null) return;
    this.#waiting?.reject(lost(this.#party));
    this.#waiting = null;
    this.#service.leave(this.#party, this);
  }
}

function lost(party: number): TransportError {
  return new TransportError(`party ${party} is gone: the session is over`, false);
}

printOnOneLine(JointService, JointSession);
arg.guard('JointService', JointService.prototype, {
  accept: { send: arg.callback, onEnd: arg.optional(arg.callback) },
});
