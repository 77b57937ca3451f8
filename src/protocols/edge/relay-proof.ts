/**
 * What lets a device say who lied behind a relay. Edge B signs the masked answer that it gives to edge A; A checks the signature before
 * it uses the answer, and hands the digest and the signature on with the sum. So a sum that turns out wrong has an author: what B
 * signed was not the right answer, or A has no signature for what it says it got, or it got the right answer and spoilt the sum.
 *
 * A tag under a key of device and B would not do: A could not check it, so B could give A a false one and have it named.
 * ECDSA on P-256 with SHA-256 [FIPS 186-5], because WebCrypto has it everywhere.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { littleEndian } from './mask-stream.ts';

export const DIGEST_BYTES = 32;
export const NONCE_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** What edge A hands on of edge B's answer: SHA-256 of the packed words, and B's signature. */
export interface RelayProof {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

/** Which answer a signature is about. The nonce is drawn per request, for numbers that an old backup repeats. */
export interface RelayContext {
  readonly modelId: Uint8Array;
  readonly device: Uint8Array;
  readonly nonce: Uint8Array;
  readonly request: number;
  readonly layer: number;
}

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const LABEL = new TextEncoder().encode('subrosa edge relay 1|');

/** Of packed words. */
export async function sharesDigest(shares: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', shares as Uint8Array<ArrayBuffer>));
}

/** Every field has one length, so no two contexts have the same bytes. */
function statement(
  { modelId, device, nonce, request, layer }: RelayContext,
  digest: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const numbers = [littleEndian(request, 8), littleEndian(layer, 4)];
  return Uint8Array.from(concatBytes(LABEL, modelId, device, nonce, ...numbers, digest));
}

/** 64 bytes, by edge B. */
export async function signRelay(
  key: CryptoKey,
  context: RelayContext,
  digest: Uint8Array,
): Promise<Uint8Array> {
  return new Uint8Array(await globalThis.crypto.subtle.sign(SIGNING, key, statement(context, digest)));
}

export async function isSigned(
  key: CryptoKey,
  context: RelayContext,
  { digest, signature }: RelayProof,
): Promise<boolean> {
  const signed = Uint8Array.from(signature);
  return await globalThis.crypto.subtle.verify(SIGNING, key, signed, statement(context, digest));
}

/** As the owner makes them: PKCS #8 for edge B, the uncompressed point for edge A and the devices. */
export interface RelayKeys {
  readonly signing: Uint8Array;
  readonly checking: Uint8Array;
}

export async function newRelayKeys(): Promise<RelayKeys> {
  const { subtle } = globalThis.crypto;
  const pair = await subtle.generateKey(CURVE, true, ['sign', 'verify']);
  const [signing, checking] = await Promise.all([
    subtle.exportKey('pkcs8', pair.privateKey),
    subtle.exportKey('raw', pair.publicKey),
  ]);
  return { signing: new Uint8Array(signing), checking: new Uint8Array(checking) };
}

/** A secret key cannot be exported again. @throws {DOMException} on anything but such a key */
export function openRelayKey(use: 'sign' | 'verify', bytes: Uint8Array): Promise<CryptoKey> {
  const format = use === 'sign' ? 'pkcs8' : 'raw';
  return globalThis.crypto.subtle.importKey(format, Uint8Array.from(bytes), CURVE, use === 'verify', [use]);
}
