/** A device has two servers compute a layer. Neither learns the input, and the result is exact. */
import {
  connectEdge,
  EdgeDevice,
  EdgeService,
  listenEdge,
  longestMessage,
  provision,
  readDevice,
  readEdge,
  RequestCounter,
} from '../src/apps/edge/index.ts';
import { openKernel } from '../src/index.ts';
import { IntegerLinearRunner, IntegerNetwork } from '../src/nn/index.ts';

using kernel = await openKernel();
const map = { kind: 'dense', inputs: 3, outputs: 2, weights: Int8Array.of(1, 2, 3, -4, 5, -6) } as const;
const network = new IntegerNetwork(
  { shape: [3], scale: 1, offset: 0, low: -128, high: 127 },
  [{ kind: 'linear', map, bias: Int32Array.of(10, 20) }],
  { scale: 1, softmax: false },
);

// The owner makes a file for each party.
const operators = { a: 'one organisation', b: 'another' };
const files = await provision(network, { operators, devices: 1, kernel });

// Each edge runs at its operator's; here both are in this process.
using runner = new IntegerLinearRunner([map], kernel);
const edges = await Promise.all(
  [files.edgeA, files.edgeB].map(async (file) =>
    listenEdge(new EdgeService({ ...(await readEdge(file)), apply: runner.applyAsync })),
  ),
);

// The device. Its counter belongs on stable storage: `counterFile`.
const identity = await readDevice(files.devices[0]!);
const link = { maxMessageBytes: longestMessage(identity.plan, 1) };
const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
const [a, b] = await Promise.all(edges.map(({ url }) => connectEdge(url, link)));
const device = await EdgeDevice.connect(a!, b!, { ...identity, counter });
const { outputs } = await device.infer(Int32Array.of(7, -8, 9));
console.log([...outputs].join(' '));

device.close();
await Promise.all(edges.map((edge) => edge.close()));
