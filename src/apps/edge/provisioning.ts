/**
 * What the owner gives to each party, one file each. They hold keys: mode 0600, carried over a channel that the owner trusts.
 *
 *   edge    'SEE2' role u8, operator (u8 length, UTF-8), peer id (16), peer key (32), relay key (u8 length; B's secret half or the
 *           public one), count u32, (device id (16), key (32))..., plan
 *   device  'SED2' device id (16), root key (32), generation u32, relay key (u8 length), network (u32 length), checks u32, per check and layer the
 *           words of c = W^T rho, pairs u32 (0 or 1), if 1 per layer the packed words of L(S)
 */
import * as arg from '../../base/arguments.ts';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { printedAs } from '../../base/inspect.ts';
import { LimitError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { readIntegerNetwork, writeIntegerNetwork } from '../../nn/integer/integer-bytes.ts';
import { IntegerNetwork } from '../../nn/integer/integer-network.ts';
import { IntegerLinearRunner } from '../../nn/integer/integer-runner.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type LayerPairs, makePairs, pairBytes, pairInputs } from '../../protocols/edge/construction.ts';
import { newDeviceId } from '../../protocols/edge/device.ts';
import type { EdgeServiceOptions } from '../../protocols/edge/edge-service.ts';
import { type LayerPlan, planBytes, planLayers, readPlan } from '../../protocols/edge/layer-plan.ts';
import { littleEndian, RootKey } from '../../protocols/edge/mask-stream.ts';
import { ProjectionCheck } from '../../protocols/edge/projection-check.ts';
import { type AdjointMap, adjointOf, projectionImages } from '../../protocols/edge/projection-images.ts';
import { newRelayKeys, openRelayKey } from '../../protocols/edge/relay-proof.ts';
import { PARTY_ID_BYTES } from '../../protocols/channel/secure-channel.ts';
import { packedShareBytes, packShares, unpackShares } from '../../protocols/edge/share-ring.ts';

const EDGE_MAGIC = 0x32454553;
const DEVICE_MAGIC = 0x32444553;
const KEY_BYTES = 32;
const MAX_OPERATOR_BYTES = 64;
const MAX_DEVICES = 100_000;
/** Independent projection checks: a wrong element passes with probability 2^-62. */
const CHECKS = 2;

export interface Provisioning {
  readonly edgeA: Uint8Array;
  readonly edgeB: Uint8Array;
  readonly devices: readonly Uint8Array[];
}

export type EdgeIdentity = Pick<
  EdgeServiceOptions,
  'role' | 'operator' | 'plan' | 'deviceKeys' | 'peer' | 'relayKey'
>;
/** As bytes, the half that a party gets. */
type WithRelayBytes<T> = Omit<T, 'relayKey'> & { readonly relayKey: Uint8Array };
type DeviceKeys = Pick<DeviceIdentity, 'deviceId' | 'root' | 'generation' | 'relayKey'>;

export interface DeviceIdentity {
  readonly network: IntegerNetwork;
  readonly deviceId: Uint8Array;
  readonly root: RootKey;
  /** How often the check vectors were made anew. */
  readonly generation: number;
  readonly plan: LayerPlan;
  /** What edge B's relayed answers are checked with. */
  readonly relayKey: CryptoKey;
  readonly projections: readonly ProjectionCheck[];
  /** For the `paired` construction, when the owner made them. */
  readonly pairs: LayerPairs | null;
}

export interface ProvisionOptions {
  readonly operators: Readonly<Record<'a' | 'b', string>>;
  readonly devices: number;
  /** Makes pairs for the `paired` construction, too. */
  readonly pairs?: boolean;
  /** Computes check vectors and pairs. */
  readonly kernel: Kernel;
  /** Is told how many devices are done. */
  readonly onDevice?: (done: number) => void;
}

/** What all devices' vectors are computed with. */
interface OwnerMaps extends Disposable {
  readonly adjoints: readonly AdjointMap[];
  readonly transposed: IntegerLinearRunner;
  /** Only when pairs are made. */
  readonly forward: IntegerLinearRunner | null;
}

function ownerMaps(
  { layers }: LayerPlan,
  { kernel, pairs }: Pick<ProvisionOptions, 'kernel' | 'pairs'>,
): OwnerMaps {
  const maps = layers.map(({ map }) => map);
  const adjoints = maps.map(adjointOf);
  const transposed = new IntegerLinearRunner(
    adjoints.map(({ map }) => map),
    kernel,
  );
  const forward = pairs === true ? new IntegerLinearRunner(maps, kernel) : null;
  const dispose = () => {
    transposed[Symbol.dispose]();
    forward?.[Symbol.dispose]();
  };
  return { adjoints, transposed, forward, [Symbol.dispose]: dispose };
}

/** Fresh keys and check vectors for `devices` devices. @throws {LimitError} */
export async function provision(network: IntegerNetwork, options: ProvisionOptions): Promise<Provisioning> {
  arg.checkArguments('provision', [network, options], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'input'),
    options: arg.options,
  });
  const { operators, devices } = options;
  for (const operator of [operators.a, operators.b]) {
    const { length } = new TextEncoder().encode(operator);
    if (length < 1 || length > MAX_OPERATOR_BYTES)
      throw new LimitError('the bytes of an operator name', MAX_OPERATOR_BYTES, length);
  }
  if (devices < 1 || devices > MAX_DEVICES) throw new LimitError('the devices', MAX_DEVICES, devices);
  const plan = await planLayers(network);
  using maps = ownerMaps(plan, options);
  const steps = writeIntegerNetwork(network);
  const peer = { id: newDeviceId(), key: systemRandom.seed() };
  const [keysA, keysB] = [new Map<string, Uint8Array>(), new Map<string, Uint8Array>()];
  const relay = await newRelayKeys();
  const files: Uint8Array[] = [];
  for (let i = 0; i < devices; i++) {
    const deviceId = newDeviceId();
    using root = new RootKey(systemRandom.seed());
    keysA.set(bytesToHex(deviceId), root.derive('edge a', deviceId));
    keysB.set(bytesToHex(deviceId), root.derive('edge b', deviceId));
    files.push(
      await writeDevice(steps, plan, { deviceId, root, generation: 0, relayKey: relay.checking }, maps),
    );
    options.onDevice?.(i + 1);
  }
  const [edgeA, edgeB] = [
    writeEdge({ role: 'a', operator: operators.a, plan, deviceKeys: keysA, peer, relayKey: relay.checking }),
    writeEdge({ role: 'b', operator: operators.b, plan, deviceKeys: keysB, peer, relayKey: relay.signing }),
  ];
  relay.signing.fill(0);
  return { edgeA, edgeB, devices: files };
}

function writeEdge(identity: WithRelayBytes<EdgeIdentity>): Uint8Array {
  const { role, operator, plan, deviceKeys, peer, relayKey } = identity;
  const name = new TextEncoder().encode(operator);
  const layers = planBytes(plan.layers);
  const entry = PARTY_ID_BYTES + KEY_BYTES;
  const writer = new ByteWriter(
    4 + 1 + 1 + name.length + entry + 1 + relayKey.length + 4 + deviceKeys.size * entry + layers.length,
  );
  writer.u32(EDGE_MAGIC);
  writer.u8(role === 'a' ? 0 : 1);
  writer.u8(name.length);
  writer.bytes(name);
  writer.bytes(peer.id);
  writer.bytes(peer.key);
  writer.u8(relayKey.length);
  writer.bytes(relayKey);
  writer.u32(deviceKeys.size);
  for (const [id, key] of deviceKeys) {
    writer.bytes(hexToBytes(id));
    writer.bytes(key);
  }
  writer.bytes(layers);
  return writer.finish();
}

/** @throws {DecodeError} {@link ShapeError} */
export async function readEdge(bytes: Uint8Array): Promise<EdgeIdentity> {
  arg.checkArguments('readEdge', [bytes], { bytes: arg.bytes });
  const reader = new ByteReader("an edge's file", bytes);
  if (reader.u32() !== EDGE_MAGIC) throw reader.error('bad magic');
  const role = (['a', 'b'] as const)[reader.u8()];
  if (role === undefined) throw reader.error('no such role');
  const operator = new TextDecoder().decode(reader.bytes(reader.u8()));
  const peer = { id: reader.bytes(PARTY_ID_BYTES).slice(), key: reader.bytes(KEY_BYTES).slice() };
  const relayKey = await readRelayKey(reader, role === 'a' ? 'verify' : 'sign');
  const count = reader.u32();
  if (count > MAX_DEVICES) throw reader.error(`at most ${MAX_DEVICES} devices are possible`);
  const deviceKeys = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i++) {
    const id = bytesToHex(reader.bytes(PARTY_ID_BYTES));
    deviceKeys.set(id, reader.bytes(KEY_BYTES).slice());
  }
  const plan = await readPlan(reader.bytes(reader.remaining));
  return printedAs('EdgeIdentity', { role, operator, plan, deviceKeys, peer, relayKey });
}

async function readRelayKey(reader: ByteReader, use: 'sign' | 'verify'): Promise<CryptoKey> {
  const bytes = reader.bytes(reader.u8());
  try {
    return await openRelayKey(use, bytes);
  } catch {
    throw reader.error('the relay key is none');
  }
}

/** What nothing was ever derived from before, for each generation. */
function checkSeed(
  { root, generation }: Pick<DeviceKeys, 'root' | 'generation'>,
  plan: LayerPlan,
  check: number,
): Uint8Array {
  return root.derive('projection', plan.modelId, Uint8Array.of(check), littleEndian(generation, 4));
}

async function writeDevice(
  network: Uint8Array,
  plan: LayerPlan,
  { deviceId, root, generation, relayKey }: WithRelayBytes<DeviceKeys>,
  { adjoints, transposed, forward }: OwnerMaps,
): Promise<Uint8Array> {
  const images: Uint32Array[] = [];
  for (let check = 0; check < CHECKS; check++) {
    const seed = checkSeed({ root, generation }, plan, check);
    images.push(...(await projectionImages(plan.layers, seed, adjoints, transposed.applyAsync)));
  }
  const pairs = forward === null ? null : await makePairs(root, plan, forward.applyAsync);
  const words = images.reduce((sum, image) => sum + image.length, 0);
  const stored = pairs === null ? 0 : pairBytes(plan).stored;
  const writer = new ByteWriter(
    4 +
      PARTY_ID_BYTES +
      KEY_BYTES +
      4 +
      1 +
      relayKey.length +
      4 +
      network.length +
      4 +
      4 * words +
      4 +
      stored,
  );
  writer.u32(DEVICE_MAGIC);
  writer.bytes(deviceId);
  const key = root.exportBytes();
  writer.bytes(key);
  key.fill(0);
  writer.u32(generation);
  writer.u8(relayKey.length);
  writer.bytes(relayKey);
  writer.u32(network.length);
  writer.bytes(network);
  writer.u32(CHECKS);
  for (const image of images) for (const word of image) writer.u32(word);
  writer.u32(pairs === null ? 0 : 1);
  pairs?.outputs.forEach((output, layer) => writer.bytes(packShares(output, plan.layers[layer]!.bits)));
  return writer.finish();
}

/**
 * The device's file with new check vectors, after a failed check has told the edges a bit about the old ones. Keys, pairs and what the
 * edges hold stay as they are. @throws {DecodeError}
 */
export async function renewDevice(
  bytes: Uint8Array,
  kernel: Kernel,
): Promise<{ bytes: Uint8Array; generation: number }> {
  arg.checkArguments('renewDevice', [bytes, kernel], {
    bytes: arg.bytes,
    kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
  });
  const old = await readDevice(bytes);
  using root = old.root;
  const { deviceId, plan, network } = old;
  using maps = ownerMaps(plan, { kernel, pairs: old.pairs !== null });
  const generation = old.generation + 1;
  const relayKey = new Uint8Array(await globalThis.crypto.subtle.exportKey('raw', old.relayKey));
  const steps = writeIntegerNetwork(network);
  const renewed = await writeDevice(steps, plan, { deviceId, root, generation, relayKey }, maps);
  return { bytes: renewed, generation };
}

/** The caller disposes of `root`. @throws {DecodeError} */
export async function readDevice(bytes: Uint8Array): Promise<DeviceIdentity> {
  arg.checkArguments('readDevice', [bytes], { bytes: arg.bytes });
  const reader = new ByteReader("a device's file", bytes);
  if (reader.u32() !== DEVICE_MAGIC) throw reader.error('bad magic');
  const deviceId = reader.bytes(PARTY_ID_BYTES).slice();
  const root = new RootKey(reader.bytes(KEY_BYTES));
  const generation = reader.u32();
  const relayKey = await readRelayKey(reader, 'verify');
  const network = readIntegerNetwork(
    reader.bytes(reader.u32()),
    (input, steps, output) => new IntegerNetwork(input, steps, output),
  );
  const plan = await planLayers(network);
  if (reader.u32() !== CHECKS) throw reader.error(`${CHECKS} checks were expected`);
  const projections: ProjectionCheck[] = [];
  for (let check = 0; check < CHECKS; check++) {
    const images = plan.layers.map(({ inputs }) => {
      const part = new ByteReader('check vectors', reader.bytes(4 * inputs));
      return Uint32Array.from({ length: inputs }, () => part.u32());
    });
    projections.push(await ProjectionCheck.open(checkSeed({ root, generation }, plan, check), images));
  }
  const pairs = reader.u32() === 0 ? null : await readPairs(reader, root, plan);
  reader.end();
  const identity = { network, plan, deviceId, root, generation, relayKey, projections, pairs };
  return printedAs('DeviceIdentity', identity);
}

async function readPairs(reader: ByteReader, root: RootKey, plan: LayerPlan): Promise<LayerPairs> {
  const outputs = plan.layers.map((layer) =>
    unpackShares(reader.bytes(packedShareBytes(layer.outputs, layer.bits)), layer.outputs, layer.bits),
  );
  return { inputs: await pairInputs(root, plan), outputs };
}
