/** An authority at the other end of HTTP, as owners and trainers see it. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { KeyRefusedError, ProtocolError, type RefusalReason, RolledBackError } from '../../base/errors.ts';
import type { FunctionKeys, InnerProductScheme, MasterPublicKey } from '../../fe/inner-product-scheme.ts';
import type { LogHead } from '../../protocols/cryptonn/agreement/log-head.ts';
import { vectorLength } from '../../protocols/cryptonn/agreement/axis-sizes.ts';
import {
  type AxisName,
  type DatasetSpec,
  parseDatasetSpec,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { readKeyAnswer, writeKeyRequest } from '../../protocols/cryptonn/agreement/key-messages.ts';
import { HttpExchange, type HttpOptions } from '../transport/exchange.ts';
import { jsonOf, type Received, refusalCode } from '../transport/retrying-exchange.ts';
import { authorityRoutes } from './authority-wire.ts';

/** A master public key of 784 values has 38 MB. */
const MAX_REPLY_BYTES = 512 * 2 ** 20;

/** What the trainer says about each rule; texts of the authority are not shown. */
const SENTENCES: Readonly<Record<RefusalReason, string>> = {
  'unknown-dataset': 'there is no such data set',
  closed: 'the data set is closed',
  'wrong-length': 'the key vectors have another length than the axis',
  'out-of-bound': 'a key vector has an entry over the bound',
  'isolates-coordinates': 'a key vector is a unit or radix vector, or nearly one',
  'outside-span': "a key vector is no combination of the data set's projection, or the axis issues none",
  'over-budget': 'the keys would exceed the leak budget',
};

export class RemoteAuthority {
  readonly #exchange: HttpExchange;
  /** Head of the log in the last answer. */
  #seen: LogHead | undefined;
  readonly #ranks = new Map<AxisName, number>();
  #keys = 0;

  /** `seen` is what an earlier session ended with. @throws {UsageError} */
  constructor(address: string, options: HttpOptions, seen?: LogHead) {
    arg.checkArguments('new RemoteAuthority', [address, options, seen], {
      address: arg.text,
      options: arg.options,
      seen: arg.optional(arg.like('a LogHead', 'entries', 'hash')),
    });
    this.#exchange = new HttpExchange(address, { maxReplyBytes: MAX_REPLY_BYTES, ...options });
    this.#seen = seen;
  }

  /** Continues where an earlier session ended: its last head and the keys it had received. */
  resume(seen: LogHead | undefined, keys: number): void {
    this.#seen = seen ?? this.#seen;
    this.#keys += keys;
  }

  get seen(): LogHead | undefined {
    return this.#seen;
  }

  /** Function keys received, those of resumed sessions included. */
  get keys(): number {
    return this.#keys;
  }

  /** Rank of everything issued on an axis, by the last answer; 0 before. */
  rank(axis: AxisName): number {
    return this.#ranks.get(axis) ?? 0;
  }

  /** @throws {ProtocolError} {@link TransportError} {@link DecodeError} */
  async spec(dataset: string): Promise<DatasetSpec> {
    const reply = jsonOf(
      await this.#exchange.send('GET', authorityRoutes.dataset(encodeURIComponent(dataset))),
    );
    const spec = parseDatasetSpec((reply as { spec?: unknown } | null)?.spec);
    if (spec.id !== dataset) throw new ProtocolError('the authority answered with another data set');
    return spec;
  }

  /** @throws {ProtocolError} {@link TransportError} {@link DecodeError} {@link ParamsMismatchError} */
  async publicKey(spec: DatasetSpec, axis: AxisName, scheme: InnerProductScheme): Promise<MasterPublicKey> {
    const { body } = await this.#exchange.send('GET', authorityRoutes.publicKey(spec.id, axis));
    return scheme.publicKeyFromBytes(body);
  }

  /**
   * @throws {KeyRefusedError} naming the rule. {@link RolledBackError} when the authority's log is behind what this side saw.
   * @throws {TransportError} when nobody answers.
   */
  async issue(
    spec: DatasetSpec,
    axis: AxisName,
    weights: Int32Array,
    scheme: InnerProductScheme,
  ): Promise<FunctionKeys> {
    const seen = this.#seen;
    const request = writeKeyRequest(
      { weights, ...(seen === undefined ? {} : { seen }) },
      vectorLength(spec, axis),
    );
    const path = authorityRoutes.keys(spec.id, axis);
    const received = await this.#exchange.send('POST', path, request, ['refused', 'rolled-back']);
    if (received.status !== 200) throw refusalError(received, seen);
    const { keyBytes, rank, head } = readKeyAnswer(received.body);
    if (seen !== undefined && head.entries <= seen.entries) throw new RolledBackError(seen.entries);
    const keys = scheme.functionKeysFromBytes(keyBytes);
    this.#seen = head;
    this.#ranks.set(axis, rank);
    this.#keys += keys.count;
    return keys;
  }
}

function refusalError(received: Received, seen: LogHead | undefined): Error {
  if (refusalCode(received) === 'rolled-back') return new RolledBackError(seen?.entries ?? 0);
  const { reason } = jsonOf(received) as { reason?: unknown };
  const known = (Object.keys(SENTENCES) as RefusalReason[]).find((each) => each === reason);
  return known === undefined
    ? new ProtocolError('the authority refused without a reason')
    : new KeyRefusedError(known, SENTENCES[known]);
}

printOnOneLine(RemoteAuthority);
arg.guard('RemoteAuthority', RemoteAuthority.prototype, {
  resume: { seen: arg.optional(arg.like('a LogHead', 'entries', 'hash')), keys: arg.number },
  rank: { axis: arg.oneOf('forward', 'gradient', 'projection', 'labels') },
  spec: { dataset: arg.text },
  publicKey: {
    spec: arg.options,
    axis: arg.oneOf('forward', 'gradient', 'projection', 'labels'),
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
  },
  issue: {
    spec: arg.options,
    axis: arg.oneOf('forward', 'gradient', 'projection', 'labels'),
    weights: arg.typed('an Int32Array', Int32Array),
    scheme: arg.like('an InnerProductScheme', 'setup', 'encrypt'),
  },
});
