/** The device of the two-edge mode in a page's worker: its keys, its shares and the non-linear steps are here and nowhere else. */
import { TransportError } from '../../../base/errors.ts';
import { realOutput } from '../../../nn/integer/integer-network.ts';
import { EdgeDevice } from '../../../protocols/edge/device.ts';
import type { MessageLink } from '../../../protocols/channel/message-link.ts';
import { longestMessage } from '../../../protocols/edge/layer-plan.ts';
import { RequestCounter } from '../../../protocols/edge/request-counter.ts';
import { sentError } from '../../client/worker-messages.ts';
import { workerScope } from '../../client/worker-scope.ts';
import { connectEdgeInBrowser } from '../../edge/browser-link.ts';
import { LinkGroup } from '../../edge/message-inbox.ts';
import { type DeviceIdentity, readDevice } from '../../edge/provisioning.ts';
import type { EdgesCall, EdgesMessage, EdgesResult } from './edges-messages.ts';

const HEAD_BYTES = 64;
const scope = workerScope<EdgesMessage, EdgesCall>();
const heads = { a: new Uint8Array(), b: new Uint8Array() };
let connected: { readonly device: EdgeDevice; readonly identity: DeviceIdentity } | undefined;

function step(text: string, share: number): void {
  scope.postMessage({ kind: 'step', text, share });
}

async function fetched(url: URL): Promise<Response> {
  const response = await fetch(url);
  if (response.ok) return response;
  throw new TransportError(
    response.status === 404
      ? 'This server has no edges for this page: it needs an address of this machine, or TLS.'
      : `The server does not answer (HTTP ${response.status}).`,
    response.status !== 404,
  );
}

/** The connection, with the beginning of the longest message of each request kept to be shown. */
async function connectTo(
  role: 'a' | 'b',
  origin: string,
  port: number,
  link: { maxMessageBytes: number; group: LinkGroup },
): Promise<MessageLink> {
  const { protocol, hostname } = new URL(origin);
  const url = `${protocol === 'https:' ? 'wss' : 'ws'}://${hostname}:${port}`;
  const inner = await connectEdgeInBrowser(url, link);
  return {
    send: (message) => {
      if (message.length > heads[role].length) heads[role] = message.slice(0, HEAD_BYTES);
      return inner.send(message);
    },
    receive: () => inner.receive(),
    close: () => inner.close(),
  };
}

/** The file is for this page alone and is kept nowhere: with it goes the count of its requests. */
async function open(origin: string): Promise<EdgesMessage> {
  step('Asking where the edges are', 0.1);
  const ports = (await (await fetched(new URL('/web/edges', origin))).json()) as Record<'a' | 'b', number>;
  step('Taking keys and check vectors from the owner', 0.3);
  const file = new Uint8Array(await (await fetched(new URL('/web/edges/device', origin))).arrayBuffer());
  const identity = await readDevice(file);
  step('Meeting both edges', 0.8);
  const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
  const link = { maxMessageBytes: longestMessage(identity.plan, 1), group: new LinkGroup() };
  const a = await connectTo('a', origin, ports.a, link);
  const b = await connectTo('b', origin, ports.b, link);
  const device = await EdgeDevice.connect(a, b, { ...identity, counter, now: () => performance.now() });
  connected = { device, identity };
  const layers = identity.network.linears.map(({ map }) => map.kind);
  return { kind: 'opened', layers, fileBytes: file.length, ports };
}

async function infer(pixels: Uint8Array): Promise<EdgesMessage> {
  if (connected === undefined) throw new TransportError('the edges are not connected yet', true);
  const { device, identity } = connected;
  for (const role of ['a', 'b'] as const) heads[role] = new Uint8Array();
  const startedAt = performance.now();
  const { outputs, layers, activationMs } = await device.infer(Int32Array.from(pixels));
  const result: EdgesResult = {
    scores: [...realOutput(identity.network, outputs)],
    ...{ layers, activationMs, totalMs: performance.now() - startedAt, heads: { ...heads } },
  };
  return { kind: 'inferred', result };
}

scope.addEventListener('message', ({ data }) => {
  const run = data.kind === 'open' ? open(data.origin) : infer(data.pixels);
  run
    .catch((error: unknown): EdgesMessage => ({ kind: 'failed', error: sentError(error) }))
    .then((message) => scope.postMessage(message));
});
