/** The authority's policy: a JSON file with data sets and who may ask for what. It holds digests of tokens, no token. */
import * as arg from '../../base/arguments.ts';
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { DataError, UsageError } from '../../base/errors.ts';
import {
  type Approval,
  type Approver,
  approverSchema,
} from '../../protocols/cryptonn/agreement/dataset-approvals.ts';
import {
  type DatasetSpec,
  parseDatasetSpec,
  parseUnapprovedSpec,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { readPrivateText } from '../keystore/private-file.ts';

export type PartyRole = 'trainer' | 'owner';

const MAX_POLICY_BYTES = 2 ** 20;
const TOKEN_BYTES = 32;

const policySchema = z.strictObject({
  datasets: z.array(z.unknown()).min(1).max(256),
  parties: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[\w.-]{1,64}$/),
        role: z.enum(['trainer', 'owner']),
        /** SHA-256 of the bearer token, hex. */
        token: z.string().regex(/^[0-9a-f]{64}$/),
        datasets: z.array(z.string()).max(256),
      }),
    )
    .max(1024),
  /** Whose signatures approve a data set over the default share. */
  approvers: z.array(approverSchema).max(64).optional(),
});

export type PolicyParty = z.infer<typeof policySchema>['parties'][number];

export interface AuthorityPolicy {
  readonly datasets: readonly DatasetSpec[];
  readonly parties: readonly PolicyParty[];
  readonly approvers?: readonly Approver[];
}

/**
 * A policy to serve by: every data set has the approvals it needs.
 * @throws {KeyFileError} when others can read it. {@link DataError} naming what is wrong. {@link DecodeError} {@link InvalidParamsError} for a data set that cannot be.
 */
export function readPolicy(path: string): AuthorityPolicy & { readonly approvers: readonly Approver[] } {
  arg.checkArguments('readPolicy', [path], { path: arg.text });
  return policyFrom(path, parseDatasetSpec);
}

/** A policy to work on: approvals may be missing. @throws {DataError} {@link DecodeError} {@link InvalidParamsError} */
export function readUnapprovedPolicy(path: string): ReturnType<typeof readPolicy> {
  return policyFrom(path, parseUnapprovedSpec);
}

function policyFrom(path: string, parseSpec: (value: unknown) => DatasetSpec): ReturnType<typeof readPolicy> {
  const text = readPrivateText(path);
  if (text.length > MAX_POLICY_BYTES) throw new DataError(`${path} is longer than a policy can be`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new DataError(`${path} is not JSON`);
  }
  const parsed = policySchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DataError(`${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'no policy'}`);
  }
  const datasets = parsed.data.datasets.map(parseSpec);
  const names = new Set(datasets.map(({ id }) => id));
  if (names.size !== datasets.length) throw new DataError(`${path} names a data set twice`);
  const { parties, approvers = [] } = parsed.data;
  if (
    ['name', 'key'].some(
      (field) => new Set(approvers.map((each) => each[field as 'name' | 'key'])).size !== approvers.length,
    )
  )
    throw new DataError(`${path} enrols a name or a key of an approver twice`);
  if (new Set(parties.map(({ name }) => name)).size !== parties.length)
    throw new DataError(`${path} names a party twice`);
  const unknown = parties.flatMap((party) => party.datasets).find((id) => !names.has(id));
  if (unknown !== undefined)
    throw new DataError(`${path}: a party is for the data set "${unknown}", which is not there`);
  return { datasets, parties, approvers };
}

export function writePolicy(path: string, policy: AuthorityPolicy): Promise<void> {
  arg.checkArguments('writePolicy', [path, policy], {
    path: arg.text,
    policy: arg.like('an AuthorityPolicy', 'datasets', 'parties'),
  });
  return replaceFile(path, new TextEncoder().encode(`${JSON.stringify(policy, null, 2)}\n`));
}

/** Adds a party with all data sets of the policy. @throws {UsageError} when the name is taken. */
export function withParty(
  policy: AuthorityPolicy,
  name: string,
  role: PartyRole,
  token: Uint8Array,
): AuthorityPolicy {
  arg.checkArguments('withParty', [policy, name, role, token], {
    policy: arg.like('an AuthorityPolicy', 'datasets', 'parties'),
    name: arg.text,
    role: arg.oneOf('trainer', 'owner'),
    token: arg.bytes,
  });
  if (policy.parties.some((party) => party.name === name))
    throw new UsageError(`the policy has a party "${name}" already`);
  const digest = createHash('sha256').update(token).digest('hex');
  const party = { name, role, token: digest, datasets: policy.datasets.map(({ id }) => id) };
  return { ...policy, parties: [...policy.parties, party] };
}

/** @throws {UsageError} when the name or the key is enrolled already. */
export function withApprover(policy: AuthorityPolicy, approver: Approver): AuthorityPolicy {
  const { approvers = [] } = policy;
  const known = approvers.find(({ name, key }) => name === approver.name || key === approver.key);
  if (known !== undefined)
    throw new UsageError(`the policy has an approver "${known.name}" with that name or key`);
  return { ...policy, approvers: [...approvers, approver] };
}

/** Puts an approval to its data set; an earlier one of the same name is replaced. */
export function withApproval(policy: AuthorityPolicy, dataset: string, approval: Approval): AuthorityPolicy {
  const datasets = policy.datasets.map((spec) => {
    if (spec.id !== dataset || spec.projection === undefined) return spec;
    const others = spec.projection.approvedBy.filter(
      (each) => typeof each !== 'string' && each.name !== approval.name,
    );
    return { ...spec, projection: { ...spec.projection, approvedBy: [...others, approval] } };
  });
  return { ...policy, datasets };
}

/** The text of a token file: base64url and a newline. */
export function tokenText(token: Uint8Array): string {
  return `${Buffer.from(token).toString('base64url')}\n`;
}

/** @throws {UsageError} when the file holds no token. {@link KeyFileError} when others can read it. */
export function readToken(path: string): Uint8Array {
  const token = Buffer.from(readPrivateText(path).trim(), 'base64url');
  if (token.length !== TOKEN_BYTES) throw new UsageError(`${path} holds no token of ${TOKEN_BYTES} bytes`);
  return new Uint8Array(token);
}
