/** Both edges behind links of a given speed, and a network whose first message is as long as is wanted, and its last answer. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { type EdgeListenOptions, listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { LinkGroup } from '../../../src/apps/edge/message-inbox.ts';
import { provision, readDevice, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { RelayLink } from '../../../src/apps/edge/relay-link.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { INT8_INPUT, IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { sharing } from '../../../src/protocols/edge/construction.ts';
import { EdgeDevice } from '../../../src/protocols/edge/device.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { longestMessage } from '../../../src/protocols/edge/layer-plan.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';
import { plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';
import { ThrottledLink } from './throttled-link.ts';

/** Many inputs, then many outputs: one long message up and one down. Weights are at most 127 / `divisor`, so that sums fit int32. */
export function wideNetwork(inputs: number, outputs: number, divisor = 1): IntegerNetwork {
  const generator = new SeededGenerator(4);
  const dense = (from: number, to: number) =>
    ({
      kind: 'dense',
      inputs: from,
      outputs: to,
      weights: randomInt8(generator, from * to).map((weight) => weight / divisor),
    }) as const;
  return new IntegerNetwork(
    { shape: [inputs], scale: 1, ...INT8_INPUT },
    [
      { kind: 'linear', map: dense(inputs, 2), bias: new Int32Array(2) },
      { kind: 'requantise', multipliers: Float64Array.of(3), shift: 20 },
      { kind: 'linear', map: dense(2, outputs), bias: new Int32Array(outputs) },
    ],
    { scale: 1, softmax: false },
  );
}

export interface ThrottledWorldOptions {
  readonly bytesPerSecond: number;
  /** Edge B answers through edge A. */
  readonly relays?: boolean;
  /** Of both sides; their defaults without it. */
  readonly limitMs?: number;
}

export class ThrottledWorld implements AsyncDisposable {
  readonly links: { readonly a: ThrottledLink; readonly b: ThrottledLink };
  /** Why the edges closed connections of devices. */
  readonly closed: readonly string[];
  readonly input: Int32Array;
  /** What clear inference gives. */
  readonly clear: Int32Array;
  readonly #connect: () => Promise<EdgeDevice>;
  readonly #stop: () => Promise<void>;

  private constructor(
    parts: Pick<ThrottledWorld, 'links' | 'closed' | 'input' | 'clear'>,
    connect: () => Promise<EdgeDevice>,
    stop: () => Promise<void>,
  ) {
    ({ links: this.links, closed: this.closed, input: this.input, clear: this.clear } = parts);
    [this.#connect, this.#stop] = [connect, stop];
  }

  static async open(
    network: IntegerNetwork,
    kernel: Kernel,
    { bytesPerSecond, relays = false, limitMs }: ThrottledWorldOptions,
  ): Promise<ThrottledWorld> {
    const made = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
    const closed: string[] = [];
    const identity = await readEdge(made.edgeB);
    const peer = bytesToHex(identity.peer.id);
    const options: EdgeListenOptions = {
      onClose: (reason, party) => void (party !== peer && closed.push(reason)),
      ...(limitMs !== undefined && { idleMs: limitMs }),
    };
    const serve = async (file: Uint8Array, relay?: RelayLink) => {
      const identity = await readEdge(file);
      const service = { ...identity, apply: plainApply, ...(relay !== undefined && { relay: relay.relay }) };
      return await listenEdge(new EdgeService(service), options);
    };
    const a = await serve(made.edgeA);
    const maxMessageBytes = longestMessage(identity.plan, 1);
    const relay = new RelayLink({ url: a.url, identity, link: { maxMessageBytes } });
    const b = await serve(made.edgeB, relays ? relay : undefined);
    const links = {
      a: await ThrottledLink.before(a.url, bytesPerSecond),
      b: await ThrottledLink.before(b.url, bytesPerSecond),
    };
    const link = {
      maxMessageBytes,
      group: new LinkGroup(),
      ...(limitMs !== undefined && { timeoutMs: limitMs }),
    };
    const connect = async () => {
      const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
      const device = await readDevice(made.devices[0]!);
      return await EdgeDevice.connect(
        await connectEdge(links.a.url, link),
        await connectEdge(links.b.url, link),
        { ...device, counter, construction: sharing(relays) },
      );
    };
    const stop = async () => {
      relay[Symbol.dispose]();
      for (const each of [links.a, links.b]) await each[Symbol.asyncDispose]();
      for (const edge of [a, b]) await edge.close();
    };
    const input = Int32Array.from(randomInt8(new SeededGenerator(5), network.inputs));
    const clear = evaluateIntegerNetwork(network, input, plainApply);
    return new ThrottledWorld({ links, closed, input, clear }, connect, stop);
  }

  connect(): Promise<EdgeDevice> {
    return this.#connect();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stop();
  }
}
