/**
 * Two edges for the page that shows them, in this process: real services on ports of their own, so that a page connects to each as it would
 * to two operators. Here one process is both, and the owner besides: it could put the shares together, and to show that, the witness does.
 */
import type { Kernel } from '../../kernel/kernel.ts';
import type { IntegerNetwork } from '../../nn/integer/integer-network.ts';
import { IntegerLinearRunner } from '../../nn/integer/integer-runner.ts';
import { EdgeService } from '../../protocols/edge/edge-service.ts';
import { listenEdge } from '../edge/edge-server.ts';
import { provision, readEdge } from '../edge/provisioning.ts';
import type { ListenAddress, RunningServer, TlsFiles } from '../server/index.ts';
import type { Witness } from './witness.ts';

const OPERATORS = { a: 'edge A of this demonstration', b: 'edge B of this demonstration' } as const;
/** Devices that are known at once; the oldest is forgotten, and its page gets another file. */
const MAX_DEVICES = 64;

export interface EdgePairOptions extends Pick<ListenAddress, 'host'> {
  readonly network: IntegerNetwork;
  readonly kernel: Kernel;
  /**
   * Shown what each edge computes on, which together is what somebody drew: left out where pages of other machines see what the witness
   * does.
   */
  readonly witness?: Witness;
  readonly tls?: TlsFiles;
}

/** Ports at which the edges listen, on the page's own host. */
export type EdgePorts = Readonly<Record<'a' | 'b', number>>;

export class EdgePair implements AsyncDisposable {
  readonly ports: EdgePorts;
  readonly #options: EdgePairOptions;
  readonly #runner: IntegerLinearRunner;
  readonly #servers: readonly RunningServer[];
  /** Of each edge: what the services look devices up in. */
  readonly #keys: readonly Map<string, Uint8Array>[];
  #making: Promise<unknown> = Promise.resolve();

  private constructor(
    options: EdgePairOptions,
    runner: IntegerLinearRunner,
    servers: readonly RunningServer[],
    keys: readonly Map<string, Uint8Array>[],
  ) {
    this.#options = options;
    this.#runner = runner;
    this.#servers = servers;
    this.#keys = keys;
    const [a = 0, b = 0] = servers.map(({ url }) => Number(new URL(url).port));
    this.ports = { a, b };
  }

  /** @throws {UsageError} for an address that other machines reach, without TLS. */
  static async open(options: EdgePairOptions): Promise<EdgePair> {
    const { network, kernel, witness, host, tls } = options;
    const made = await provision(network, { operators: OPERATORS, devices: 1, kernel });
    const identities = [await readEdge(made.edgeA), await readEdge(made.edgeB)];
    const runner = new IntegerLinearRunner(
      identities.flatMap(({ role, plan }) => (role === 'a' ? plan.layers.map(({ map }) => map) : [])),
      kernel,
    );
    const keys = identities.map(() => new Map<string, Uint8Array>());
    const servers: RunningServer[] = [];
    try {
      for (const [i, identity] of identities.entries()) {
        const service = new EdgeService({
          ...identity,
          deviceKeys: keys[i] as Map<string, Uint8Array>,
          maxBatch: 1,
          now: () => performance.now(),
          apply: (layer, map, words, batch) => {
            if (layer === 0) witness?.saw(identity.role, words, identity.plan.layers[0]?.bits ?? 32);
            return runner.applyAsync(layer, map, words, batch);
          },
        });
        const listening = { ...(host !== undefined && { host }), ...(tls !== undefined && { tls }) };
        servers.push(await listenEdge(service, listening));
      }
    } catch (error) {
      for (const server of servers) await server.close();
      runner[Symbol.dispose]();
      throw error;
    }
    return new EdgePair(options, runner, servers, keys);
  }

  /** The file of a new device: keys, check vectors, the network. One at a time, and for one browser alone. */
  newDevice(): Promise<Uint8Array> {
    const made = this.#making.then(() => this.#provision());
    this.#making = made.catch(() => undefined);
    return made;
  }

  async #provision(): Promise<Uint8Array> {
    const { network, kernel } = this.#options;
    const { edgeA, edgeB, devices } = await provision(network, { operators: OPERATORS, devices: 1, kernel });
    for (const [i, file] of [edgeA, edgeB].entries()) {
      const known = this.#keys[i] as Map<string, Uint8Array>;
      for (const [id, key] of (await readEdge(file)).deviceKeys) known.set(id, key);
      while (known.size > MAX_DEVICES) known.delete(known.keys().next().value as string);
    }
    return devices[0] as Uint8Array;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#making;
    for (const server of this.#servers) await server.close();
    this.#runner[Symbol.dispose]();
  }
}
