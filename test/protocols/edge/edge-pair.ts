/** Two edges and a device in one process, joined by queues in memory; a tap may look at, change, drop or repeat any message. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { TransportError } from '../../../src/base/errors.ts';
import { applyIntegerLinear, integerConvolution } from '../../../src/kernel/integer-linear-map.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import type { ApplyLinear, ApplyLinearAsync } from '../../../src/nn/integer/integer-evaluate.ts';
import { INT8_INPUT, IntegerNetwork } from '../../../src/nn/integer/integer-network.ts';
import type { IntegerStep } from '../../../src/nn/integer/integer-step.ts';
import { EdgeDevice, type EdgeDeviceOptions } from '../../../src/protocols/edge/device.ts';
import type { MessageLink } from '../../../src/protocols/channel/message-link.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { planLayers } from '../../../src/protocols/edge/layer-plan.ts';
import { RootKey } from '../../../src/protocols/edge/mask-stream.ts';
import { ProjectionCheck } from '../../../src/protocols/edge/projection-check.ts';
import { adjointOf, projectionImages } from '../../../src/protocols/edge/projection-images.ts';
import { newRelayKeys, openRelayKey } from '../../../src/protocols/edge/relay-proof.ts';
import type { RelayedMessage } from '../../../src/protocols/edge/relay-box.ts';
import { RequestCounter } from '../../../src/protocols/edge/request-counter.ts';

/** Gets each message and says which go on; by default the message itself. */
export type Tap = (message: Uint8Array, direction: 'up' | 'down', index: number) => readonly Uint8Array[];

const passOn: Tap = (message) => [message];
export const plainApply: ApplyLinear = (_layer, map, x, batch) => applyIntegerLinear(map, x, batch);

/** Joins a device to a service. A dropped answer shows as a transport error once nothing is under way any more. */
export function memoryLink(service: EdgeService, tap: Tap = passOn, waitMs = 2000): MessageLink {
  const inbox: Uint8Array[] = [];
  let waiting: { resolve: (m: Uint8Array) => void; reject: (e: Error) => void } | null = null;
  let gone = false;
  const counts = { up: 0, down: 0 };
  const fail = () => {
    gone = true;
    waiting?.reject(new TransportError('the connection was closed', true));
    waiting = null;
  };
  const session = service.accept(async (message) => {
    for (const passed of tap(message, 'down', counts.down++)) {
      if (waiting === null) inbox.push(passed.slice());
      else {
        waiting.resolve(passed.slice());
        waiting = null;
      }
    }
  });
  let tail = Promise.resolve();
  return {
    async send(message) {
      if (gone) throw new TransportError('the connection was closed', true);
      for (const passed of tap(message, 'up', counts.up++)) {
        tail = tail.then(() => session.receive(passed.slice())).catch(fail);
        void tail.then(() => session.idle()).catch(fail);
      }
    },
    receive() {
      const message = inbox.shift();
      if (message !== undefined) return Promise.resolve(message);
      if (gone) return Promise.reject(new TransportError('the connection was closed', true));
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        // What the application's time limit does for a message that never comes.
        setTimeout(() => reject(new TransportError('nothing came in time', true)), waitMs).unref();
      });
    },
    close() {
      session.close();
      fail();
    },
  };
}

export function randomInt8(generator: SeededGenerator, length: number): Int8Array {
  return Int8Array.from({ length }, () => generator.below(255) - 127);
}

/** Convolutions with stride, padding, dilation and groups, then dense layers; activations int8. */
export function mixedNetwork(seed: number): IntegerNetwork {
  const generator = new SeededGenerator(seed);
  const image = { channels: 2, height: 9, width: 8 };
  const first = integerConvolution(image, 4, [3, 3], randomInt8(generator, 72), {
    stride: [2, 1],
    padding: [1, 1],
  });
  const second = integerConvolution(first.output, 6, [2, 3], randomInt8(generator, 72), {
    dilation: [2, 1],
    groups: 2,
  });
  const flat = second.output.channels * second.output.height * second.output.width;
  const bias = (length: number) => Int32Array.from({ length }, () => generator.below(200) - 100);
  const squash = { kind: 'requantise', multipliers: Float64Array.of(3), shift: 8 } as const;
  const steps: IntegerStep[] = [
    { kind: 'linear', map: first, bias: bias(4) },
    squash,
    { kind: 'relu' },
    { kind: 'linear', map: second, bias: bias(6) },
    squash,
    { kind: 'flatten' },
    {
      kind: 'linear',
      map: { kind: 'dense', inputs: flat, outputs: 20, weights: randomInt8(generator, 20 * flat) },
      bias: bias(20),
    },
    squash,
    {
      kind: 'linear',
      map: { kind: 'dense', inputs: 20, outputs: 5, weights: randomInt8(generator, 100) },
      bias: bias(5),
    },
  ];
  return new IntegerNetwork({ shape: [2, 9, 8], scale: 1, ...INT8_INPUT }, steps, {
    scale: 1,
    softmax: false,
  });
}

export function denseNetwork(seed: number, inputs: number, outputs: number): IntegerNetwork {
  const generator = new SeededGenerator(seed);
  const map = { kind: 'dense', inputs, outputs, weights: randomInt8(generator, inputs * outputs) } as const;
  const steps: IntegerStep[] = [{ kind: 'linear', map, bias: new Int32Array(outputs) }];
  return new IntegerNetwork({ shape: [inputs], scale: 1, ...INT8_INPUT }, steps, {
    scale: 1,
    softmax: false,
  });
}

export interface PairOptions {
  readonly device?: Partial<EdgeDeviceOptions>;
  readonly applyA?: ApplyLinearAsync;
  readonly applyB?: ApplyLinearAsync;
  readonly tapA?: Tap;
  readonly tapB?: Tap;
  readonly operatorB?: string;
  readonly checks?: number;
}

/** An authentic setup: keys, check vectors, services. */
export async function edgePair(network: IntegerNetwork, options: PairOptions = {}) {
  const plan = await planLayers(network);
  const root = new RootKey(crypto.getRandomValues(new Uint8Array(32)));
  const deviceId = crypto.getRandomValues(new Uint8Array(16));
  const name = bytesToHex(deviceId);
  const peer = {
    id: crypto.getRandomValues(new Uint8Array(16)),
    key: crypto.getRandomValues(new Uint8Array(32)),
  };
  const relayKeys = await newRelayKeys();
  const relayKeyOf = (role: 'a' | 'b') =>
    role === 'a' ? openRelayKey('verify', relayKeys.checking) : openRelayKey('sign', relayKeys.signing);
  const [relayKeyA, relayKeyB] = [await relayKeyOf('a'), await relayKeyOf('b')];
  const serviceOf = (role: 'a' | 'b'): EdgeService =>
    new EdgeService({
      role,
      plan,
      operator: role === 'a' ? 'operator one' : (options.operatorB ?? 'operator two'),
      deviceKeys: new Map([[name, root.derive(role === 'a' ? 'edge a' : 'edge b', deviceId)]]),
      peer,
      relayKey: role === 'a' ? relayKeyA : relayKeyB,
      apply: (role === 'a' ? options.applyA : options.applyB) ?? plainApply,
      ...(role === 'b' && { relay: async (message: RelayedMessage) => a.relayed.put(message) }),
    });
  const [a, b] = [serviceOf('a'), serviceOf('b')];
  const adjoints = plan.layers.map(({ map }) => adjointOf(map));
  const projections = await Promise.all(
    Array.from({ length: options.checks ?? 2 }, async (_, i) => {
      const seed = root.derive('projection', plan.modelId, Uint8Array.of(i));
      return await ProjectionCheck.open(
        seed,
        await projectionImages(plan.layers, seed, adjoints, plainApply),
      );
    }),
  );
  let stored = 0;
  const counter = await RequestCounter.open({
    load: async () => stored,
    save: async (next) => {
      stored = next;
    },
  });
  const device: EdgeDeviceOptions = {
    network,
    plan,
    deviceId,
    root,
    counter,
    relayKey: relayKeyA,
    projections,
    ...options.device,
  };
  const connect = () => EdgeDevice.connect(memoryLink(a, options.tapA), memoryLink(b, options.tapB), device);
  return { a, b, plan, root, deviceId, peer, device, connect };
}
