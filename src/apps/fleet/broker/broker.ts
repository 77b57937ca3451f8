/**
 * The broker, NATS with JetStream, as gateways and workers use it: queues that lose nothing, small tables, and signals that may get
 * lost. Of queues, locks and agreement nothing is ours. Connections come back by themselves; what fails meanwhile throws.
 */
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { readFileSync } from 'node:fs';
import { SubrosaError, UsageError } from '../../../base/errors.ts';
import { loadOptionalPackage } from '../../../base/optional-package.ts';
import {
  consumerSettings,
  DEFAULT_QUEUE_RULES,
  type QueueName,
  type QueueRules,
  STREAMS,
  settingFaults,
  streamSettings,
} from './broker-settings.ts';
import { Delivery } from './delivery.ts';

/** The broker cannot be reached, or refused what is no limit of a queue. Another attempt may succeed. */
export class BrokerError extends SubrosaError<{ reason: string }> {
  override readonly name = 'BrokerError';
  readonly code = 'transport';
  constructor(reason: string, options?: ErrorOptions) {
    super(`the broker ${reason}`, { reason }, options);
  }
}

export interface BrokerOptions {
  /** `nats://host:port`, or `tls://`; several separated by commas. */
  readonly url: string;
  /** A NATS credentials file: what this process may do is the broker's to decide. */
  readonly credentials?: string;
  /** For people who look at the broker. */
  readonly name: string;
  readonly rules?: Partial<QueueRules>;
}

/** Small tables. Entries of those with a lifetime disappear by themselves. */
export const TABLES = {
  /** Which programs are offered under which name. */
  models: { name: 'subrosa-models', lifetimeMs: 0 },
  /** How jobs ended that have no reply. */
  outcomes: { name: 'subrosa-outcomes', lifetimeMs: 600_000 },
  /** The same of blocks of batches, whose owners come back days later. */
  blockOutcomes: { name: 'subrosa-block-outcomes', lifetimeMs: 15 * 86_400_000 },
  /** What tenants and principals have used. */
  usage: { name: 'subrosa-usage', lifetimeMs: 0 },
  /** What this fleet is: the fingerprint of its secret. */
  fleet: { name: 'subrosa-fleet', lifetimeMs: 0 },
} as const;
export type TableName = keyof typeof TABLES;

export type Published = 'queued' | 'duplicate' | 'full' | 'tenant-full';

const CONNECT_MS = 5000;
/** A request that was on its way when the broker went away is never answered. */
const REQUEST_MS = 2000;
const ATTEMPTS = 3;
const START_ATTEMPTS = 5;

export interface QueueState {
  readonly messages: number;
  /** Messages by subject, waiting or running. */
  readonly bySubject: Readonly<Record<string, number>>;
}

export class FleetBroker implements AsyncDisposable {
  readonly place: string;
  readonly rules: QueueRules;
  readonly #connection: NatsConnection;
  readonly #streams: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #tables: Readonly<Record<TableName, KV>>;
  #isConnected = true;

  private constructor(
    options: BrokerOptions & { readonly rules: QueueRules },
    connection: NatsConnection,
    streams: JetStreamClient,
    manager: JetStreamManager,
    tables: Readonly<Record<TableName, KV>>,
  ) {
    this.place = withoutPassword(options.url);
    this.rules = options.rules;
    this.#connection = connection;
    this.#streams = streams;
    this.#manager = manager;
    this.#tables = tables;
    void this.#watch();
  }

  /**
   * Connects, makes queues and tables that are missing, and compares those that are there with what they must be.
   * @throws {UsageError} naming every setting that would lose jobs, or when no broker answers or it has no JetStream.
   */
  static async open(options: BrokerOptions): Promise<FleetBroker> {
    const rules = { ...DEFAULT_QUEUE_RULES, ...options.rules };
    const connection = await connected(options);
    try {
      const { jetstream, jetstreamManager } =
        packageOf<typeof import('@nats-io/jetstream')>('@nats-io/jetstream');
      const { Kvm } = packageOf<typeof import('@nats-io/kv')>('@nats-io/kv');
      const manager = await jetstreamManager(connection, { timeout: REQUEST_MS });
      // Its queues are there a moment after the broker answers.
      await patiently(async () => {
        for (const queue of ['jobs', 'blocks'] as const) await ensureStream(manager, queue, rules);
        await ensureConsumers(manager, rules);
      });
      const kvm = new Kvm(jetstream(connection, { timeout: REQUEST_MS }));
      const tables: Partial<Record<TableName, KV>> = {};
      for (const [table, { name, lifetimeMs }] of Object.entries(TABLES))
        tables[table as TableName] = await kvm.create(name, { history: 1, ttl: lifetimeMs });
      const streams = jetstream(connection, { timeout: REQUEST_MS });
      return new FleetBroker(
        { ...options, rules },
        connection,
        streams,
        manager,
        tables as Record<TableName, KV>,
      );
    } catch (error) {
      await connection.close();
      if (error instanceof SubrosaError) throw error;
      throw new UsageError(
        `the broker at ${withoutPassword(options.url)} cannot be used (${reasonOf(error)}): nats-server must run with JetStream (-js)`,
      );
    }
  }

  /** Settles when the connection was given up: what was asked of it then may never be answered. */
  async closed(): Promise<void> {
    await this.#connection.closed();
  }

  get isConnected(): boolean {
    return this.#isConnected && !this.#connection.isClosed();
  }

  /** Puts a message into a queue once: another one of the same id within two minutes is a duplicate. @throws {BrokerError} */
  async publish(subject: string, id: string, message: Uint8Array): Promise<Published> {
    try {
      const { duplicate } = await this.#streams.publish(subject, message, { msgID: id, timeout: REQUEST_MS });
      return duplicate ? 'duplicate' : 'queued';
    } catch (error) {
      const reason = reasonOf(error);
      if (/maximum messages per subject exceeded/.test(reason)) return 'tenant-full';
      if (/maximum (?:messages|bytes) exceeded/.test(reason)) return 'full';
      throw new BrokerError(`did not take a message (${reason})`, { cause: error });
    }
  }

  /** The next message of a consumer, if there is one now. @throws {BrokerError} */
  async next(queue: QueueName, consumer: string): Promise<Delivery | null> {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${STREAMS[queue]}.${consumer}`;
    try {
      // The answer comes under the subject of the message, which the shared inbox would not recognise.
      const message = await this.#connection.request(subject, JSON.stringify({ batch: 1, no_wait: true }), {
        timeout: REQUEST_MS,
        noMux: true,
      });
      const code = message.headers?.code ?? 0;
      if (code === 404 || code === 408) return null;
      if (code !== 0) throw new Error(`${code} ${message.headers?.description}`);
      return new Delivery(message, this.#connection);
    } catch (error) {
      throw new BrokerError(`gave no message (${reasonOf(error)})`, { cause: error });
    }
  }

  /** @throws {BrokerError} */
  async queueState(queue: QueueName): Promise<QueueState> {
    const ask = () => this.#manager.streams.info(STREAMS[queue], { subjects_filter: `${queue}.>` });
    const { state } = await this.#asked('say what waits', ask);
    return { messages: state.messages, bySubject: state.subjects ?? {} };
  }

  /** Sends a signal, which may get lost; while there is no connection, or it is about to end, it does. */
  signal(subject: string, message: Uint8Array = new Uint8Array(0)): void {
    if (this.isConnected && !this.#connection.isDraining()) this.#connection.publish(subject, message);
  }

  /** Calls `listener` for every signal until the result is called. */
  listen(subject: string, listener: (message: Uint8Array, subject: string) => void): () => void {
    const subscription: Subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) listener(message.data, message.subject);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** When the server has taken up what was listened to before. @throws {BrokerError} */
  async flush(): Promise<void> {
    try {
      await this.#connection.flush();
    } catch (error) {
      throw new BrokerError(`is gone (${reasonOf(error)})`, { cause: error });
    }
  }

  /** The value of a table's entry and its revision, for {@link replaceEntry}. @throws {BrokerError} */
  async entry(
    table: TableName,
    key: string,
  ): Promise<{ readonly value: string; readonly revision: number } | null> {
    const found = await this.#asked('read a table', () => this.#tables[table].get(key));
    if (found === null || found.operation !== 'PUT') return null;
    return { value: found.string(), revision: found.revision };
  }

  /** @throws {BrokerError} */
  async entryNames(table: TableName): Promise<string[]> {
    return this.#asked('list a table', async () => {
      const names: string[] = [];
      for await (const name of await this.#tables[table].keys()) names.push(name);
      return names.sort();
    });
  }

  /**
   * Reads an entry, gives it to `change` and writes what that returns, all at once: when somebody else wrote meanwhile, again, a few
   * times. Null from `change` leaves the entry alone. Returns what stands then.
   * @throws {BrokerError} also when others never let it through
   */
  async replaceEntry(
    table: TableName,
    key: string,
    change: (value: string | null) => string | null,
  ): Promise<string | null> {
    for (let turn = 0; turn < 8; turn++) {
      const before = await this.entry(table, key);
      const value = change(before?.value ?? null);
      if (value === null) return before?.value ?? null;
      try {
        const kv = this.#tables[table];
        await (before === null ? kv.create(key, value) : kv.update(key, value, before.revision));
        return value;
      } catch (error) {
        if (!/wrong last sequence/.test(reasonOf(error)))
          throw new BrokerError(`did not write a table (${reasonOf(error)})`, { cause: error });
      }
      const spread = globalThis.crypto.getRandomValues(new Uint8Array(1))[0] as number;
      await new Promise((resolve) => setTimeout(resolve, (turn * spread) / 8));
    }
    throw new BrokerError('was asked by too many at once to change one entry');
  }

  /** What may be asked twice is: a question that was on its way when the broker restarted is lost. */
  async #asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (error) {
        if (attempt === ATTEMPTS || this.#connection.isClosed())
          throw new BrokerError(`did not ${what} (${reasonOf(error)})`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect') this.#isConnected = false;
      if (type === 'reconnect') this.#isConnected = true;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A connection that is down has nothing left to say.
    if (this.isConnected) {
      const said = this.#connection.drain().catch(() => undefined);
      // It may go down meanwhile, and what is left is not sent then.
      await Promise.race([said, new Promise((resolve) => setTimeout(resolve, REQUEST_MS).unref())]);
    }
    await this.#connection.close();
  }
}

function packageOf<T>(name: string): T {
  return loadOptionalPackage<T>(name, 'a fleet');
}

async function connected({ url, credentials, name }: BrokerOptions): Promise<NatsConnection> {
  const { connect, credsAuthenticator } =
    packageOf<typeof import('@nats-io/transport-node')>('@nats-io/transport-node');
  const servers = url.split(',').map((each) => each.trim());
  for (const server of servers)
    if (!/^(?:nats|tls):\/\/[^/\s]+$/.test(server))
      throw new UsageError(
        `a broker is nats://HOST:PORT or tls://HOST:PORT; got "${withoutPassword(server)}"`,
      );
  try {
    return await connect({
      servers: servers.map((server) => server.replace(/^(?:nats|tls):\/\/(?:[^@]*@)?/, '')),
      ...loginOf(servers[0] as string),
      ...(credentials !== undefined && { authenticator: credsAuthenticator(readFileSync(credentials)) }),
      ...(servers.some((server) => server.startsWith('tls:')) && { tls: {} }),
      ...{ name, maxReconnectAttempts: -1, reconnectTimeWait: 250, timeout: CONNECT_MS },
      ...{ pingInterval: 5000, maxPingOut: 2 },
    });
  } catch (error) {
    throw new UsageError(
      `no broker answers at ${withoutPassword(url)} (${reasonOf(error)}): start nats-server -js there, or give its address`,
    );
  }
}

function loginOf(server: string): { user?: string; pass?: string } {
  const { username, password } = new URL(server.replace(/^(?:nats|tls):/, 'http:'));
  return username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/g, '//');
}

/** Again when the broker does not answer; what it answers stands. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      const isSilence = /timeout|no responders/i.test(reasonOf(error));
      if (error instanceof SubrosaError || !isSilence || attempt === START_ATTEMPTS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function ensureStream(manager: JetStreamManager, queue: QueueName, rules: QueueRules): Promise<void> {
  const needed = streamSettings(queue, rules);
  const existing = await manager.streams.info(needed.name).catch((error: unknown) => {
    if (/stream not found/.test(reasonOf(error))) return null;
    throw error;
  });
  // Whoever else makes it at this moment makes the same.
  const { config } = existing ?? (await manager.streams.add(needed));
  refuseFaults(`the stream ${needed.name}`, settingFaults(config, needed));
}

async function ensureConsumers(manager: JetStreamManager, rules: QueueRules): Promise<void> {
  await Promise.all(
    consumerSettings(rules).map(async ({ queue, settings }) => {
      const { durable_name: name } = settings;
      const existing = await manager.consumers.info(STREAMS[queue], name).catch((error: unknown) => {
        if (/consumer not found/.test(reasonOf(error))) return null;
        throw error;
      });
      const { config } = existing ?? (await manager.consumers.add(STREAMS[queue], settings));
      refuseFaults(`the consumer ${name} of ${STREAMS[queue]}`, settingFaults(config, settings));
    }),
  );
}

function refuseFaults(what: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new UsageError(
    `${what} is set so that jobs could get lost or limits not hold: ${faults.join('; ')}. Change it (nats stream edit), or delete it while nothing is in it: it is made anew`,
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
