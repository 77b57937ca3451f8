/**
 * A secret under a passphrase: scrypt [RFC 7914] makes the key, AES-256-GCM seals; the whole header is under the MAC.
 *
 * Layout, little-endian: magic "SRKF", version u8, log2(N) u8, r u8, p u8, salt 16, nonce 12, label length u16,
 * label (UTF-8, what the secret is for), ciphertext length u32, ciphertext, tag 16.
 */
import { createCipheriv, createDecipheriv, type ScryptOptions, scrypt } from 'node:crypto';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DecodeError, KeyFileError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';

/** The price of one guess at the passphrase: memory is 128 * 2^logN * r bytes. */
export interface ScryptCost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** 128 MiB and some 0.4 s per guess. Files that ask for less are refused, so that nobody can weaken one. */
export const PRODUCTION_COST: ScryptCost = Object.freeze({ logN: 17, r: 8, p: 1 });
/** 1 GiB: more than this would let a planted file exhaust the memory before its MAC is checked. */
const MAX_LOG_N = 20;
const MAGIC = 0x464b5253;
const VERSION = 1;
const [SALT, NONCE, TAG] = [16, 12, 16];
const MAX_LABEL = 1024;
const MAX_SECRET = 64 * 2 ** 20;

/** Fixed part, without the label. */
const HEADER = 4 + 4 + SALT + NONCE + 2;

export async function sealSecret(
  secret: Uint8Array,
  label: string,
  passphrase: string,
  cost: ScryptCost = PRODUCTION_COST,
): Promise<Uint8Array> {
  const name = Buffer.from(label, 'utf8');
  const salt = systemRandom.seed().subarray(0, SALT);
  const nonce = systemRandom.seed().subarray(0, NONCE);
  const writer = new ByteWriter(HEADER + name.length + 4 + secret.length + TAG);
  writer.u32(MAGIC);
  for (const value of [VERSION, cost.logN, cost.r, cost.p]) writer.u8(value);
  writer.bytes(salt);
  writer.bytes(nonce);
  writer.u16(name.length);
  writer.bytes(name);
  writer.u32(secret.length);
  const sealed = writer.reserve(secret.length);
  const tag = writer.reserve(TAG);
  const file = writer.finish();
  const key = await deriveKey(passphrase, salt, cost);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(file.subarray(0, HEADER + name.length + 4));
  sealed.set(cipher.update(secret));
  cipher.final();
  tag.set(cipher.getAuthTag());
  key.fill(0);
  return file;
}

/**
 * The secret in `file`; the caller wipes it.
 *
 * @throws {KeyFileError} when the file is not one of ours, is for something else, asks for less than `minimum`, or the
 *   MAC fails: a wrong passphrase and a damaged file cannot be told apart.
 */
export async function openSecret(
  file: Uint8Array,
  label: string,
  passphrase: string,
  minimum: ScryptCost = PRODUCTION_COST,
): Promise<Uint8Array> {
  const { cost, salt, nonce, associated, sealed, tag } = parse(file, label);
  if (cost.logN < minimum.logN || cost.logN > MAX_LOG_N || cost.r !== minimum.r || cost.p !== minimum.p) {
    throw new KeyFileError(
      `the key file asks for scrypt cost 2^${cost.logN}/${cost.r}/${cost.p}; accepted is 2^${minimum.logN} to 2^${MAX_LOG_N}, ${minimum.r}, ${minimum.p}`,
    );
  }
  const key = await deriveKey(passphrase, salt, cost);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(associated).setAuthTag(tag);
    const secret = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      secret.fill(0);
      throw new KeyFileError('the key file does not open: the passphrase is wrong or the file is damaged');
    }
    return secret;
  } finally {
    key.fill(0);
  }
}

function parse(file: Uint8Array, label: string) {
  try {
    const reader = new ByteReader('key file', file);
    if (reader.u32() !== MAGIC) throw reader.error('not a subrosa key file');
    const version = reader.u8();
    if (version !== VERSION) throw reader.error(`version ${version}, this program reads version ${VERSION}`);
    const cost: ScryptCost = { logN: reader.u8(), r: reader.u8(), p: reader.u8() };
    const salt = reader.bytes(SALT);
    const nonce = reader.bytes(NONCE);
    const nameLength = reader.u16();
    if (nameLength > MAX_LABEL) throw reader.error('its label is too long');
    const name = Buffer.from(reader.bytes(nameLength)).toString('utf8');
    const length = reader.u32();
    if (length > MAX_SECRET) throw reader.error('its secret is too long');
    const sealed = reader.bytes(length);
    const tag = reader.bytes(TAG);
    reader.end();
    if (name !== label) throw reader.error('it belongs to another server, model or parameter set');
    return { cost, salt, nonce, associated: file.subarray(0, HEADER + nameLength + 4), sealed, tag };
  } catch (error) {
    if (error instanceof DecodeError) throw new KeyFileError(error.message);
    throw error;
  }
}

function deriveKey(passphrase: string, salt: Uint8Array, { logN, r, p }: ScryptCost): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), salt, 32, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(new KeyFileError(`scrypt failed (${error.message})`));
    });
  });
}
