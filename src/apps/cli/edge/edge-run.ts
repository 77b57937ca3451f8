/** `subrosa edge run`: a device. */
import { KeyFileError, TransportError, UsageError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import type { IntegerLinearMap } from '../../../kernel/integer-linear-map.ts';
import { IntegerLinearRunner } from '../../../nn/integer/integer-runner.ts';
import { type Construction, paired, sharing } from '../../../protocols/edge/construction.ts';
import { EdgeDevice, type EdgeInference } from '../../../protocols/edge/device.ts';
import { MAX_BATCH } from '../../../protocols/edge/edge-service.ts';
import { longestMessage } from '../../../protocols/edge/layer-plan.ts';
import { RequestCounter } from '../../../protocols/edge/request-counter.ts';
import type { SamplingGoal } from '../../../protocols/edge/sampling-check.ts';
import { counterFile } from '../../edge/counter-file.ts';
import { type DeviceIdentity, readDevice } from '../../edge/provisioning.ts';
import { retiredFile } from '../../edge/retired-file.ts';
import { readPrivateFile } from '../../keystore/private-file.ts';
import { connectEdge } from '../../edge/websocket-link.ts';
import { LinkGroup } from '../../edge/message-inbox.ts';
import { Patience, type PatienceOptions } from '../../transport/patience.ts';
import { networkInputs, labelsOf } from './edge-network.ts';
import { edgeReport, edgeReportJson } from './edge-report.ts';
import type { TimedInference } from './edge-timing.ts';
import { ProgressBar, retryNote } from '../terminal/progress-bar.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';
import { trustedCertificates } from '../tls-files.ts';

/** How a device talks to its edges. */
export interface ProtocolFlags {
  readonly construction: 'sharing' | 'paired';
  readonly relay?: boolean;
  readonly check: 'projection' | 'sampling' | 'both' | 'none';
  /** What the sampling check is to notice, and how often; {@link SAMPLING} where nothing is said. */
  readonly wrongFraction?: number;
  readonly detection?: number;
}

export interface EdgeRunFlags extends ProtocolFlags {
  readonly device: string;
  readonly a: string;
  readonly b: string;
  readonly ca?: string;
  readonly allowSameOperator?: boolean;
  readonly json?: boolean;
  readonly labels?: string;
  readonly retries?: number;
}

/** A sampling check notices a layer with one output in a hundred wrong with probability 99 %. */
export const SAMPLING = { wrongFraction: 0.01, detection: 0.99 };

export async function runWithEdges(
  paths: readonly string[],
  flags: EdgeRunFlags,
  terminal: Terminal,
): Promise<void> {
  const labels = flags.labels === undefined ? undefined : labelsOf(flags.labels);
  const retirement = retiredFile(flags.device);
  const { identity, inference } = await withSpinner(terminal, 'reading the network', async (spinner) => {
    const identity = await readDevice(readPrivateFile(flags.device));
    using _root = identity.root;
    const { generation } = identity;
    const reason = await retirement.reason(generation);
    if (reason !== null)
      throw new KeyFileError(reason === 'rejected' ? usedUp(flags.device) : inUse(flags.device));
    const input = networkInputs(paths, identity.network);
    spinner.say('asking both edges');
    using log = new ProgressBar(terminal);
    const inference = await inferWithEdges(identity, input, flags, {
      ...trustedCertificates(flags),
      counterPath: `${flags.device}.counter`,
      onRejection: async () => {
        await retirement.retire(generation);
        terminal.err(`${usedUp(flags.device)}\n`);
      },
      onChecking: () => retirement.checking(generation),
      patience: { onRetry: retryNote(log), ...(flags.retries !== undefined && { retries: flags.retries }) },
    });
    return { identity, inference };
  });
  const { network } = identity;
  if (flags.json === true) terminal.out(`${JSON.stringify(edgeReportJson(network, inference))}\n`);
  else terminal.out(edgeReport(network, inference, paintFor(terminal.outIsTerminal, terminal.env), labels));
}

/** What to do about it, too: a rejection tells the edges a bit about the vectors. */
function usedUp(path: string): string {
  return `a check failed, so the check vectors in ${path} are used up: run \`subrosa edge renew\` on it, here or at the owner's`;
}

function inUse(path: string): string {
  return `${path}.checking is there: another process checks answers with these vectors, or one ended before it knew what its checks said; if none runs, run \`subrosa edge renew\` on ${path}, here or at the owner's`;
}

/** What {@link inferWithEdges} needs of the machine it runs on. */
export interface DevicePlace {
  readonly ca?: Uint8Array;
  readonly counterPath: string;
  readonly onRejection: () => Promise<void>;
  readonly onChecking?: () => Promise<() => Promise<void>>;
  /** When to connect again after a connection broke, and who is told. */
  readonly patience?: PatienceOptions;
}

/** Connects to both edges, for inferences of up to `batch` inputs. @throws {ProtocolError} {@link TransportError} {@link UsageError} */
export async function openDevice(
  identity: DeviceIdentity,
  batch: number,
  flags: Omit<EdgeRunFlags, 'device'>,
  { ca, counterPath, onRejection, onChecking }: DevicePlace,
): Promise<EdgeDevice> {
  const { projections, pairs: _pairs, ...known } = identity;
  const maxMessageBytes = longestMessage(known.plan, batch);
  const link = { maxMessageBytes, group: new LinkGroup(), ...(ca !== undefined && { ca }) };
  const construction = constructionOf(identity, flags);
  const counter = await RequestCounter.open(counterFile(counterPath));
  const a = await connectEdge(flags.a, link);
  const b = await connectEdge(flags.b, link).catch((error: unknown) => {
    a.close();
    throw error;
  });
  return await EdgeDevice.connect(a, b, {
    ...known,
    counter,
    construction,
    projections: flags.check === 'projection' || flags.check === 'both' ? projections : [],
    ...((flags.check === 'sampling' || flags.check === 'both') && { sampling: samplingGoal(flags) }),
    recompute: recomputeWithKernel,
    allowSameOperator: flags.allowSameOperator === true,
    onRejection,
    ...(onChecking !== undefined && { onChecking }),
    now: () => performance.now(),
  });
}

function samplingGoal({ wrongFraction, detection }: ProtocolFlags): SamplingGoal {
  return {
    wrongFraction: wrongFraction ?? SAMPLING.wrongFraction,
    detection: detection ?? SAMPLING.detection,
  };
}

/** Only after a failed check, so nothing is kept ready for it. */
async function recomputeWithKernel(
  _layer: number,
  map: IntegerLinearMap,
  x: Int32Array,
  batch: number,
): Promise<Int32Array> {
  using kernel = await openKernel();
  using runner = new IntegerLinearRunner([map], kernel);
  return await runner.applyAsync(0, map, x, batch);
}

/** Batches one after another as one: outputs in a row, costs added up. */
function joined(parts: readonly EdgeInference[]): EdgeInference {
  const sum = (of: (part: EdgeInference) => number) => parts.reduce((total, part) => total + of(part), 0);
  const outputs = new Int32Array(sum((part) => part.outputs.length));
  let at = 0;
  for (const part of parts) {
    outputs.set(part.outputs, at);
    at += part.outputs.length;
  }
  const layers = parts[0]!.layers.map(({ layer }, i) => ({
    layer,
    deviceMs: sum((part) => part.layers[i]!.deviceMs),
    edgeMs: { a: sum((part) => part.layers[i]!.edgeMs.a), b: sum((part) => part.layers[i]!.edgeMs.b) },
    bytesUp: sum((part) => part.layers[i]!.bytesUp),
    bytesDown: sum((part) => part.layers[i]!.bytesDown),
  }));
  return { outputs, layers, activationMs: sum((part) => part.activationMs) };
}

/**
 * Connects, runs all inputs in batches that an edge takes, disconnects. When a connection breaks, an edge restarts for example, it connects
 * again and goes on with the batch that was not finished; what was finished is kept. Nothing but the transport decides that, and the new
 * attempt uses fresh randomness, so the edges learn nothing from it.
 * @throws {IntegrityError} {@link ProtocolError} {@link TransportError}
 */
export async function inferWithEdges(
  identity: DeviceIdentity,
  input: Int32Array,
  flags: Omit<EdgeRunFlags, 'device'>,
  place: DevicePlace,
): Promise<TimedInference> {
  const { inputs } = identity.network;
  const batch = Math.min(MAX_BATCH, Math.max(1, input.length / inputs));
  const batches = Math.max(1, Math.ceil(input.length / (batch * inputs)));
  const parts: EdgeInference[] = [];
  const traffic = { up: 0, down: 0 };
  const patience = new Patience(place.patience ?? {});
  let turn = patience.turn();
  let started: number | null = null;
  while (parts.length < batches) {
    let device: EdgeDevice | null = null;
    try {
      device = await openDevice(identity, batch, flags, place);
      started ??= performance.now();
      while (parts.length < batches) {
        const at = parts.length * batch * inputs;
        parts.push(await device.infer(input.subarray(at, at + batch * inputs)));
        turn = patience.turn();
      }
    } catch (error) {
      if (!(error instanceof TransportError) || !error.details.retryable) throw error;
      await turn.waitAfter(error);
    } finally {
      if (device !== null) {
        traffic.up += device.traffic.up;
        traffic.down += device.traffic.down;
        device.close();
      }
    }
  }
  return { ...joined(parts), ms: performance.now() - (started ?? 0), traffic };
}

/** @throws {UsageError} when the device has no pairs, or for pairs through a relay. */
function constructionOf(
  { plan, pairs }: Pick<DeviceIdentity, 'plan' | 'pairs'>,
  { construction, relay }: Pick<ProtocolFlags, 'construction' | 'relay'>,
): Construction {
  if (construction === 'sharing') return sharing(relay === true);
  if (relay === true) throw new UsageError('--relay goes with --construction sharing only');
  if (pairs === null)
    throw new UsageError("the device's file has no pairs: make it with `subrosa edge owner --paired`");
  return paired(plan, pairs);
}
