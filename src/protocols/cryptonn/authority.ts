/**
 * The authority: holds master secrets, derives function keys under the policy of each data set, and writes every decision to its log
 * before the key leaves. It never sees a ciphertext. It could open all of them: authority and trainer must not be one party.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../base/brand.ts';
import { DecodeError, KeyRefusedError, ProtocolError, type RefusalReason } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import { sha256Digest } from '../../base/sha256.ts';
import { AuditLog, type LogHead, type LogRecord, type ReplayedLog } from './audit-log.ts';
import { AuthoritySecrets } from './authority-secrets.ts';
import type { AuthorityStorage } from './authority-storage.ts';
import { type AxisName, type DatasetSpec, datasetDigest, parseDatasetSpec } from './dataset-spec.ts';
import { type AxisPolicy, axisPolicies, PLAIN_POLICY_KERNEL, type PolicyKernel } from './key-policy.ts';
import { anchorBytes, assertNotBehind } from './log-head.ts';
import { replayAnchored } from './log-verification.ts';

/** The scheme as the authority uses it: the same seed always gives the same master keys. */
export interface KeyDerivation<K> {
  deriveKeys(seed: Seed, spec: DatasetSpec, axis: AxisName, weights: Int32Array): K;
  /** The master public key in the scheme's wire format. */
  publicKey(seed: Seed, spec: DatasetSpec, axis: AxisName): Uint8Array;
  /** Wipes keys that were derived and did not leave. */
  discardKeys(keys: K): void;
}

export interface KeyRequest {
  /** Who asks, as the channel authenticated it. */
  readonly requester: string;
  readonly dataset: string;
  readonly axis: AxisName;
  /** Key vectors, one after another. */
  readonly weights: Int32Array;
  /** The log's head in the last answer that the requester kept; an authority that lies behind it was rolled back. */
  readonly seen?: LogHead;
}

export interface KeyAnswer<K> {
  readonly keys: K;
  /** Rank of everything issued on this axis. */
  readonly rank: number;
  readonly head: LogHead;
}

/** What is ready to be recorded. */
interface Decision<K> {
  readonly policy: AxisPolicy;
  readonly keys: K;
  /** The vectors that raised the rank, packed. */
  readonly raised: string;
}

interface OpenDataset {
  readonly spec: DatasetSpec;
  readonly digest: string;
  readonly policies: ReadonlyMap<AxisName, AxisPolicy>;
  closed: boolean;
}

export class Authority<K> implements Disposable {
  readonly #secrets: AuthoritySecrets;
  readonly #storage: AuthorityStorage;
  readonly #random: RandomSource;
  readonly #derive: KeyDerivation<K>;
  readonly #kernel: PolicyKernel;
  readonly #log: AuditLog;
  readonly #heads: LogHead[];
  readonly #datasets = new Map<string, OpenDataset>();
  #turn: Promise<unknown> = Promise.resolve();
  #broken: unknown;

  private constructor(
    secrets: AuthoritySecrets,
    storage: AuthorityStorage,
    random: RandomSource,
    derive: KeyDerivation<K>,
    kernel: PolicyKernel,
    replayed: ReplayedLog,
  ) {
    this.#secrets = secrets;
    this.#storage = storage;
    this.#random = random;
    this.#derive = derive;
    this.#kernel = kernel;
    this.#heads = [...replayed.heads];
    this.#log = new AuditLog(secrets.logKey(), this.#heads.at(-1));
    for (const record of replayed.records) this.#replay(record);
  }

  /**
   * Starts or restarts: verifies the whole log, cuts off what a crash left of its last line, and rebuilds the ranks; with a kernel those
   * take a fraction of the time.
   * @throws {DecodeError} when the log was changed. {@link RolledBackError} when it ends before the anchor.
   */
  static async open<K>(
    storage: AuthorityStorage,
    derive: KeyDerivation<K>,
    random: RandomSource,
    kernel: PolicyKernel = PLAIN_POLICY_KERNEL,
  ): Promise<Authority<K>> {
    const stored = await AuthoritySecrets.load(storage);
    const secrets = stored ?? AuthoritySecrets.create(random);
    const bytes = await storage.readLog();
    if (stored === null) {
      if (bytes.length > 0)
        throw new ProtocolError('there is a log but no secret state: the state was removed');
      await secrets.save(storage);
    }
    const replayed = await replayAnchored(storage, bytes, secrets.logKey());
    if (replayed.wholeBytes < bytes.length) await storage.truncateLog(replayed.wholeBytes);
    return new Authority(secrets, storage, random, derive, kernel, replayed);
  }

  get head(): LogHead {
    return this.#log.head;
  }

  /** Rank issued so far, by axis. @throws {KeyRefusedError} */
  issuedRanks(dataset: string): Readonly<Partial<Record<AxisName, number>>> {
    const { policies } = this.#find(dataset);
    return Object.fromEntries([...policies].map(([axis, policy]) => [axis, policy.issued.rank]));
  }

  /**
   * Opens a data set with master keys of its own.
   * @throws {DecodeError} {@link InvalidParamsError} {@link ProtocolError} when the name is taken by another specification.
   */
  createDataset(requester: string, value: unknown): Promise<DatasetSpec> {
    return this.#inTurn(async () => {
      const spec = parseDatasetSpec(value);
      const digest = datasetDigest(spec);
      const known = this.#datasets.get(spec.id);
      if (known?.digest === digest && !known.closed) return known.spec;
      if (known !== undefined)
        throw new ProtocolError(`there is another data set "${spec.id}": choose a new name`);
      const policies = axisPolicies(spec, this.#kernel);
      this.#secrets.open(digest, this.#random);
      await this.#secrets.save(this.#storage);
      await this.#record({ kind: 'created', requester, dataset: spec.id, spec });
      this.#datasets.set(spec.id, { spec, digest, policies, closed: false });
      return spec;
    });
  }

  /**
   * Function keys for all rows of the request, or none. The log holds the decision before this resolves.
   * @throws {KeyRefusedError} naming the rule. {@link RolledBackError} when the requester has seen a later log.
   */
  issue(request: KeyRequest): Promise<KeyAnswer<K>> {
    return this.#inTurn(() => this.#issue(request));
  }

  /** Whatever reads the weights does so before the first wait: nobody can change them in between. */
  async #issue(request: KeyRequest): Promise<KeyAnswer<K>> {
    const { requester, dataset, axis, weights } = request;
    if (request.seen !== undefined) assertNotBehind(this.#heads, request.seen);
    const decision = this.#decide(request);
    if (decision instanceof KeyRefusedError) {
      const { reason } = decision.details;
      await this.#record({
        kind: 'refused',
        requester,
        dataset,
        axis,
        reason,
        digest: vectorDigest(weights),
      });
      throw decision;
    }
    const { policy, keys, raised } = decision;
    try {
      const decided = { keys: weights.length / policy.length, rank: policy.issued.rank };
      const digest = vectorDigest(weights, policy.weightBound);
      await this.#record({ kind: 'issued', requester, dataset, axis, ...decided, digest, raised });
      return { keys, rank: decided.rank, head: this.head };
    } catch (error) {
      // The ranks are ahead of the log.
      this.#broken = error;
      this.#derive.discardKeys(keys);
      throw error;
    }
  }

  /** Keys that must not leave before they are recorded, with the vectors that raised the rank; or why there are none. */
  #decide(request: KeyRequest): KeyRefusedError | Decision<K> {
    const { dataset, axis, weights } = request;
    let policy: AxisPolicy;
    try {
      policy = this.#allow(request);
    } catch (error) {
      if (error instanceof KeyRefusedError) return error;
      throw error;
    }
    const seed = this.#masterSeed(dataset, axis);
    try {
      // Derived first: should that fail, nothing was issued, and the ranks stay what the log says.
      const keys = this.#derive.deriveKeys(seed, this.#find(dataset).spec, axis, weights);
      return { policy, keys, raised: packVectors(policy.note(weights, this.#random)) };
    } finally {
      seed.fill(0);
    }
  }

  /** What owners of data encrypt under, in the scheme's wire format. @throws {KeyRefusedError} */
  masterPublicKey(dataset: string, axis: AxisName): Uint8Array {
    const { spec } = this.#find(dataset);
    const seed = this.#masterSeed(dataset, axis);
    try {
      return this.#derive.publicKey(seed, spec, axis);
    } finally {
      seed.fill(0);
    }
  }

  #masterSeed(dataset: string, axis: AxisName): Seed {
    const { digest, policies } = this.#find(dataset);
    const seed = policies.has(axis) ? this.#secrets.masterSeed(digest, axis) : undefined;
    if (seed === undefined) throw refusal('closed', `"${dataset}" has no master key on axis ${axis}`);
    return seed;
  }

  /** Destroys the master keys of a data set: its ciphertexts stay closed for ever. */
  closeDataset(requester: string, dataset: string): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#find(dataset);
      await this.#record({ kind: 'closed', requester, dataset });
      known.closed = true;
      this.#secrets.forget(known.digest);
      await this.#secrets.save(this.#storage);
    });
  }

  [Symbol.dispose](): void {
    this.#secrets[Symbol.dispose]();
  }

  #allow({ dataset, axis, weights }: KeyRequest): AxisPolicy {
    const { policies, closed } = this.#find(dataset);
    if (closed) throw refusal('closed', `the data set "${dataset}" is closed`);
    const policy = policies.get(axis);
    if (policy === undefined) throw refusal('outside-span', `"${dataset}" issues no keys on axis ${axis}`);
    policy.check(weights);
    return policy;
  }

  #find(dataset: string): OpenDataset {
    const known = this.#datasets.get(dataset);
    if (known === undefined) throw refusal('unknown-dataset', 'there is no such data set');
    return known;
  }

  /** Durable first in the log, then in the anchor; only then may the decision have an effect outside. */
  async #record(record: LogRecord): Promise<void> {
    const line = this.#log.line(record);
    try {
      await this.#storage.appendLog(line);
      this.#log.advance(line);
      this.#heads.push(this.#log.head);
      await this.#storage.writeAnchor(anchorBytes(this.#log.head));
    } catch (error) {
      // What is on disk is unknown now; only a restart, which reads it, may go on.
      this.#broken = error;
      throw error;
    }
  }

  #replay(record: LogRecord): void {
    if (record.kind === 'created') {
      const spec = parseDatasetSpec(record.spec);
      const digest = datasetDigest(spec);
      const closed = !this.#secrets.has(digest);
      this.#datasets.set(spec.id, { spec, digest, policies: axisPolicies(spec, this.#kernel), closed });
    } else if (record.kind === 'issued') {
      const policy = this.#find(record.dataset).policies.get(record.axis);
      policy?.replay(unpackVectors(record.raised));
      if (policy?.issued.rank !== record.rank)
        throw new DecodeError('the log', 'the ranks do not follow from the vectors');
    } else if (record.kind === 'closed') {
      this.#find(record.dataset).closed = true;
    }
  }

  /** One request after another: a decision sees the effect of all before it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(() => {
      if (this.#broken !== undefined)
        throw new ProtocolError('the authority could not write its log and must be restarted');
      return work();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function refusal(reason: RefusalReason, explanation: string): KeyRefusedError {
  return new KeyRefusedError(reason, explanation);
}

/** SHA-256 of the entries, one after another: of a byte each where all are known to be within a bound that fits, else of four, lowest first. */
function vectorDigest(weights: Int32Array, bound = Number.POSITIVE_INFINITY): string {
  const entries = bound < 2 ** 7 ? new Int8Array(weights) : weights;
  return bytesToHex(sha256Digest(new Uint8Array(entries.buffer, entries.byteOffset, entries.byteLength)));
}

/** Entries are policy-bounded far below 2^15. */
function packVectors(rows: readonly Int32Array[]): string {
  let hex = '';
  for (const row of rows) hex += bytesToHex(new Uint8Array(Int16Array.from(row).buffer));
  return hex;
}

function unpackVectors(text: string): Int32Array {
  return Int32Array.from(new Int16Array(hexToBytes(text).slice().buffer));
}
