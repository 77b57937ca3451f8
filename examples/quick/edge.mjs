/** A device has two servers compute a layer. Neither learns the input, and the result is exact. */
import { connectEdge, EdgeDevice, EdgeService, listenEdge, longestMessage, openKernel } from 'subrosa/edge';
import { provision, readDevice, readEdge, RequestCounter } from 'subrosa/edge';
import { IntegerLinearRunner, IntegerNetwork } from 'subrosa/nn';

const kernel = await openKernel();
const map = { kind: 'dense', inputs: 3, outputs: 2, weights: Int8Array.of(1, 2, 3, -4, 5, -6) };
const input = { shape: [3], scale: 1, offset: 0, low: -128, high: 127 };
const layer = { kind: 'linear', map, bias: Int32Array.of(10, 20) };
const network = new IntegerNetwork(input, [layer], { scale: 1, softmax: false });
// The owner makes a file for each party; the edges run at two operators'.
const operators = { a: 'one organisation', b: 'another' };
const files = await provision(network, { operators, devices: 1, kernel });
const apply = new IntegerLinearRunner([map], kernel).applyAsync;
const serve = async (file) => listenEdge(new EdgeService({ ...(await readEdge(file)), apply }));
const edges = [await serve(files.edgeA), await serve(files.edgeB)];
// The device. Its counter belongs on stable storage: `counterFile`.
const identity = await readDevice(files.devices[0]);
const counter = await RequestCounter.open({ load: async () => 0, save: async () => undefined });
const options = { maxMessageBytes: longestMessage(identity.plan, 1) };
const [a, b] = await Promise.all(edges.map(({ url }) => connectEdge(url, options)));
const device = await EdgeDevice.connect(a, b, { ...identity, counter });
console.log(...(await device.infer(Int32Array.of(7, -8, 9))).outputs); // 28 -102
device.close();
for (const edge of edges) await edge.close();
