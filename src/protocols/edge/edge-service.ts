/**
 * An edge server's work, without sockets: it holds linear layers and keys of devices, and turns uniform shares into uniform shares.
 * Who calls: the application, once per connection ({@link EdgeService.accept}), then with every message that arrives.
 * What it learns: which device asks, when, for how many inputs, and words that are uniform whatever the device computes.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { LimitError, ProtocolError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { type EdgeAnswer, type EdgeComputation, EdgeRequest, type BeginMessage } from './edge-request.ts';
import { longestMessage } from './layer-plan.ts';
import { type EdgeMessage, MAX_OPEN_REQUESTS, readEdgeMessage, writeEdgeMessage } from './messages.ts';
import { RelayBox } from './relay-box.ts';
import { HandshakeResponder, readHello, type SecureChannel } from '../channel/secure-channel.ts';

export interface EdgeServiceOptions extends EdgeComputation {
  /** Who runs this edge, as the owner was told. A device refuses two edges of one operator. */
  readonly operator: string;
  /** Key of each device, by its id in hex. */
  readonly deviceKeys: ReadonlyMap<string, Uint8Array>;
  /** What edge B authenticates to edge A with, for relays. */
  readonly peer: { readonly id: Uint8Array; readonly key: Uint8Array };
  /** Inputs of one request; memory of a session grows with it. */
  readonly maxBatch?: number;
}

export const MAX_BATCH = 64;
/** Of one device, or of edge B at edge A: one more ends the oldest, which is most likely one that the other side has given up. */
const MAX_SESSIONS = 4;

type Send = (message: Uint8Array) => Promise<void>;

export class EdgeService {
  readonly options: EdgeServiceOptions;
  readonly relayed = new RelayBox();
  readonly maxBatch: number;
  /** Of every party that has authenticated itself, the oldest first. */
  readonly #sessions = new Map<string, EdgeSession[]>();
  /** Bytes of the largest message that anybody may send: the application refuses longer ones before it reads them. */
  readonly maxMessageBytes: number;

  constructor(options: EdgeServiceOptions) {
    arg.checkArguments('new EdgeService', [options], { options: arg.options });
    this.options = options;
    this.maxBatch = options.maxBatch ?? MAX_BATCH;
    this.maxMessageBytes = longestMessage(options.plan, this.maxBatch);
  }

  /**
   * A new connection; `send` resolves once the message has left, which is what bounds the memory of a session. `onEnd` is told why when
   * the service ends the session by itself.
   */
  accept(send: Send, onEnd?: (reason: Error) => void): EdgeSession {
    return new EdgeSession(this, send, onEnd);
  }

  /** A party has authenticated itself: its sessions count together, whichever connections they are on. */
  enter(party: string, session: EdgeSession): void {
    const sessions = this.#sessions.get(party) ?? [];
    this.#sessions.set(party, sessions);
    sessions.push(session);
    if (sessions.length > MAX_SESSIONS)
      sessions[0]!.end(new LimitError('the sessions of a device', MAX_SESSIONS, sessions.length));
  }

  leave(party: string, session: EdgeSession): void {
    const sessions = (this.#sessions.get(party) ?? []).filter((each) => each !== session);
    if (sessions.length > 0) this.#sessions.set(party, sessions);
    else this.#sessions.delete(party);
  }

  /**
   * Makes room for one more request of this party. Requests of its other sessions count, too: the oldest of those sessions with any ends,
   * so that a device that lost its connection need not wait until the edge notices. @throws {LimitError} when the session itself has as many.
   */
  makeRoom(party: string, session: EdgeSession): void {
    for (;;) {
      const sessions = this.#sessions.get(party) ?? [];
      const open = sessions.reduce((sum, { load }) => sum + load, 0);
      if (open < MAX_OPEN_REQUESTS) return;
      const reason = new LimitError('the open requests of a device', MAX_OPEN_REQUESTS, open + 1);
      const oldest = sessions.find((each) => each !== session && each.load > 0);
      if (oldest === undefined) throw reason;
      oldest.end(reason);
    }
  }

  keyOf(partyId: Uint8Array): { key: Uint8Array; isPeer: boolean } {
    const { peer, role, deviceKeys } = this.options;
    const name = bytesToHex(partyId);
    if (role === 'a' && name === bytesToHex(peer.id)) return { key: peer.key, isPeer: true };
    return { key: deviceKeys.get(name) ?? systemRandom.seed(), isPeer: false };
  }
}

/** One connection: a handshake, then requests, up to two at once. Every error ends it; the application closes the socket. */
export class EdgeSession {
  readonly #service: EdgeService;
  readonly #send: Send;
  readonly #onEnd: ((reason: Error) => void) | undefined;
  #state: 'hello' | 'proof' | 'open' | 'closed' = 'hello';
  #handshake: HandshakeResponder | undefined;
  #channel: SecureChannel | undefined;
  #party: Uint8Array = new Uint8Array();
  #isPeer = false;
  /** By number. */
  readonly #requests = new Map<number, EdgeRequest>();
  #lastRequest = -1;
  /** Requests with seeded shares that are being answered. */
  readonly #answering = new Set<Promise<void>>();
  /** Rejects when work in the background fails. */
  #background: Promise<unknown> = Promise.resolve();

  constructor(service: EdgeService, send: Send, onEnd?: (reason: Error) => void) {
    arg.checkArguments('new EdgeSession', [service, send, onEnd], {
      service: arg.like('an EdgeService', 'accept', 'enter'),
      send: arg.callback,
      onEnd: arg.optional(arg.callback),
    });
    this.#service = service;
    this.#send = send;
    this.#onEnd = onEnd;
  }

  /** Requests that have not ended. */
  get load(): number {
    return this.#requests.size;
  }

  /** The id of whoever has authenticated itself, hex; null before. */
  get party(): string | null {
    return this.#channel === undefined ? null : bytesToHex(this.#party);
  }

  /** Ended by the service, not by the other side. */
  end(reason: Error): void {
    this.close();
    this.#onEnd?.(reason);
  }

  /** True once the other side has shown that it holds its key. */
  get isAuthenticated(): boolean {
    return this.#state === 'open';
  }

  /** Takes the next message of the connection; the application waits before it hands over another. @throws any protocol error */
  async receive(bytes: Uint8Array): Promise<void> {
    const { options } = this.#service;
    switch (this.#state) {
      case 'hello': {
        const hello = readHello(bytes);
        if (bytesToHex(hello.modelId) !== bytesToHex(options.plan.modelId)) {
          throw new ProtocolError('the device was prepared for another version of the model');
        }
        const { key, isPeer } = this.#service.keyOf(hello.partyId);
        [this.#party, this.#isPeer] = [hello.partyId.slice(), isPeer];
        this.#handshake = new HandshakeResponder(
          { ...hello, bytes: hello.bytes.slice() },
          key,
          options.operator,
        );
        this.#state = 'proof';
        await this.#send(this.#handshake.welcome);
        return;
      }
      case 'proof':
        this.#channel = await this.#handshake!.finish(bytes);
        this.#state = 'open';
        this.#service.enter(bytesToHex(this.#party), this);
        return;
      case 'open':
        return await this.#take(readEdgeMessage(await this.#channel!.open(bytes)));
      case 'closed':
        throw new ProtocolError('the session is over');
    }
  }

  /** Forgets everything about the device's requests. */
  close(): void {
    this.#state = 'closed';
    if (this.party !== null) this.#service.leave(this.party, this);
    for (const request of this.#requests.values()) request.cancel();
    this.#requests.clear();
  }

  /** Rejects when an answer that is computed in the background fails. */
  async idle(): Promise<void> {
    await this.#background;
  }

  async #take(message: EdgeMessage): Promise<void> {
    if (this.#isPeer !== (message.kind === 'relayed'))
      throw new ProtocolError('this party may not send such a message');
    switch (message.kind) {
      case 'relayed':
        return this.#service.relayed.put(message);
      case 'begin':
        return await this.#begin(message);
      case 'end':
        this.#current(message.request).cancel();
        this.#requests.delete(message.request);
        return;
      case 'input':
        return await this.#answer(message.request, await this.#current(message.request).input(message));
      case 'output':
      case 'joint':
        throw new ProtocolError('a device sends no outputs');
    }
  }

  async #begin(message: BeginMessage): Promise<void> {
    const { maxBatch } = this.#service;
    if (message.batch < 1 || message.batch > maxBatch)
      throw new LimitError('the batch', maxBatch, message.batch);
    if (message.request <= this.#lastRequest) throw new ProtocolError('the request number was used before');
    this.#service.makeRoom(bytesToHex(this.#party), this);
    this.#lastRequest = message.request;
    // Those that have ended still compute their last layer.
    while (this.#answering.size >= MAX_OPEN_REQUESTS) await Promise.race(this.#answering);
    const request = await EdgeRequest.open(this.#service, this.#party, message);
    this.#requests.set(request.number, request);
    if (!message.mode.endsWith('seeded')) return;
    // Seeded shares do not wait for the device: all layers are computed at once, while B works on the first.
    const answering = this.#answerAll(request).finally(() => this.#answering.delete(answering));
    this.#answering.add(answering);
    this.#background = Promise.all([this.#background, answering]);
    this.#background.catch(() => undefined);
  }

  /** A layer ahead: while B's part of one layer is awaited, the next is computed. */
  async #answerAll(request: EdgeRequest): Promise<void> {
    const layers = this.#service.options.plan.layers.length;
    let computing = request.seeded(0);
    for (let layer = 0; layer < layers; layer++) {
      const computed = await computing;
      if (layer + 1 < layers && !request.cancelled) computing = request.seeded(layer + 1);
      // Awaited in the next turn, if there is one.
      computing.catch(() => undefined);
      const answer = await request.joined(layer, computed);
      if (request.cancelled) return;
      await this.#answer(request.number, answer);
    }
  }

  #current(number: number): EdgeRequest {
    const request = this.#requests.get(number);
    if (request === undefined) throw new ProtocolError('no such request is open');
    return request;
  }

  async #answer(request: number, answer: EdgeAnswer | null): Promise<void> {
    if (answer === null || this.#state === 'closed') return;
    await this.#send(await this.#channel!.seal(writeEdgeMessage({ ...answer, request })));
  }
}

printOnOneLine(EdgeService, EdgeSession);
arg.guard('EdgeService', EdgeService.prototype, {
  accept: { send: arg.callback, onEnd: arg.optional(arg.callback) },
  enter: { party: arg.text, session: arg.like('an EdgeSession', 'end', 'receive') },
  leave: { party: arg.text, session: arg.like('an EdgeSession', 'end', 'receive') },
  makeRoom: { party: arg.text, session: arg.like('an EdgeSession', 'end', 'receive') },
  keyOf: { partyId: arg.bytes },
});
arg.guard('EdgeSession', EdgeSession.prototype, {
  end: { reason: arg.like('an Error', 'name', 'message') },
  receive: { bytes: arg.bytes },
});
