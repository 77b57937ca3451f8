/**
 * The device of the two-edge mode: owns input, key and result, runs every non-linear step, has every linear step done by two edges that
 * see only uniform words. Browser-safe: WebCrypto and typed arrays, no socket, no file, no clock.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { IntegrityError, type LyingEdge, ProtocolError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { type ApplyLinearAsync, evaluateIntegerNetworkAsync } from '../../nn/integer/integer-evaluate.ts';
import type { IntegerNetwork } from '../../nn/integer/integer-network.ts';
import { type Construction, type LayerShares, type RequestMasks, sharing } from './construction.ts';
import { nameLiar, plainRecompute } from './culprit.ts';
import type { MessageLink } from '../channel/message-link.ts';
import { EdgeLink, type EdgeOutput } from './edge-link.ts';
import { type LayerPlan, type PlannedLayer, planLayers } from './layer-plan.ts';
import { littleEndian, type RootKey } from './mask-stream.ts';
import { MAX_OPEN_REQUESTS } from './messages.ts';
import { type ProjectionCheck, RETIRED } from './projection-check.ts';
import type { RequestCounter } from './request-counter.ts';
import { PARTY_ID_BYTES } from '../channel/secure-channel.ts';
import { acceptsSamples, type SamplingGoal, samplesFor } from './sampling-check.ts';
import { packShares } from './share-ring.ts';

export interface EdgeDeviceOptions {
  readonly network: IntegerNetwork;
  /** Of the network; worked out when it is not given. */
  readonly plan?: LayerPlan;
  /** 16 bytes, given by the owner. */
  readonly deviceId: Uint8Array;
  readonly root: RootKey;
  readonly counter: RequestCounter;
  /** `sharing(false)` by default. */
  readonly construction?: Construction;
  /** Edge B's: tells which edge lied behind a relay. */
  readonly relayKey: CryptoKey;
  /** Independent projection checks; the default provisioning has two. */
  readonly projections: readonly ProjectionCheck[];
  readonly sampling?: SamplingGoal;
  /**
   * Recomputes shares after a failed check, to name the liar: plain JavaScript by default; null on a device without weights. It is
   * given both shares, so it must not leave the device.
   */
  readonly recompute?: ApplyLinearAsync | null;
  /** Goes on although one operator runs both edges, who can then read everything. */
  readonly allowSameOperator?: boolean;
  /**
   * Called when an answer failed and there are projections, before the edges can notice and before anything is recomputed: their vectors
   * must not be used again, also not after a restart. Resolves once that would survive a power cut.
   */
  readonly onRejection?: () => Promise<void>;
  /**
   * Called when an inference begins and there are projections. Resolves once it would survive a power cut that their vectors are being
   * used; no answer is checked before. The function that it resolves with is called when nothing was rejected. Should the process end before that, nobody
   * knows what the checks said, and the vectors must not be used again.
   */
  readonly onChecking?: () => Promise<() => Promise<void>>;
  /** Milliseconds of a clock that only measures; without it the report has zeros. */
  readonly now?: () => number;
}

/** What one layer cost the device. */
export interface LayerReport {
  readonly layer: number;
  /** Own work: masks, shares, packing, checks. Waiting is not in it. */
  readonly deviceMs: number;
  /** What the edges say they computed; zeros from edges that measure nothing. */
  readonly edgeMs: Readonly<Record<'a' | 'b', number>>;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

export interface EdgeInference {
  /** `[batch, outputs]` integers, equal to clear inference bit for bit. */
  readonly outputs: Int32Array;
  readonly layers: readonly LayerReport[];
  /** Biases, activations, pooling, rounding: everything between the outsourced layers. */
  readonly activationMs: number;
}

type Links = Readonly<Record<'a' | 'b', EdgeLink>>;

export class EdgeDevice {
  readonly #options: EdgeDeviceOptions;
  readonly #plan: LayerPlan;
  readonly #construction: Construction;
  readonly #links: Links;
  #running = 0;
  /** Requests begin one after another, in the order of their numbers. */
  #beginning: Promise<unknown> = Promise.resolve();
  #unusable: string | null = null;

  private constructor(options: EdgeDeviceOptions, plan: LayerPlan, links: Links) {
    this.#options = options;
    this.#plan = plan;
    this.#construction = options.construction ?? sharing(false);
    this.#links = links;
  }

  /**
   * Authenticates both edges and itself to them.
   * @throws {ProtocolError} when one does not know the device, both have one operator, or check vectors are used up; {@link TransportError}
   */
  static async connect(a: MessageLink, b: MessageLink, options: EdgeDeviceOptions): Promise<EdgeDevice> {
    if (options.projections.some((check) => check.isRetired)) {
      for (const link of [a, b]) link.close();
      throw new ProtocolError(RETIRED);
    }
    const plan = options.plan ?? (await planLayers(options.network));
    const open = async (name: string, link: MessageLink, purpose: 'edge a' | 'edge b') => {
      const key = options.root.derive(purpose, options.deviceId);
      return await EdgeLink.open(name, link, { key, modelId: plan.modelId, partyId: options.deviceId });
    };
    const opened = await Promise.allSettled([open('edge A', a, 'edge a'), open('edge B', b, 'edge b')]);
    const failed = opened.find((result) => result.status === 'rejected');
    const [first, second] = opened.map((result) => (result.status === 'fulfilled' ? result.value : null));
    const operators = [first?.operator, second?.operator].map((name) => name?.trim().toLowerCase());
    if (failed !== undefined || (operators[0] === operators[1] && options.allowSameOperator !== true)) {
      for (const link of [a, b]) link.close();
      if (failed !== undefined) throw failed.reason;
      throw new ProtocolError(
        'both edges have the same operator, who could put the shares together and read every input; choose another edge',
      );
    }
    return new EdgeDevice(options, plan, { a: first!, b: second! });
  }

  /**
   * Runs the network on `[batch, inputs]` integers. A second call may be made while the first runs: the edges work on one while the
   * device works on the other.
   * @throws {IntegrityError} when a check fails, {@link ProtocolError} when an edge does not keep to the protocol, {@link TransportError}
   *   when one is gone: connect again and call again; the new attempt uses fresh randomness. No output leaves on any of them.
   */
  async infer(input: Int32Array): Promise<EdgeInference> {
    if (this.#unusable !== null) throw new ProtocolError(this.#unusable);
    if (this.#running >= MAX_OPEN_REQUESTS)
      throw new ProtocolError(`${MAX_OPEN_REQUESTS} inferences are already running on these connections`);
    this.#running++;
    let request: DeviceRequest | undefined;
    try {
      const begin = () =>
        DeviceRequest.begin(this.#options, this.#plan, this.#construction, this.#links, input);
      const beginning = this.#beginning.then(begin);
      this.#beginning = beginning.catch(() => undefined);
      request = await beginning;
      const linear = request.linear.bind(request);
      const now = this.#options.now ?? (() => 0);
      const started = now();
      let linearMs = 0;
      const outputs = await evaluateIntegerNetworkAsync(
        this.#options.network,
        input,
        async (layer, _map, x, batch) => {
          const before = now();
          const y = await linear(layer, x, batch);
          linearMs += now() - before;
          return y;
        },
      );
      const activationMs = now() - started - linearMs;
      await request.settle();
      await request.end();
      return { outputs, layers: request.reports, activationMs };
    } catch (error) {
      this.#unusable = 'an earlier inference failed on these connections';
      this.close();
      // Nothing was rejected, or the request has seen to it.
      await request?.settle();
      throw error;
    } finally {
      this.#running--;
    }
  }

  /** Bytes so far on both connections. */
  get traffic(): { readonly up: number; readonly down: number } {
    const { a, b } = this.#links;
    return { up: a.traffic.up + b.traffic.up, down: a.traffic.down + b.traffic.down };
  }

  close(): void {
    this.#links.a.close();
    this.#links.b.close();
  }
}

/** One inference in progress. */
class DeviceRequest {
  readonly reports: LayerReport[] = [];
  readonly #options: EdgeDeviceOptions;
  readonly #plan: LayerPlan;
  readonly #construction: Construction;
  readonly #links: Links;
  readonly #number: number;
  readonly #nonce: Uint8Array;
  readonly #masks: RequestMasks;
  /** Resolves with what ends the intent to check; null without one. */
  readonly #checking: Promise<(() => Promise<void>) | null>;
  #isRejected = false;

  private constructor(
    options: EdgeDeviceOptions,
    plan: LayerPlan,
    construction: Construction,
    links: Links,
    { number, nonce, masks }: { number: number; nonce: Uint8Array; masks: RequestMasks },
  ) {
    const { projections, onChecking } = options;
    this.#checking =
      projections.length > 0 && onChecking !== undefined ? onChecking() : Promise.resolve(null);
    // Awaited where the first answer is checked.
    this.#checking.catch(() => undefined);
    this.#options = options;
    this.#plan = plan;
    this.#construction = construction;
    this.#links = links;
    this.#number = number;
    this.#nonce = nonce;
    this.#masks = masks;
  }

  static async begin(
    options: EdgeDeviceOptions,
    plan: LayerPlan,
    construction: Construction,
    links: Links,
    input: Int32Array,
  ): Promise<DeviceRequest> {
    const batch = input.length / options.network.inputs;
    const number = await options.counter.next();
    // The counter alone makes the seed fresh; the random part keeps it fresh when somebody restores an old backup.
    const nonce = systemRandom.seed();
    const fields = [options.deviceId, plan.modelId, littleEndian(number, 8), nonce];
    const seeds = {
      input: options.root.derive('input shares', ...fields),
      output: options.root.derive('relayed outputs', ...fields),
    };
    const masks = await construction.open(seeds);
    const relays = construction.modeA.startsWith('relay');
    const said = relays ? nonce : new Uint8Array();
    const begin = { kind: 'begin', request: number, batch, nonce: said } as const;
    const [toA, toB] = [construction.seedForA(seeds), construction.seedForB(seeds)];
    const none = new Uint8Array(32);
    for (const link of [links.a, links.b]) link.opens(number, plan.layers.length);
    await Promise.all([
      links.a.send({ ...begin, mode: construction.modeA, inputSeed: toA, outputSeed: none }),
      links.b.send({ ...begin, mode: construction.modeB, inputSeed: none, outputSeed: toB }),
    ]);
    seeds.input.fill(0);
    seeds.output.fill(0);
    return new DeviceRequest(options, plan, construction, links, { number, nonce, masks });
  }

  /** W x by the edges, checked. */
  async linear(layer: number, x: Int32Array, batch: number): Promise<Int32Array> {
    const planned = this.#plan.layers[layer]!;
    const { bits } = planned;
    const { a, b } = this.#links;
    const now = this.#options.now ?? (() => 0);
    let started = now();
    const shares = await this.#masks.share(layer, planned, x, batch);
    const packed = [
      shares.a === null ? null : packShares(shares.a, bits),
      packShares(shares.b, bits),
    ] as const;
    let deviceMs = now() - started;

    const message = { kind: 'input', request: this.#number, layer } as const;
    const sending = [b.send({ ...message, shares: packed[1] })];
    if (packed[0] !== null) sending.push(a.send({ ...message, shares: packed[0] }));
    const next = this.#plan.layers[layer + 1];
    if (next !== undefined) this.#masks.prepare(layer + 1, next, batch);
    const count = batch * planned.outputs;
    const joint = this.#construction.modeA.startsWith('relay');
    const expected = { request: this.#number, layer, count, bits, joint };
    const receiving = [a.output(expected)];
    if (!joint) receiving.push(b.output(expected));
    const exchanged = Promise.all([Promise.all(receiving), Promise.all(sending)]);
    // Awaited below; until then a failure is no unhandled rejection.
    exchanged.catch(() => undefined);
    await Promise.all(this.#options.projections.map((check) => check.prepare(layer, planned.outputs)));
    const [given, sent] = await exchanged;
    await this.#checking;

    started = now();
    const answers = given.map(({ shares: words }) => words);
    const y = await this.#masks.combine(layer, planned, batch, answers);
    const sound = this.#accepts(layer, planned, x, y);
    deviceMs += now() - started;
    if (!sound) {
      await this.#reject();
      throw new IntegrityError(layer, await this.#liar(layer, batch, shares, given));
    }
    const edgeMs = { a: given[0]!.work / 1000, b: (given[1]?.work ?? given[0]!.relayedWork) / 1000 };
    const bytesUp = sent.reduce((sum, bytes) => sum + bytes, 0);
    const bytesDown = given.reduce((sum, { bytes }) => sum + bytes, 0);
    this.reports.push({ layer, deviceMs, edgeMs, bytesUp, bytesDown });
    return y;
  }

  /** Every check accepted, or none was made of what failed. */
  async settle(): Promise<void> {
    if (this.#isRejected) return;
    const passed = await this.#checking.catch(() => null);
    await passed?.();
  }

  /**
   * Accept or reject is a bit about the vectors, and the edges learn it from whatever the device does next. So first nothing in this
   * process uses them any more, then nothing after a restart does, and only then the culprit is looked for and the connections end.
   */
  async #reject(): Promise<void> {
    const { projections, onRejection } = this.#options;
    if (projections.length === 0) return;
    this.#isRejected = true;
    for (const check of projections) check.retire();
    await onRejection?.();
  }

  async end(): Promise<void> {
    const message = { kind: 'end', request: this.#number } as const;
    const { a, b } = this.#links;
    for (const link of [a, b]) link.ends(this.#number);
    await Promise.all([a.send(message), b.send(message)]);
  }

  async #liar(
    layer: number,
    batch: number,
    shares: LayerShares,
    answers: readonly EdgeOutput[],
  ): Promise<LyingEdge> {
    const { recompute = plainRecompute, relayKey, deviceId: device } = this.#options;
    if (recompute === null) return null;
    const { modelId, layers } = this.#plan;
    const context = { modelId, device, nonce: this.#nonce, request: this.#number };
    const planned = layers[layer]!;
    const masks = this.#masks;
    const failed = { layer, planned, batch, shares, masks, answers, context, relayKey };
    // Recomputing may fail (no memory, no kernel): the answer is as wrong as before, and nobody is named.
    return await nameLiar(failed, recompute).catch(() => null);
  }

  /** Runs every configured check, whatever the first one says. */
  #accepts(layer: number, planned: PlannedLayer, x: Int32Array, y: Int32Array): boolean {
    const { projections, sampling } = this.#options;
    const verdicts = projections.map((check) => check.accepts(layer, planned, x, y));
    if (sampling !== undefined) {
      verdicts.push(acceptsSamples(planned.map, x, y, samplesFor(planned.outputs, sampling)));
    }
    return verdicts.every((accepted) => accepted);
  }
}

/** What the device stores: the key, the check vectors and, for `paired`, the pairs. */
export function deviceKeyBytes(plan: LayerPlan, checks: number, pairs: number): number {
  const images = plan.layers.reduce((sum, { inputs }) => sum + 4 * inputs, 0);
  return 32 + checks * images + pairs;
}

/** Identifies a device: 16 random bytes. */
export function newDeviceId(): Uint8Array {
  return systemRandom.seed().slice(0, PARTY_ID_BYTES);
}

printOnOneLine(EdgeDevice);
arg.guard('EdgeDevice', EdgeDevice, {
  connect: {
    a: arg.like('a MessageLink', 'send', 'receive'),
    b: arg.like('a MessageLink', 'send', 'receive'),
    options: arg.options,
  },
});
arg.guard('EdgeDevice', EdgeDevice.prototype, { infer: { input: arg.typed('an Int32Array', Int32Array) } });
