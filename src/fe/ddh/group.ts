/**
 * The group ristretto255 [RFC 9496] as the schemes use it: points are Edwards representatives, equal up to 4-torsion; encodings
 * are canonical. Written with the library's field and curve, whose timing may depend on operands within JavaScript's limits.
 */
import type { EdwardsPoint } from '@noble/curves/abstract/edwards.js';
import { ed25519, ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';
import { bytesToNumberLE, numberToBytesLE } from '@noble/curves/utils.js';
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { DecodeError } from '../../base/errors.ts';
import type { Drbg } from '../../base/random.ts';

export type GroupElement = EdwardsPoint;

export const ELEMENT_BYTES = 32;
export const SCALAR_BYTES = 32;
/** The order of the group, a prime of 253 bits. */
export const GROUP_ORDER = ristretto255.Point.Fn.ORDER;
export const GENERATOR: GroupElement = ed25519.Point.BASE;
export const IDENTITY: GroupElement = ed25519.Point.ZERO;

type Ristretto = InstanceType<typeof ristretto255.Point>;

// Adding wrapped points would cost an allocation per operation.
const representative = (point: Ristretto): GroupElement => ed25519.Point.fromAffine(point.toAffine());

/** A generator whose logarithm to the first nobody knows: hashed from a fixed text. */
export const SECOND_GENERATOR: GroupElement = representative(
  ristretto255_hasher.hashToCurve(utf8ToBytes('subrosa second generator of ristretto255'), {
    DST: 'subrosa inner-product encryption v1',
  }),
);

export function encodeElement(element: GroupElement): Uint8Array {
  return new ristretto255.Point(element).toBytes();
}

/** @throws {DecodeError} for what RFC 9496 does not call a canonical encoding. */
export function decodeElement(what: string, bytes: Uint8Array): GroupElement {
  try {
    return representative(ristretto255.Point.fromBytes(bytes));
  } catch {
    throw new DecodeError(what, 'an element is not a canonical encoding');
  }
}

export function encodeScalar(scalar: bigint): Uint8Array {
  return numberToBytesLE(scalar, SCALAR_BYTES);
}

/** @throws {DecodeError} unless below the order. */
export function decodeScalar(what: string, bytes: Uint8Array): bigint {
  const scalar = bytesToNumberLE(bytes);
  if (scalar >= GROUP_ORDER) throw new DecodeError(what, 'a scalar is not below the order of the group');
  return scalar;
}

/** Uniform and not zero: 512 bits modulo the order. */
export function randomScalar(drbg: Drbg, label: 's' | 'u'): bigint {
  const bytes = concatBytes(drbg.nextKey(label), drbg.nextKey(label));
  const scalar = (bytesToNumberLE(bytes) % (GROUP_ORDER - 1n)) + 1n;
  bytes.fill(0);
  return scalar;
}

/** The representative in [0, order) of a scalar. */
export function reduceScalar(scalar: bigint): bigint {
  const reduced = scalar % GROUP_ORDER;
  return reduced < 0n ? reduced + GROUP_ORDER : reduced;
}

/** 1 / scalar modulo the order, for a public scalar. */
export function inverseScalar(scalar: bigint): bigint {
  return ristretto255.Point.Fn.inv(reduceScalar(scalar));
}
