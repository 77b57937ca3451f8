/** A ciphertext for each plaintext modulus. */
import type { ParamsId } from '../../../base/brand.ts';
import { type Arena, Owned } from '../../../ring/arena.ts';
import { HEADER_BYTES, readHeader, WireKind, writeHeader } from '../../rlwe/wire/wire.ts';
import { BgvCiphertext } from '../ciphertext.ts';
import type { BgvContextBase } from '../context-base.ts';
import type { BgvCrtContextBase } from './crt-context-base.ts';

export class BgvCrtCiphertext extends Owned {
  readonly paramsId: ParamsId;
  /** In the order of the parameters; each has a level, a factor and a noise bound of its own. */
  readonly components: readonly BgvCiphertext[];

  /** Takes ownership of `components`. */
  constructor(components: readonly BgvCiphertext[]) {
    super();
    this.components = components;
    this.paramsId = components[0]!.paramsId;
  }

  /** Of the component that has least. */
  get noiseBudget(): number {
    return Math.min(...this.components.map((component) => component.noiseBudget));
  }

  /** Header, then each component as its length, u32, and its bytes. */
  toBytes(): Uint8Array {
    return this.#write(WireKind.bgvCrtCiphertext, (component) => component.toBytes());
  }

  /** The same of components without their low bits: see {@link BgvCiphertextBatch.toRoundedBytes}. @throws {ShapeError} */
  toRoundedBytes(): Uint8Array {
    return this.#write(WireKind.bgvCrtRounded, (component) => component.toRoundedBytes());
  }

  #write(kind: WireKind, bytesOf: (component: BgvCiphertext) => Uint8Array): Uint8Array {
    const parts = this.components.map(bytesOf);
    const body = parts.reduce((sum, part) => sum + 4 + part.length, 0);
    const writer = writeHeader(kind, this.paramsId, body);
    for (const part of parts) {
      writer.u32(part.length);
      writer.bytes(part);
    }
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: BgvCrtContextBase, bytes: Uint8Array, arena: Arena): BgvCrtCiphertext {
    return readComponents(context, bytes, arena, WireKind.bgvCrtCiphertext, BgvCiphertext.fromBytes);
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromRoundedBytes(context: BgvCrtContextBase, bytes: Uint8Array, arena: Arena): BgvCrtCiphertext {
    return readComponents(context, bytes, arena, WireKind.bgvCrtRounded, BgvCiphertext.fromRoundedBytes);
  }

  protected override free(): void {
    for (const component of this.components) component[Symbol.dispose]();
  }
}

function readComponents(
  context: BgvCrtContextBase,
  bytes: Uint8Array,
  arena: Arena,
  kind: WireKind,
  read: (context: BgvContextBase, bytes: Uint8Array, arena: Arena) => BgvCiphertext,
): BgvCrtCiphertext {
  const reader = readHeader('a CRT ciphertext', bytes, kind, context.params.id);
  return assemble(arena, context, (own, i) => {
    const length = reader.u32();
    if (length < HEADER_BYTES || length > reader.remaining) throw reader.error('a component of wrong length');
    const component = read(own, reader.bytes(length), arena);
    if (i === context.components.length - 1) reader.end();
    return component;
  });
}

/** One component per modulus, made in order in `arena`; what was made is freed when `make` throws. */
export function assemble(
  arena: Arena,
  context: BgvCrtContextBase,
  make: (component: BgvCrtContextBase['components'][number], index: number) => BgvCiphertext,
): BgvCrtCiphertext {
  const made: BgvCiphertext[] = [];
  try {
    context.components.forEach((component, i) => {
      made.push(make(component, i));
    });
  } catch (error) {
    for (const component of made) component[Symbol.dispose]();
    throw error;
  }
  return arena.adopt(new BgvCrtCiphertext(made.map((component) => arena.keep(component))));
}
