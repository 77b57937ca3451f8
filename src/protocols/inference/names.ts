/**
 * Whose keys, of which model, and which of them. Each is a type of its own, so that the compiler refuses a tenant where a model
 * belongs: what keeps tenants apart must not depend on the order of two strings. Methods take them in one order: tenant, model, key.
 */
import * as arg from '../../base/arguments.ts';
import type { Brand } from '../../base/brand.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import { MODEL_NAME } from '../../compiler/program.ts';

/** Who asks, as the server tells clients apart; over HTTP the SHA-256 of a bearer token in hex. */
export type TenantId = Brand<string, 'TenantId'>;
/** A model of the server. */
export type ModelName = Brand<string, 'ModelName'>;
/** A client's evaluation keys: a hash of the message that brought them. */
export type KeyId = Brand<string, 'KeyId'>;

const TENANT_ID = /^[\w-]{1,128}$/;
export const KEY_ID = /^[0-9a-f]{16,128}$/;

/** @throws {OutOfRangeError} unless it is 1 to 128 letters, digits, `_` and `-`; the error does not repeat it. */
export function tenantId(text: string): TenantId {
  arg.checkArguments('tenantId', [text], { text: arg.text });
  if (!TENANT_ID.test(text))
    throw new OutOfRangeError('a tenant', `text that matches ${TENANT_ID.source}`, 'other text');
  return text as TenantId;
}

/** @throws {OutOfRangeError} unless it can stand in a path: lower-case letters, digits, `_` and `-`, at most 64. */
export function modelName(text: string): ModelName {
  arg.checkArguments('modelName', [text], { text: arg.text });
  if (!MODEL_NAME.test(text))
    throw new OutOfRangeError('a model name', `text that matches ${MODEL_NAME.source}`, `"${text}"`);
  return text as ModelName;
}

/** @throws {OutOfRangeError} unless it is 16 to 128 hex digits. */
export function keyId(text: string): KeyId {
  arg.checkArguments('keyId', [text], { text: arg.text });
  if (!KEY_ID.test(text)) throw new OutOfRangeError('a key id', '16 to 128 hex digits', 'other text');
  return text as KeyId;
}
