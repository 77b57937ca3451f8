/** One request of one device at an edge: shares in, output shares out, with what the other edge relayed where the device asked for that. */
import { ProtocolError } from '../../base/errors.ts';
import type { ApplyLinearAsync } from '../../nn/integer/integer-evaluate.ts';
import type { LayerPlan, PlannedLayer } from './layer-plan.ts';
import { MaskStream } from './mask-stream.ts';
import type { EdgeMessage } from './messages.ts';
import type { RelayBox, RelayedMessage, RelayedPart } from './relay-box.ts';
import { sharesDigest, isSigned, type RelayContext, type RelayProof, signRelay } from './relay-proof.ts';
import { addShares, packShares, unpackShares } from './share-ring.ts';

export type BeginMessage = Extract<EdgeMessage, { kind: 'begin' }>;
type LayerMessage = Extract<EdgeMessage, { kind: 'input' }>;
type Unnumbered<T> = T extends unknown ? Omit<T, 'request'> : never;
/** An edge's answer to the device for one layer. */
export type EdgeAnswer = Unnumbered<Extract<EdgeMessage, { kind: 'output' | 'joint' }>>;

/** What an edge answers requests with. */
export interface EdgeComputation {
  readonly role: 'a' | 'b';
  readonly plan: LayerPlan;
  /** What B signs relayed answers with, or what A checks them with. */
  readonly relayKey: CryptoKey;
  /** y = W x modulo 2^32. */
  readonly apply: ApplyLinearAsync;
  /** Only on B: hands masked outputs to A. */
  readonly relay?: (message: RelayedMessage) => Promise<void>;
  /** Milliseconds of a clock that only measures what the answers report; without it they report 0. */
  readonly now?: () => number;
}

/** The service that holds requests, as far as they need it. */
export interface EdgeRequestHost {
  readonly options: EdgeComputation;
  /** What the other edge relayed for requests of this one. */
  readonly relayed: RelayBox;
}

/** W x of one layer, and the microseconds it took. */
interface LayerOutput {
  readonly y: Int32Array;
  readonly work: number;
}

export class EdgeRequest {
  readonly number: number;
  readonly #service: EdgeRequestHost;
  readonly #device: Uint8Array;
  readonly #batch: number;
  readonly #nonce: Uint8Array;
  readonly #relays: boolean;
  readonly #inputs: MaskStream | null;
  readonly #outputs: MaskStream | null;
  #nextLayer = 0;
  cancelled = false;

  private constructor(
    service: EdgeRequestHost,
    device: Uint8Array,
    begin: BeginMessage,
    inputs: MaskStream | null,
    outputs: MaskStream | null,
  ) {
    this.#service = service;
    this.#device = device;
    this.number = begin.request;
    this.#batch = begin.batch;
    this.#nonce = begin.nonce.slice();
    this.#relays = begin.mode.startsWith('relay');
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  /** @throws {ProtocolError} when this edge cannot do what the mode says. */
  static async open(service: EdgeRequestHost, device: Uint8Array, begin: BeginMessage): Promise<EdgeRequest> {
    const seeded = begin.mode.endsWith('seeded');
    const { role, relay } = service.options;
    if (begin.mode.startsWith('relay') !== begin.nonce.length > 0)
      throw new ProtocolError('a request has a nonce with a relay, and only then');
    if (begin.mode === 'relay-vector' && relay === undefined)
      throw new ProtocolError('this edge was started without an address to relay to');
    if (begin.mode === 'relay-seeded' && role === 'b') throw new ProtocolError('nobody relays to edge b');
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
    if (this.#relays) this.#service.relayed.cancel(this.#device, this.number);
  }

  /** W x of a layer whose input shares come from the seed. */
  async seeded(layer: number): Promise<LayerOutput> {
    const planned = this.#service.options.plan.layers[layer]!;
    const run = { layer, direction: 'in' } as const;
    const x = await this.#inputs!.words(run, this.#batch * planned.inputs, planned.bits);
    return await this.#apply(layer, planned, x);
  }

  /**
   * The answer of a layer with shares from the seed; behind a relay with B's part, which is waited for. Null when cancelled.
   * @throws {ProtocolError} when B did not sign its part: nobody would believe what it was. {@link DecodeError}
   */
  async joined(layer: number, { y, work }: LayerOutput): Promise<EdgeAnswer | null> {
    const planned = this.#service.options.plan.layers[layer]!;
    if (!this.#relays) return ownAnswer(layer, planned, y, work);
    const other = await this.#service.relayed.take(this.#device, this.number, layer);
    if (other === null) return null;
    // The platform hashes and checks while this thread adds; nothing leaves before both are done.
    const proving = this.#proof(layer, other);
    // Awaited below, if the words are good; until then a failure is no unhandled rejection.
    proving.catch(() => undefined);
    const theirs = unpackShares(other.shares, y.length, planned.bits);
    const shares = packShares(addShares(y, theirs, planned.bits), planned.bits);
    const proof = await proving;
    return { kind: 'joint', layer, work, relayedWork: other.work, proof, shares };
  }

  async #proof(layer: number, { shares, signature }: RelayedPart): Promise<RelayProof> {
    const proof = { digest: await sharesDigest(shares), signature };
    if (!(await isSigned(this.#service.options.relayKey, this.#context(layer), proof)))
      throw new ProtocolError('edge b did not sign what it relayed');
    return proof;
  }

  /** The device's shares of the next layer. Null when the answer went to the other edge. @throws {ProtocolError} {@link DecodeError} */
  async input({ layer, shares }: LayerMessage): Promise<EdgeAnswer | null> {
    const planned = this.#service.options.plan.layers[layer];
    if (planned === undefined) throw new ProtocolError(`there is no layer ${layer}`);
    if (this.#inputs !== null) throw new ProtocolError('this request has its shares from a seed');
    if (layer !== this.#nextLayer)
      throw new ProtocolError(`layer ${this.#nextLayer} was expected, not ${layer}`);
    this.#nextLayer++;
    const x = unpackShares(shares, this.#batch * planned.inputs, planned.bits);
    const run = { layer, direction: 'out' } as const;
    const masking = this.#outputs?.words(run, this.#batch * planned.outputs, planned.bits);
    // Awaited below; until then a failure is no unhandled rejection.
    masking?.catch(() => undefined);
    const { y, work } = await this.#apply(layer, planned, x);
    const mask = await masking;
    if (mask === undefined) return ownAnswer(layer, planned, y, work);
    const masked = packShares(addShares(y, mask, planned.bits), planned.bits);
    await this.#relay(layer, work, masked);
    return null;
  }

  async #relay(layer: number, work: number, shares: Uint8Array): Promise<void> {
    const { relay, relayKey } = this.#service.options;
    const signature = await signRelay(relayKey, this.#context(layer), await sharesDigest(shares));
    const [device, request] = [this.#device, this.number];
    await relay!({ kind: 'relayed', device, request, layer, work, signature, shares });
  }

  #context(layer: number): RelayContext {
    const { modelId } = this.#service.options.plan;
    return { modelId, device: this.#device, nonce: this.#nonce, request: this.number, layer };
  }

  async #apply(layer: number, { map }: PlannedLayer, x: Uint32Array): Promise<LayerOutput> {
    const { apply, now = () => 0 } = this.#service.options;
    const started = now();
    const y = await apply(layer, map, new Int32Array(x.buffer, x.byteOffset, x.length), this.#batch);
    return { y, work: Math.min(2 ** 32 - 1, Math.max(0, Math.round(1000 * (now() - started)))) };
  }
}

function ownAnswer(layer: number, { bits }: PlannedLayer, y: Int32Array, work: number): EdgeAnswer {
  const shares = packShares(new Uint32Array(y.buffer, y.byteOffset, y.length), bits);
  return { kind: 'output', layer, work, relayedWork: 0, shares };
}
