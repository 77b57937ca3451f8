/** The device's end of a connection to one edge: the handshake, then records in and out. */
import { printOnOneLine } from '../../base/inspect.ts';
import { ProtocolError, type SubrosaError, TransportError } from '../../base/errors.ts';
import { type EdgeMessage, readEdgeMessage, writeEdgeMessage } from './messages.ts';
import type { RelayProof } from './relay-proof.ts';
import type { MessageLink } from '../channel/message-link.ts';
import { HandshakeInitiator, type SecureChannel } from '../channel/secure-channel.ts';
import { unpackShares } from './share-ring.ts';

/** Bytes over a connection so far, handshake and framing of ours included. */
export interface LinkTraffic {
  up: number;
  down: number;
}

/** One layer's answer. */
export interface EdgeOutput {
  readonly shares: Uint32Array;
  /** Microseconds that the edge, and behind it the relaying one, say they computed. */
  readonly work: number;
  readonly relayedWork: number;
  /** Of the relaying edge's part, when the answer has one in it. */
  readonly proof: RelayProof | null;
  /** Of its record. */
  readonly bytes: number;
}

/** The answer that is due. */
export interface ExpectedOutput {
  readonly request: number;
  readonly layer: number;
  /** Words, of so many bits each. */
  readonly count: number;
  readonly bits: number;
  /** With the other edge's answer in it. */
  readonly joint: boolean;
}

type Answer = Extract<EdgeMessage, { kind: 'output' | 'joint' }>;

interface Arrived {
  readonly message: Answer;
  readonly bytes: number;
}

interface OpenRequest {
  /** Answers that came before they were asked for. */
  readonly early: Arrived[];
  /** Answers that may still come: what bounds the early ones. */
  due: number;
}

interface Waiter {
  readonly resolve: (arrived: Arrived) => void;
  readonly reject: (error: unknown) => void;
}

export class EdgeLink {
  readonly operator: string;
  readonly traffic: LinkTraffic;
  readonly #name: string;
  readonly #link: MessageLink;
  readonly #channel: SecureChannel;
  readonly #open = new Map<number, OpenRequest>();
  readonly #waiters = new Map<number, Waiter>();
  #newest = -1;
  #isReading = false;

  private constructor(
    name: string,
    operator: string,
    link: MessageLink,
    channel: SecureChannel,
    traffic: LinkTraffic,
  ) {
    this.operator = operator;
    this.traffic = traffic;
    this.#name = name;
    this.#link = link;
    this.#channel = channel;
  }

  /** @throws {ProtocolError} {@link DecodeError} {@link TransportError}, each naming the edge */
  static async open(
    name: string,
    link: MessageLink,
    identity: { readonly key: Uint8Array; readonly modelId: Uint8Array; readonly partyId: Uint8Array },
  ): Promise<EdgeLink> {
    return await naming(name, async () => {
      const handshake = new HandshakeInitiator(identity.key, identity.modelId, identity.partyId);
      await link.send(handshake.hello);
      const welcome = await link.receive();
      const { operator, proof, channel } = await handshake.finish(welcome);
      await link.send(proof);
      const traffic = { up: handshake.hello.length + proof.length, down: welcome.length };
      return new EdgeLink(name, operator, link, channel, traffic);
    });
  }

  /** Resolves with the bytes of the record when it has left. */
  async send(message: EdgeMessage): Promise<number> {
    return await naming(this.#name, async () => {
      const record = await this.#channel.seal(writeEdgeMessage(message));
      this.traffic.up += record.length;
      await this.#link.send(record);
      return record.length;
    });
  }

  /** So many answers to this request may come from now on; requests are opened in the order of their numbers. */
  opens(request: number, answers: number): void {
    this.#open.set(request, { early: [], due: answers });
    this.#newest = request;
  }

  /** What still comes for this request is late. */
  ends(request: number): void {
    this.#open.delete(request);
  }

  /**
   * The output shares of one layer; a request asks for one at a time. Late answers to requests that have ended are dropped; anything
   * else that is not an answer of an open request ends all of them.
   * @throws {ProtocolError} {@link DecodeError} {@link TransportError}
   */
  async output({ request, layer, count, bits, joint }: ExpectedOutput): Promise<EdgeOutput> {
    return await naming(this.#name, async () => {
      const { message, bytes } = await this.#answerTo(request);
      if (message.layer !== layer) {
        throw new ProtocolError(
          `the answer for layer ${layer} was expected, one for layer ${message.layer} came`,
        );
      }
      if ((message.kind === 'joint') !== joint)
        throw new ProtocolError(`an answer of ${joint ? 'both edges' : 'one edge'} was expected`);
      const { work, relayedWork } = message;
      const proof = message.kind === 'joint' ? message.proof : null;
      return { shares: unpackShares(message.shares, count, bits), work, relayedWork, proof, bytes };
    });
  }

  #answerTo(request: number): Promise<Arrived> {
    const early = this.#open.get(request)?.early.shift();
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve, reject) => {
      this.#waiters.set(request, { resolve, reject });
      if (!this.#isReading) void this.#read();
    });
  }

  /** Reads as long as somebody waits; an error is everybody's. */
  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#waiters.size > 0) {
        const record = await this.#link.receive();
        this.traffic.down += record.length;
        this.#sort(readEdgeMessage(await this.#channel.open(record)), record.length);
      }
    } catch (error) {
      for (const waiter of this.#waiters.values()) waiter.reject(error);
      this.#waiters.clear();
    } finally {
      this.#isReading = false;
    }
  }

  #sort(message: EdgeMessage, bytes: number): void {
    if (message.kind !== 'output' && message.kind !== 'joint')
      throw new ProtocolError('something else than an answer came');
    const { request } = message;
    const open = this.#open.get(request);
    if (open === undefined) {
      if (request > this.#newest) throw new ProtocolError('an answer to a request that was not made');
      return;
    }
    if (open.due-- <= 0) throw new ProtocolError('more answers than were asked for');
    const waiter = this.#waiters.get(request);
    this.#waiters.delete(request);
    if (waiter === undefined) open.early.push({ message, bytes });
    else waiter.resolve({ message, bytes });
  }

  close(): void {
    this.#link.close();
  }
}

/** Says which edge an error is about. */
async function naming<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code, message } = error as SubrosaError;
    if (code === 'transport') {
      throw new TransportError(`${name}: ${message}`, (error as TransportError).details.retryable, {
        cause: error,
      });
    }
    if (code === 'protocol' || code === 'decode') throw new ProtocolError(`${name}: ${message}`);
    throw error;
  }
}

printOnOneLine(EdgeLink);
