/** Keys and ciphertexts of the DDH schemes: lists of group elements or of scalars. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError } from '../../base/errors.ts';
import type {
  FunctionKeys,
  InnerProductCiphertext,
  MasterPublicKey,
  MasterSecretKey,
} from '../inner-product-scheme.ts';
import { FE_HEADER_BYTES, FeKind, writeFeHeader } from '../object-header.ts';
import { ELEMENT_BYTES, encodeElement, encodeScalar, type GroupElement } from './group.ts';
import { FixedBase, SmallPowers } from './multiples.ts';

function written(kind: FeKind, schemeId: string, count: number, parts: readonly Uint8Array[]): Uint8Array {
  const writer = writeFeHeader(kind, schemeId, count, parts.length * ELEMENT_BYTES);
  for (const part of parts) writer.bytes(part);
  return writer.finish();
}

/** h_i, one element per coordinate. */
export class DdhPublicKey implements MasterPublicKey {
  readonly kind = 'master-public-key';
  readonly schemeId: string;
  readonly elements: readonly GroupElement[];

  constructor(schemeId: string, elements: readonly GroupElement[]) {
    this.schemeId = schemeId;
    this.elements = elements;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + this.elements.length * ELEMENT_BYTES;
  }

  toBytes(): Uint8Array {
    return written(FeKind.masterPublicKey, this.schemeId, 1, this.elements.map(encodeElement));
  }

  [Symbol.dispose](): void {}
}

/** For each base one scalar per coordinate. JavaScript cannot wipe a bigint: disposing only drops them. */
export class DdhSecretKey implements MasterSecretKey {
  readonly kind = 'master-secret-key';
  readonly schemeId: string;
  #scalars: readonly (readonly bigint[])[] | undefined;

  constructor(schemeId: string, scalars: readonly (readonly bigint[])[]) {
    this.schemeId = schemeId;
    this.#scalars = scalars;
  }

  /** @throws {DisposedError} */
  get scalars(): readonly (readonly bigint[])[] {
    if (this.#scalars === undefined) throw new DisposedError('a master secret key');
    return this.#scalars;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + this.scalars.flat().length * ELEMENT_BYTES;
  }

  toBytes(): Uint8Array {
    return written(FeKind.masterSecretKey, this.schemeId, 1, this.scalars.flat().map(encodeScalar));
  }

  [Symbol.dispose](): void {
    this.#scalars = undefined;
  }
}

/** base^r for each base, then h_i^r g^(x_i). */
export class DdhCiphertext implements InnerProductCiphertext {
  readonly kind = 'ciphertext';
  readonly count = 1;
  readonly schemeId: string;
  readonly heads: readonly GroupElement[];
  readonly elements: readonly GroupElement[];
  #tables: { heads: FixedBase[]; elements: SmallPowers } | undefined;

  constructor(schemeId: string, heads: readonly GroupElement[], elements: readonly GroupElement[]) {
    this.schemeId = schemeId;
    this.heads = heads;
    this.elements = elements;
  }

  /** Made once, for all keys. */
  get tables(): { readonly heads: readonly FixedBase[]; readonly elements: SmallPowers } {
    this.#tables ??= {
      heads: this.heads.map((head) => new FixedBase(head)),
      elements: new SmallPowers(this.elements),
    };
    return this.#tables;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + (this.heads.length + this.elements.length) * ELEMENT_BYTES;
  }

  toBytes(): Uint8Array {
    return written(FeKind.ciphertext, this.schemeId, 1, [...this.heads, ...this.elements].map(encodeElement));
  }

  [Symbol.dispose](): void {
    this.#tables = undefined;
  }
}

/** For each weight vector one scalar per base. */
export class DdhFunctionKeys implements FunctionKeys {
  readonly kind = 'function-keys';
  readonly schemeId: string;
  readonly scalars: readonly (readonly bigint[])[];

  constructor(schemeId: string, scalars: readonly (readonly bigint[])[]) {
    this.schemeId = schemeId;
    this.scalars = scalars;
  }

  get count(): number {
    return this.scalars.length;
  }

  rows(first: number, count: number): DdhFunctionKeys {
    return new DdhFunctionKeys(this.schemeId, this.scalars.slice(first, first + count));
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + this.scalars.flat().length * ELEMENT_BYTES;
  }

  toBytes(): Uint8Array {
    return written(FeKind.functionKeys, this.schemeId, this.count, this.scalars.flat().map(encodeScalar));
  }

  [Symbol.dispose](): void {}
}

printOnOneLine(DdhPublicKey, DdhSecretKey, DdhCiphertext, DdhFunctionKeys);
