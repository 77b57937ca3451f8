/** Files that an owner gives to edges and devices. Nobody writes them again: they must load, with what was put in. */
import { provision, readDevice, readEdge } from '../../src/apps/edge/provisioning.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { mixedNetwork } from '../protocols/edge/edge-pair.ts';
import type { FrozenObject } from './frozen-object.ts';

const OPERATORS = { a: 'one', b: 'other' };

export function provisionObjects(kernel: Kernel): FrozenObject[] {
  const network = mixedNetwork(5);
  const make = () => provision(network, { operators: OPERATORS, devices: 1, pairs: true, kernel });
  const edge = (role: 'a' | 'b'): FrozenObject => ({
    name: `edge-file-${role}.v2`,
    make: async () => (role === 'a' ? (await make()).edgeA : (await make()).edgeB),
    roundTrip: async (bytes) => {
      const read = await readEdge(bytes);
      const isWhole = read.role === role && read.operator === OPERATORS[role] && read.deviceKeys.size === 1;
      return isWhole ? bytes : new Uint8Array(0);
    },
  });
  return [
    edge('a'),
    edge('b'),
    {
      name: 'device-file.v2',
      make: async () => (await make()).devices[0]!,
      roundTrip: async (bytes) => {
        const { network: read, root, pairs } = await readDevice(bytes);
        using _key = root;
        const isSame = Buffer.compare(read.toBytes(), network.toBytes()) === 0;
        return isSame && pairs !== null ? bytes : new Uint8Array(0);
      },
    },
  ];
}
