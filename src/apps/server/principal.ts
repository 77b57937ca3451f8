/**
 * Whom limits count against. Tokens and keys cost nothing to make, so a limit per token is none: quotas and budgets belong to a
 * principal, something that a client cannot make more of. The operator says what that is.
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { DataError, UsageError } from '../../base/errors.ts';
import { tenantOf } from './tenant.ts';

/**
 * - `address`: the address of the connection, an IPv6 one up to its /64, which one customer has whole. Behind a proxy all are one.
 * - `header`: what a proxy in front puts into a header after it has found out who asks; clients must not reach the server without it.
 * - `token`: the names of tokens that the operator has enrolled; others are refused.
 */
export type PrincipalRule =
  | { readonly kind: 'address' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'token'; readonly names: ReadonlyMap<string, string> };

const HEADER_NAME = /^[a-z0-9-]{1,64}$/;
const HEADER_VALUE = /^[\x21-\x7e]{1,256}$/;
const TOKEN_LINE = /^([0-9a-f]{64})\s+(\S{1,64})$/;
const MAX_TOKENS = 1_000_000;

/** The principal of a request, or null when the rule does not know it: then it is refused. */
export function principalOf(rule: PrincipalRule, request: FastifyRequest): string | null {
  switch (rule.kind) {
    case 'address':
      return addressClass(request.raw.socket.remoteAddress ?? 'unknown');
    case 'header': {
      const value = request.headers[rule.name];
      if (typeof value !== 'string' || !HEADER_VALUE.test(value)) return null;
      return addressClass(value);
    }
    case 'token': {
      const tenant = tenantOf(request.headers.authorization);
      return (tenant === null ? undefined : rule.names.get(tenant)) ?? null;
    }
  }
}

/** IPv4 as it is, also when it comes as IPv6; the first 64 bits of IPv6; any other text as it is. */
export function addressClass(text: string): string {
  const address = text.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...new Array<string>(zeros).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

/**
 * `address`, `header:NAME`, or `token:FILE` with the text of that file: per line the SHA-256 of a token's 32 bytes in hex and a
 * name. Lines that share a name share a count.
 * @throws {UsageError} {@link DataError} naming the line
 */
export function parsePrincipalRule(text: string, readText: (path: string) => string): PrincipalRule {
  if (text === 'address') return { kind: 'address' };
  const [, kind, argument = ''] = /^(header|token):(.+)$/.exec(text) ?? [];
  if (kind === 'header' && HEADER_NAME.test(argument.toLowerCase()))
    return { kind: 'header', name: argument.toLowerCase() };
  if (kind === 'token') return { kind: 'token', names: readTokenList(readText(argument), argument) };
  throw new UsageError(`a principal is address, header:NAME or token:FILE; got "${text}"`);
}

function readTokenList(text: string, path: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const [, hash, name] = TOKEN_LINE.exec(line.trim()) ?? [];
    if (hash === undefined || name === undefined || names.size >= MAX_TOKENS)
      throw new DataError(`${path}, line ${i + 1}: the SHA-256 of a token in hex and a name are needed`);
    names.set(hash, name);
  }
  return names;
}

/** How a token stands in a list: the SHA-256 of its bytes, hex. */
export function tokenHash(token: Uint8Array): string {
  return createHash('sha256').update(token).digest('hex');
}
