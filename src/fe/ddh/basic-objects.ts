/** Keys and ciphertexts of the basic operations: lists of group elements, entry by entry. */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError } from '../../base/errors.ts';
import { FE_HEADER_BYTES, FeKind, writeFeHeader } from '../object-header.ts';
import { ELEMENT_BYTES, encodeElement, encodeScalar, type GroupElement, SCALAR_BYTES } from './group.ts';

export type BasicOperation = '+' | '-' | '*' | '/';
/** In the order of their codes on the wire. */
export const OPERATIONS: readonly BasicOperation[] = ['+', '-', '*', '/'];

/** Lists of elements behind a header and a prefix. */
abstract class ElementLists {
  readonly schemeId: string;
  readonly #kind: FeKind;
  readonly #lists: readonly (readonly GroupElement[])[];
  readonly #prefix: readonly number[];

  constructor(
    schemeId: string,
    kind: FeKind,
    lists: readonly (readonly GroupElement[])[],
    prefix: readonly number[] = [],
  ) {
    this.schemeId = schemeId;
    this.#kind = kind;
    this.#lists = lists;
    this.#prefix = prefix;
  }

  /** Entries. */
  get count(): number {
    return this.#lists[0]?.length ?? 0;
  }

  get byteLength(): number {
    return FE_HEADER_BYTES + this.#prefix.length + this.#lists.length * this.count * ELEMENT_BYTES;
  }

  toBytes(): Uint8Array {
    const writer = writeFeHeader(this.#kind, this.schemeId, this.count, this.byteLength - FE_HEADER_BYTES);
    for (const value of this.#prefix) writer.u8(value);
    for (const element of this.#lists.flat()) writer.bytes(encodeElement(element));
    return writer.finish();
  }
}

/** h = g^s. */
export class BasicPublicKey extends ElementLists {
  readonly element: GroupElement;

  constructor(schemeId: string, element: GroupElement) {
    super(schemeId, FeKind.basicPublicKey, [[element]]);
    arg.checkArguments('new BasicPublicKey', [schemeId, element], {
      schemeId: arg.text,
      element: arg.like('an EdwardsPoint', 'double', 'negate'),
    });
    this.element = element;
  }
}

/** g^r of each entry, and h^r g^x. */
export class BasicCiphertext extends ElementLists {
  readonly commitments: readonly GroupElement[];
  readonly elements: readonly GroupElement[];

  constructor(schemeId: string, commitments: readonly GroupElement[], elements: readonly GroupElement[]) {
    super(schemeId, FeKind.basicCiphertext, [commitments, elements]);
    arg.checkArguments('new BasicCiphertext', [schemeId, commitments, elements], {
      schemeId: arg.text,
      commitments: arg.list,
      elements: arg.list,
    });
    this.commitments = commitments;
    this.elements = elements;
  }
}

export class BasicCommitments extends ElementLists {
  readonly elements: readonly GroupElement[];

  constructor(schemeId: string, elements: readonly GroupElement[]) {
    super(schemeId, FeKind.basicCommitments, [elements]);
    arg.checkArguments('new BasicCommitments', [schemeId, elements], {
      schemeId: arg.text,
      elements: arg.list,
    });
    this.elements = elements;
  }
}

/** One element per entry, for one operation. The operands are not part of them. */
export class BasicKeys extends ElementLists {
  readonly operation: BasicOperation;
  readonly elements: readonly GroupElement[];

  constructor(schemeId: string, operation: BasicOperation, elements: readonly GroupElement[]) {
    super(schemeId, FeKind.basicKeys, [elements], [OPERATIONS.indexOf(operation)]);
    arg.checkArguments('new BasicKeys', [schemeId, operation, elements], {
      schemeId: arg.text,
      operation: arg.oneOf('+', '-', '*', '/'),
      elements: arg.list,
    });
    this.operation = operation;
    this.elements = elements;
  }
}

/** s. JavaScript cannot wipe a bigint: disposing only drops it. */
export class BasicSecretKey implements Disposable {
  readonly schemeId: string;
  #scalar: bigint | undefined;

  constructor(schemeId: string, scalar: bigint) {
    arg.checkArguments('new BasicSecretKey', [schemeId, scalar], { schemeId: arg.text, scalar: arg.bigint });
    this.schemeId = schemeId;
    this.#scalar = scalar;
  }

  /** @throws {DisposedError} */
  get scalar(): bigint {
    if (this.#scalar === undefined) throw new DisposedError('a master secret key');
    return this.#scalar;
  }

  toBytes(): Uint8Array {
    const writer = writeFeHeader(FeKind.basicSecretKey, this.schemeId, 1, SCALAR_BYTES);
    writer.bytes(encodeScalar(this.scalar));
    return writer.finish();
  }

  [Symbol.dispose](): void {
    this.#scalar = undefined;
  }
}

printOnOneLine(ElementLists, BasicSecretKey);
