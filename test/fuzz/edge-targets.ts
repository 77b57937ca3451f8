/** What travels and lies on disks in the two-edge mode, and the integer networks that it computes. */
import { provision, readDevice, readEdge } from '../../src/apps/edge/provisioning.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { integerConvolution } from '../../src/kernel/integer-linear-map.ts';
import { INT8_INPUT, IntegerNetwork } from '../../src/nn/integer/integer-network.ts';
import { planBytes, planLayers, readPlan } from '../../src/protocols/edge/layer-plan.ts';
import { readEdgeMessage, writeEdgeMessage } from '../../src/protocols/edge/messages.ts';
import { HandshakeInitiator, readHello } from '../../src/protocols/channel/secure-channel.ts';
import type { FuzzTarget } from './harness.ts';

function smallNetwork(): IntegerNetwork {
  const bytes = (length: number) => Int8Array.from({ length }, (_, i) => ((i * 37) % 255) - 127);
  const map = integerConvolution({ channels: 1, height: 4, width: 4 }, 2, [3, 3], bytes(18));
  return new IntegerNetwork(
    { ...INT8_INPUT, shape: [1, 4, 4], scale: 1 },
    [
      { kind: 'linear', map, bias: new Int32Array(2) },
      { kind: 'requantise', multipliers: Float64Array.of(3, 4), shift: 10 },
      {
        kind: 'linear',
        map: { kind: 'dense', inputs: 8, outputs: 3, weights: bytes(24) },
        bias: new Int32Array(3),
      },
    ],
    { scale: 0.5, softmax: false },
  );
}

const sameBytes = (length: number) => new Uint8Array(length).fill(9);

export async function edgeTargets(kernel: Kernel): Promise<FuzzTarget[]> {
  const network = smallNetwork();
  const plan = await planLayers(network);
  const operators = { a: 'one', b: 'other' };
  const { edgeA, edgeB, devices } = await provision(network, { operators, devices: 2, kernel });
  const [id, key] = [sameBytes(32), sameBytes(16)];
  const begin = { kind: 'begin', request: 5, batch: 1, inputSeed: id, outputSeed: id } as const;
  const answer = { request: 5, layer: 1, work: 3, shares: sameBytes(40) };
  const proof = { digest: id, signature: sameBytes(64) };
  const frames = [
    writeEdgeMessage({ ...begin, mode: 'seeded', nonce: new Uint8Array() }),
    writeEdgeMessage({ ...begin, mode: 'relay-vector', nonce: id }),
    writeEdgeMessage({ kind: 'input', request: 5, layer: 1, shares: sameBytes(40) }),
    writeEdgeMessage({ kind: 'relayed', device: key, ...answer, signature: proof.signature }),
    writeEdgeMessage({ kind: 'joint', relayedWork: 4, ...answer, proof }),
    writeEdgeMessage({ kind: 'end', request: 5 }),
  ];
  return [
    { name: 'edge message', corpus: frames, parse: readEdgeMessage },
    { name: 'hello of a device', corpus: [new HandshakeInitiator(id, id, key).hello], parse: readHello },
    { name: 'linear layers', corpus: [planBytes(plan.layers)], parse: readPlan },
    { name: "edge's file", corpus: [edgeA, edgeB], parse: readEdge },
    {
      name: "device's file",
      corpus: devices,
      parse: async (bytes) => (await readDevice(bytes)).root[Symbol.dispose](),
    },
  ];
}
