/** The device's end of a connection to one edge: the handshake, then records in and out. */
import { ProtocolError, type SubrosaError, TransportError } from '../../base/errors.ts';
import { type EdgeMessage, readEdgeMessage, writeEdgeMessage } from './messages.ts';
import type { RelayProof } from './relay-proof.ts';
import { HandshakeInitiator, type SecureChannel } from './secure-channel.ts';
import { unpackShares } from './share-ring.ts';

/** A connection that keeps messages whole and in order: a WebSocket, or memory in tests. */
export interface MessageLink {
  /** Resolves when the message has left. */
  send(message: Uint8Array): Promise<void>;
  /** The next message. Rejects with a TransportError when the other side is gone or too slow. */
  receive(): Promise<Uint8Array>;
  close(): void;
}

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

export class EdgeLink {
  readonly operator: string;
  readonly traffic: LinkTraffic;
  readonly #name: string;
  readonly #link: MessageLink;
  readonly #channel: SecureChannel;

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

  async send(message: EdgeMessage): Promise<void> {
    await naming(this.#name, async () => {
      const record = await this.#channel.seal(writeEdgeMessage(message));
      this.traffic.up += record.length;
      await this.#link.send(record);
    });
  }

  /**
   * The output shares of one layer. Late answers to earlier requests are dropped; anything else that is not exactly this answer
   * ends the inference. @throws {ProtocolError} {@link DecodeError} {@link TransportError}
   */
  async output({ request, layer, count, bits, joint }: ExpectedOutput): Promise<EdgeOutput> {
    return await naming(this.#name, async () => {
      for (;;) {
        const record = await this.#link.receive();
        this.traffic.down += record.length;
        const message = readEdgeMessage(await this.#channel.open(record));
        if (message.kind !== 'output' && message.kind !== 'joint')
          throw new ProtocolError('something else than an answer came');
        if (message.request < request) continue;
        if (message.request !== request || message.layer !== layer) {
          throw new ProtocolError(
            `the answer for layer ${layer} was expected, one for layer ${message.layer} came`,
          );
        }
        if ((message.kind === 'joint') !== joint)
          throw new ProtocolError(`an answer of ${joint ? 'both edges' : 'one edge'} was expected`);
        const { work, relayedWork } = message;
        const proof = message.kind === 'joint' ? message.proof : null;
        return { shares: unpackShares(message.shares, count, bits), work, relayedWork, proof };
      }
    });
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
