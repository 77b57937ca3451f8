/**
 * The authority: holds master secrets, derives function keys under the policy of each data set, and writes every decision to its log
 * before the key leaves. It never sees a ciphertext. It could open all of them: authority and trainer must not be one party.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../../base/brand.ts';
import {
  InvalidParamsError,
  KeyRefusedError,
  ProtocolError,
  type RefusalReason,
} from '../../../base/errors.ts';
import type { RandomSource } from '../../../base/random.ts';
import { sha256Digest } from '../../../base/sha256.ts';
import { AuditLog, type LogRecord, type ReplayedLog } from './audit-log.ts';
import type { LogHead } from '../agreement/log-head.ts';
import { AuthoritySecrets } from './authority-secrets.ts';
import type { AuthorityStorage } from './authority-storage.ts';
import { APPROVALS_NEEDED, type Approver, enrolledApprovals } from '../agreement/dataset-approvals.ts';
import {
  type AxisName,
  type DatasetSpec,
  datasetApprovals,
  datasetDigest,
  needsApproval,
  parseDatasetSpec,
  parseUnapprovedSpec,
} from '../agreement/dataset-spec.ts';
import { type AxisPolicy, PLAIN_POLICY_KERNEL, type PolicyKernel } from './key-policy.ts';
import { anchorBytes, assertNotBehind } from '../agreement/log-head.ts';
import { assertInLog, replayAnchored } from './log-verification.ts';
import { OpenDataset } from './open-dataset.ts';
import { RefusalCounts } from './refusal-counts.ts';

/** A part of the log of this size is put aside. */
const LOG_PART_BYTES = 64 * 2 ** 20;
/** Parts grow at least to this multiple of what they carry from the parts before. */
const LEAST_GROWTH = 2;

/** The scheme as the authority uses it: the same seed always gives the same master keys. */
export interface KeyDerivation<K> {
  deriveKeys(seed: Seed, spec: DatasetSpec, axis: AxisName, weights: Int32Array): K;
  /** The master public key in the scheme's wire format. */
  publicKey(seed: Seed, spec: DatasetSpec, axis: AxisName): Uint8Array;
  /** Wipes keys that were derived and did not leave. */
  discardKeys(keys: K): void;
  /** Wipes everything that was kept of this seed: its data set is closed. Needed where something is kept. */
  forget?(seed: Seed): void;
}

export interface AuthorityOptions {
  /** Whose signatures approve a data set over the default share. */
  readonly approvers?: readonly Approver[];
  /** A part of the log of about this size is put aside. Default 64 MiB. */
  readonly logPartBytes?: number;
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
  readonly known: OpenDataset;
  readonly policy: AxisPolicy;
  readonly keys: K;
  /** The vectors that raised the rank since the last record, packed. */
  readonly raised: string;
}

export class Authority<K> implements Disposable {
  readonly #secrets: AuthoritySecrets;
  readonly #storage: AuthorityStorage;
  readonly #random: RandomSource;
  readonly #derive: KeyDerivation<K>;
  readonly #kernel: PolicyKernel;
  readonly #approvers: readonly Approver[];
  readonly #logPartBytes: number;
  readonly #refusals = new RefusalCounts();
  readonly #datasets = new Map<string, OpenDataset>();
  /** Closed for ever, by a record. */
  readonly #closedInLog = new Set<string>();
  #log: AuditLog;
  /** Of the current part of the log. */
  #heads: [LogHead, ...LogHead[]];
  /** Bytes of the current part that are known to be whole lines. */
  #logBytes: number;
  /** What the current part began with. */
  #carriedBytes = 0;
  /** An append failed: what is behind `#logBytes` has to be cut off first. */
  #isTorn = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    secrets: AuthoritySecrets,
    storage: AuthorityStorage,
    random: RandomSource,
    derive: KeyDerivation<K>,
    kernel: PolicyKernel,
    replayed: ReplayedLog,
    { approvers = [], logPartBytes = LOG_PART_BYTES }: AuthorityOptions,
  ) {
    this.#secrets = secrets;
    this.#storage = storage;
    this.#random = random;
    this.#derive = derive;
    this.#kernel = kernel;
    this.#approvers = approvers;
    this.#logPartBytes = logPartBytes;
    this.#heads = [...replayed.heads];
    this.#logBytes = replayed.wholeBytes;
    this.#log = new AuditLog(secrets.logKey(), this.#heads.at(-1));
    for (const record of replayed.records) this.#replay(record);
  }

  /**
   * Starts or restarts: verifies the current part of the log, cuts off what a crash left of its last line, and rebuilds the ranks;
   * with a kernel those take a fraction of the time.
   * @throws {DecodeError} when the log was changed. {@link RolledBackError} when it ends before the anchor.
   */
  static async open<K>(
    storage: AuthorityStorage,
    derive: KeyDerivation<K>,
    random: RandomSource,
    kernel: PolicyKernel = PLAIN_POLICY_KERNEL,
    options: AuthorityOptions = {},
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
    const authority = new Authority(secrets, storage, random, derive, kernel, replayed, options);
    await authority.#forgetClosed();
    return authority;
  }

  get head(): LogHead {
    return this.#log.head;
  }

  /** Rank issued so far, by axis. @throws {KeyRefusedError} */
  issuedRanks(dataset: string): Readonly<Partial<Record<AxisName, number>>> {
    const known = this.#find(dataset);
    return Object.fromEntries(known.axes.map((axis) => [axis, known.policy(axis)?.issued.rank]));
  }

  /** Whether the data set was closed, or is not approved by the keys that are enrolled now. @throws {KeyRefusedError} */
  isClosed(dataset: string): boolean {
    return this.#find(dataset).isClosed;
  }

  /** The names of all data sets that the log knows, closed ones included. */
  get datasets(): string[] {
    return [...this.#datasets.keys()];
  }

  /**
   * Opens a data set with master keys of its own.
   * @throws {DecodeError} {@link InvalidParamsError} {@link ProtocolError} when the name is taken by another specification.
   */
  createDataset(requester: string, value: unknown): Promise<DatasetSpec> {
    return this.#inTurn(async () => {
      const spec = parseDatasetSpec(value);
      this.#assertApproved(spec);
      const known = this.#datasets.get(spec.id);
      if (known?.digest === datasetDigest(spec) && !known.isClosed) return known.spec;
      if (known !== undefined)
        throw new ProtocolError(
          known.isClosed
            ? `the data set "${spec.id}" is closed: choose a new name`
            : `there is another data set "${spec.id}": choose a new name`,
        );
      const opened = new OpenDataset(spec, this.#kernel);
      this.#secrets.open(opened.digest, this.#random);
      await this.#secrets.save(this.#storage);
      await this.#record({ kind: 'created', requester, dataset: spec.id, spec });
      this.#datasets.set(spec.id, opened);
      return spec;
    });
  }

  #assertApproved(spec: DatasetSpec): void {
    if (!needsApproval(spec) || this.#isApproved(spec)) return;
    throw new InvalidParamsError(
      `"${spec.id}" needs ${APPROVALS_NEEDED} approvals by keys that are enrolled with this authority`,
      {},
    );
  }

  #isApproved(spec: DatasetSpec): boolean {
    return enrolledApprovals(datasetApprovals(spec), this.#approvers).length >= APPROVALS_NEEDED;
  }

  /**
   * Function keys for all rows of the request, or none. The log holds the decision before this resolves.
   * @throws {KeyRefusedError} naming the rule. {@link RolledBackError} when the requester has seen a later log.
   */
  issue(request: KeyRequest): Promise<KeyAnswer<K>> {
    return this.#inTurn(() => this.#issue(request));
  }

  /** Whatever reads the weights does so before the first wait, or reads a copy: nobody can change them in between. */
  async #issue(asked: KeyRequest): Promise<KeyAnswer<K>> {
    const { seen } = asked;
    let request = asked;
    if (seen !== undefined && seen.entries < this.#heads[0].entries) {
      request = { ...asked, weights: asked.weights.slice() };
      await assertInLog(this.#storage, this.#heads, seen, this.#secrets.logKey());
    } else if (seen !== undefined) {
      assertNotBehind(this.#heads, seen);
    }
    const { requester, dataset, axis, weights } = request;
    const decision = this.#decide(request);
    if (decision instanceof KeyRefusedError) {
      await this.#noteRefusal(request, decision.details.reason);
      throw decision;
    }
    const { known, policy, keys, raised } = decision;
    try {
      const decided = { keys: weights.length / policy.length, rank: policy.issued.rank };
      const digest = vectorDigest(weights, policy.weightBound);
      await this.#append({ kind: 'issued', requester, dataset, axis, ...decided, digest, raised });
      known.recorded(axis, decided.keys);
      await this.#writeAnchor();
      return { keys, rank: decided.rank, head: this.head };
    } catch (error) {
      // Vectors without a record stay with the data set: the next record on the axis has them.
      this.#derive.discardKeys(keys);
      throw error;
    }
  }

  async #noteRefusal(
    { requester, dataset, axis, weights }: KeyRequest,
    reason: RefusalReason,
  ): Promise<void> {
    const noted = this.#refusals.add({ requester, dataset, axis, reason }, this.#datasets.has(dataset));
    if (noted !== undefined) await this.#record({ kind: 'refused', ...noted, digest: vectorDigest(weights) });
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
    const known = this.#find(dataset);
    const seed = this.#masterSeed(dataset, axis);
    try {
      // Derived first: should that fail, nothing was issued, and the ranks stay what the log says.
      const keys = this.#derive.deriveKeys(seed, known.spec, axis, weights);
      return { known, policy, keys, raised: known.raise(axis, policy.note(weights, this.#random)) };
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
    const { digest, axes, isClosed } = this.#find(dataset);
    const seed = !isClosed && axes.includes(axis) ? this.#secrets.masterSeed(digest, axis) : undefined;
    if (seed === undefined) throw refusal('closed', `"${dataset}" has no master key on axis ${axis}`);
    return seed;
  }

  /**
   * Destroys the master keys of a data set, in memory and in the stored state: this authority opens nothing of it any more. A copy of
   * the stored state that somebody made before still can.
   */
  closeDataset(requester: string, dataset: string): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#find(dataset);
      if (!known.isClosed) await this.#record({ kind: 'closed', requester, dataset });
      known.isClosed = true;
      this.#forget(known);
      await this.#secrets.save(this.#storage);
    });
  }

  #forget({ axes, digest }: OpenDataset): void {
    for (const axis of axes) {
      const seed = this.#secrets.masterSeed(digest, axis);
      if (seed === undefined) continue;
      this.#derive.forget?.(seed);
      seed.fill(0);
    }
    this.#secrets.forget(digest);
  }

  /** What a closing left that ended between its record and its effect. */
  async #forgetClosed(): Promise<void> {
    const left = [...this.#datasets.values()].filter(
      ({ isClosed, spec, digest }) => isClosed && this.#closedInLog.has(spec.id) && this.#secrets.has(digest),
    );
    if (left.length === 0) return;
    for (const known of left) this.#forget(known);
    await this.#secrets.save(this.#storage);
  }

  [Symbol.dispose](): void {
    this.#secrets[Symbol.dispose]();
  }

  #allow({ dataset, axis, weights }: KeyRequest): AxisPolicy {
    const known = this.#find(dataset);
    if (known.isClosed) throw refusal('closed', `the data set "${dataset}" is closed`);
    const policy = known.policy(axis);
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
    await this.#append(record);
    await this.#writeAnchor();
  }

  /** When it rejects, the log is as it was, or will be before the next record: a full disk is recovered from by itself. */
  async #append(record: LogRecord): Promise<void> {
    if (this.#isTorn) await this.#storage.truncateLog(this.#logBytes);
    this.#isTorn = false;
    const { length } = this.#log.line(record);
    const isGrown = this.#logBytes >= LEAST_GROWTH * this.#carriedBytes && this.#logBytes > 0;
    if (isGrown && this.#logBytes + length > this.#logPartBytes) await this.#rotate();
    const line = this.#log.line(record);
    try {
      await this.#storage.appendLog(line);
    } catch (error) {
      this.#isTorn = true;
      throw error;
    }
    this.#logBytes += line.length;
    this.#log.advance(line);
    this.#heads.push(this.#log.head);
  }

  #writeAnchor(): Promise<void> {
    return this.#storage.writeAnchor(anchorBytes(this.#log.head));
  }

  /** Puts the current part aside; the new one begins with what a start needs of it. */
  async #rotate(): Promise<void> {
    const last = this.head;
    const next = new AuditLog(this.#secrets.logKey(), last);
    const heads: [LogHead, ...LogHead[]] = [last];
    const refusals = this.#refusals.totals();
    const lines = [
      ...[...this.#datasets.values()].map((known) => known.carried()),
      ...refusals.map((total) => ({ kind: 'carried-refusals' as const, ...total })),
    ].map((record) => {
      const line = next.line(record);
      next.advance(line);
      heads.push(next.head);
      return line;
    });
    const first = concatBytes(...lines);
    await this.#storage.rotateLog(first, last.entries);
    this.#log = next;
    this.#heads = heads;
    this.#logBytes = first.length;
    this.#carriedBytes = first.length;
  }

  #replay(record: LogRecord): void {
    if (record.kind === 'created' || record.kind === 'carried') {
      const spec = parseUnapprovedSpec(record.spec);
      // What was approved by names alone, or by keys that are enrolled no more, gets no more keys.
      const isApproved = !needsApproval(spec) || this.#isApproved(spec);
      const known = new OpenDataset(spec, this.#kernel, !isApproved);
      if (record.kind === 'carried') {
        if (record.isClosed) this.#closedInLog.add(spec.id);
        known.replayCarried(record);
      }
      if (!this.#secrets.has(known.digest) || this.#closedInLog.has(spec.id)) known.isClosed = true;
      this.#datasets.set(spec.id, known);
    } else if (record.kind === 'issued') {
      this.#find(record.dataset).replay(record);
    } else if (record.kind === 'closed') {
      this.#closedInLog.add(record.dataset);
      this.#find(record.dataset).isClosed = true;
    } else {
      const { dataset, times } = record;
      this.#refusals.replay(record, times, this.#datasets.has(dataset));
    }
  }

  /** One request after another: a decision sees the effect of all before it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
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

printOnOneLine(Authority);
arg.guard('Authority', Authority, {
  open: {
    storage: arg.like('an AuthorityStorage', 'readSecrets', 'writeSecrets'),
    derive: arg.like('a KeyDerivation', 'deriveKeys', 'publicKey'),
    random: arg.randomSource,
    kernel: arg.optional(arg.like('a PolicyKernel', 'subtractProduct', 'squaredNorms')),
    options: arg.optional(arg.options),
  },
});
arg.guard('Authority', Authority.prototype, {
  issuedRanks: { dataset: arg.text },
  isClosed: { dataset: arg.text },
  createDataset: { requester: arg.text },
  issue: { request: arg.like('a KeyRequest', 'requester', 'dataset') },
  masterPublicKey: { dataset: arg.text, axis: arg.oneOf('forward', 'gradient', 'projection', 'labels') },
  closeDataset: { requester: arg.text, dataset: arg.text },
});
