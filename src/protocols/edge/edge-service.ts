/**
 * An edge server's work, without sockets: it holds linear layers and keys of devices, and turns uniform shares into uniform shares.
 * Who calls: the application, once per connection ({@link EdgeService.accept}), then with every message that arrives.
 * What it learns: which device asks, when, for how many inputs, and words that are uniform whatever the device computes.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { DecodeError, LimitError, ProtocolError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import type { ApplyLinearAsync } from '../../nn/integer-evaluate.ts';
import { type LayerPlan, longestMessage, type PlannedLayer } from './layer-plan.ts';
import { MaskStream } from './mask-stream.ts';
import { type EdgeMessage, readEdgeMessage, writeEdgeMessage } from './messages.ts';
import { RelayBox, type RelayedMessage } from './relay-box.ts';
import { HandshakeResponder, readHello, type SecureChannel } from './secure-channel.ts';
import { addShares, packShares, unpackShares } from './share-ring.ts';

export interface EdgeServiceOptions {
  readonly role: 'a' | 'b';
  readonly plan: LayerPlan;
  /** Who runs this edge, as the owner was told. A device refuses two edges of one operator. */
  readonly operator: string;
  /** Key of each device, by its id in hex. */
  readonly deviceKeys: ReadonlyMap<string, Uint8Array>;
  /** What edge B authenticates to edge A with, for relays. */
  readonly peer: { readonly id: Uint8Array; readonly key: Uint8Array };
  /** y = W x modulo 2^32. */
  readonly apply: ApplyLinearAsync;
  /** Only on B: hands masked outputs to A. */
  readonly relay?: (message: RelayedMessage) => Promise<void>;
  /** Inputs of one request; memory of a session grows with it. */
  readonly maxBatch?: number;
  /** Milliseconds of a clock that only measures what the answers report; without it they report 0. */
  readonly now?: () => number;
}

const MAX_BATCH = 64;

type Begin = Extract<EdgeMessage, { kind: 'begin' }>;
type LayerMessage = Extract<EdgeMessage, { kind: 'input' | 'again' }>;
/** An edge's answer to the device for one layer. */
type Answer = Pick<Extract<EdgeMessage, { kind: 'output' }>, 'layer' | 'work' | 'relayedWork' | 'shares'>;
type Send = (message: Uint8Array) => Promise<void>;

export class EdgeService {
  readonly options: EdgeServiceOptions;
  readonly relayed = new RelayBox();
  readonly maxBatch: number;
  /** Bytes of the largest message that anybody may send: the application refuses longer ones before it reads them. */
  readonly maxMessageBytes: number;

  constructor(options: EdgeServiceOptions) {
    this.options = options;
    this.maxBatch = options.maxBatch ?? MAX_BATCH;
    this.maxMessageBytes = longestMessage(options.plan, this.maxBatch);
  }

  /** A new connection; `send` resolves once the message has left, which is what bounds the memory of a session. */
  accept(send: Send): EdgeSession {
    return new EdgeSession(this, send);
  }

  keyOf(partyId: Uint8Array): { key: Uint8Array; isPeer: boolean } {
    const { peer, role, deviceKeys } = this.options;
    const name = bytesToHex(partyId);
    if (role === 'a' && name === bytesToHex(peer.id)) return { key: peer.key, isPeer: true };
    return { key: deviceKeys.get(name) ?? systemRandom.seed(), isPeer: false };
  }
}

/** One connection: a handshake, then requests one after another. Every error ends it; the application closes the socket. */
export class EdgeSession {
  readonly #service: EdgeService;
  readonly #send: Send;
  #state: 'hello' | 'proof' | 'open' | 'closed' = 'hello';
  #handshake: HandshakeResponder | undefined;
  #channel: SecureChannel | undefined;
  #party: Uint8Array = new Uint8Array();
  #isPeer = false;
  #request: EdgeRequest | undefined;
  #lastRequest = -1;
  /** Rejects when work in the background fails. */
  #background: Promise<void> = Promise.resolve();

  constructor(service: EdgeService, send: Send) {
    this.#service = service;
    this.#send = send;
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
        return;
      case 'open':
        return await this.#take(readEdgeMessage(await this.#channel!.open(bytes)));
      case 'closed':
        throw new ProtocolError('the session is over');
    }
  }

  /** Forgets everything about the device's request. */
  close(): void {
    this.#state = 'closed';
    this.#request?.cancel();
    this.#service.relayed.forget(this.#party);
  }

  /** Rejects when an answer that is computed in the background fails. */
  idle(): Promise<void> {
    return this.#background;
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
        this.#request = undefined;
        this.#service.relayed.forget(this.#party);
        return;
      case 'input':
        return await this.#answer(message.request, await this.#current(message.request).input(message));
      case 'again':
        return await this.#answer(message.request, await this.#current(message.request).again(message));
      case 'output':
        throw new ProtocolError('a device sends no outputs');
    }
  }

  async #begin(message: Begin): Promise<void> {
    const { maxBatch } = this.#service;
    if (message.batch < 1 || message.batch > maxBatch)
      throw new LimitError('the batch', maxBatch, message.batch);
    if (message.request <= this.#lastRequest) throw new ProtocolError('the request number was used before');
    this.#request?.cancel();
    this.#lastRequest = message.request;
    await this.#background;
    const request = await EdgeRequest.open(this.#service, this.#party, message);
    this.#request = request;
    if (!message.mode.endsWith('seeded')) return;
    // Seeded shares do not wait for the device: all layers are computed at once, while B works on the first.
    this.#background = this.#answerAll(request);
    this.#background.catch(() => undefined);
  }

  async #answerAll(request: EdgeRequest): Promise<void> {
    for (let layer = 0; layer < this.#service.options.plan.layers.length; layer++) {
      const answer = await request.seeded(layer);
      if (request.cancelled) return;
      await this.#answer(request.number, answer);
    }
  }

  #current(number: number): EdgeRequest {
    if (this.#request?.number !== number) throw new ProtocolError('no such request is open');
    return this.#request;
  }

  async #answer(request: number, answer: Answer | null): Promise<void> {
    if (answer === null || this.#state === 'closed') return;
    await this.#send(await this.#channel!.seal(writeEdgeMessage({ kind: 'output', request, ...answer })));
  }
}

/** One request of one device. */
class EdgeRequest {
  readonly number: number;
  readonly #service: EdgeService;
  readonly #device: Uint8Array;
  readonly #batch: number;
  readonly #relays: boolean;
  readonly #inputs: MaskStream | null;
  readonly #outputs: MaskStream | null;
  #nextLayer = 0;
  cancelled = false;

  private constructor(
    service: EdgeService,
    device: Uint8Array,
    begin: Begin,
    inputs: MaskStream | null,
    outputs: MaskStream | null,
  ) {
    this.#service = service;
    this.#device = device;
    this.number = begin.request;
    this.#batch = begin.batch;
    this.#relays = begin.mode.startsWith('relay');
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  static async open(service: EdgeService, device: Uint8Array, begin: Begin): Promise<EdgeRequest> {
    const seeded = begin.mode.endsWith('seeded');
    const { role, relay } = service.options;
    if (begin.mode.startsWith('relay') && role === 'b' && relay === undefined) {
      throw new ProtocolError('this edge was started without an address to relay to');
    }
    return new EdgeRequest(
      service,
      device,
      begin,
      seeded ? await MaskStream.open(begin.inputSeed) : null,
      begin.mode === 'relay-vector' ? await MaskStream.open(begin.outputSeed) : null,
    );
  }

  cancel(): void {
    this.cancelled = true;
    this.#service.relayed.cancel(this.#device, this.number);
  }

  /** Output shares of a layer whose input shares come from the seed; in relay mode with B's added. Null when cancelled. */
  async seeded(layer: number): Promise<Answer | null> {
    const planned = this.#service.options.plan.layers[layer]!;
    const { y, work } = await this.#apply(layer, planned, await this.#seededInput(layer, planned));
    if (!this.#relays) return ownAnswer(layer, planned, y, work);
    const other = await this.#service.relayed.take(this.#device, this.number, layer);
    if (other === null) return null;
    const theirs = unpackShares(other.shares, y.length, planned.bits);
    const shares = packShares(addShares(y, theirs, planned.bits), planned.bits);
    return { layer, work, relayedWork: other.work, shares };
  }

  /** The device's shares of the next layer. Null when the answer went to the other edge. @throws {ProtocolError} {@link DecodeError} */
  async input({ layer, shares }: LayerMessage): Promise<Answer | null> {
    const planned = this.#layer(layer);
    if (this.#inputs !== null) throw new ProtocolError('this request has its shares from a seed');
    if (layer !== this.#nextLayer)
      throw new ProtocolError(`layer ${this.#nextLayer} was expected, not ${layer}`);
    this.#nextLayer++;
    const x = unpackShares(shares, this.#batch * planned.inputs, planned.bits);
    const { y, work } = await this.#apply(layer, planned, x);
    if (this.#outputs === null) return ownAnswer(layer, planned, y, work);
    const mask = await this.#outputs.words({ layer, direction: 'out' }, y.length, planned.bits);
    const masked = packShares(addShares(y, mask, planned.bits), planned.bits);
    const [device, request] = [this.#device, this.number];
    await this.#service.options.relay!({ kind: 'relayed', device, request, layer, work, shares: masked });
    return null;
  }

  /** The same shares once more, answered to the device: how it finds out who lied behind a relay. */
  async again({ layer, shares }: LayerMessage): Promise<Answer> {
    const planned = this.#layer(layer);
    if (this.#inputs !== null && shares.length > 0)
      throw new DecodeError('shares', 'this request has them from a seed');
    const x =
      this.#inputs === null
        ? unpackShares(shares, this.#batch * planned.inputs, planned.bits)
        : await this.#seededInput(layer, planned);
    const { y, work } = await this.#apply(layer, planned, x);
    return ownAnswer(layer, planned, y, work);
  }

  #layer(layer: number): PlannedLayer {
    const planned = this.#service.options.plan.layers[layer];
    if (planned === undefined) throw new ProtocolError(`there is no layer ${layer}`);
    return planned;
  }

  #seededInput(layer: number, { inputs, bits }: PlannedLayer): Promise<Uint32Array> {
    return this.#inputs!.words({ layer, direction: 'in' }, this.#batch * inputs, bits);
  }

  async #apply(
    layer: number,
    { map }: PlannedLayer,
    x: Uint32Array,
  ): Promise<{ y: Int32Array; work: number }> {
    const { apply, now = () => 0 } = this.#service.options;
    const started = now();
    const y = await apply(layer, map, new Int32Array(x.buffer, x.byteOffset, x.length), this.#batch);
    return { y, work: Math.min(2 ** 32 - 1, Math.max(0, Math.round(1000 * (now() - started)))) };
  }
}

function ownAnswer(layer: number, { bits }: PlannedLayer, y: Int32Array, work: number): Answer {
  const shares = packShares(new Uint32Array(y.buffer, y.byteOffset, y.length), bits);
  return { layer, work, relayedWork: 0, shares };
}
