/**
 * What all parties of a joint training agree on before anything is drawn: the program, how columns are standardised, and the key of the
 * receiver, who alone opens the weights. Public. Its hash is the start of the transcript, so parties with different invitations have no
 * session together.
 *
 * Layout: 'SRJI', version u8, zero u8 u16, length u32, JSON of the program and the columns, the receiver's public key.
 */
import * as arg from '../../base/arguments.ts';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DataError, DecodeError, ShapeError, SubrosaError } from '../../base/errors.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { readObjectStart, writeObjectStart } from '../../base/object-start.ts';
import { sha256Digest } from '../../base/sha256.ts';
import type { Standardisation } from '../../runtime/training/labelled-table.ts';
import { LogisticProgram, parseLogisticProgram } from '../../runtime/training/logistic-program.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { PublicKey } from '../../schemes/rlwe/keys/public-key.ts';

/** 'SRJI' */
const FAMILY = { magic: 0x494a5253, version: 1 } as const;
const BEFORE_TEXT = 12;
const MOST_TEXT = 2 ** 18;
const MOST_NAME = 200;

export interface JointInvitationFields {
  readonly program: LogisticProgram;
  /** Names of the columns, in order. */
  readonly columns: readonly string[];
  /** Of the column with the labels. */
  readonly label: string;
  /** Means and deviations that every party standardises with: public, so not taken from rows that are not. */
  readonly standardisation: Standardisation;
  /** Bytes of the receiver's public key. */
  readonly receiverKey: Uint8Array;
}

export class JointInvitation implements JointInvitationFields {
  readonly program: LogisticProgram;
  readonly columns: readonly string[];
  readonly label: string;
  readonly standardisation: Standardisation;
  readonly receiverKey: Uint8Array;
  readonly #hash: Uint8Array;

  /** @throws {DataError} {@link ShapeError} for a program of one owner, or columns that are not the program's. */
  constructor(fields: JointInvitationFields) {
    arg.checkArguments('new JointInvitation', [fields], { fields: arg.options });
    const { program, columns, label, standardisation, receiverKey } = fields;
    if (program.parties < 2) throw new DataError('a joint program names the rows of each owner');
    const { features } = program.spec;
    const { means, deviations } = standardisation;
    for (const list of [columns, means, deviations])
      if (list.length !== features) throw new ShapeError('columns of an invitation', features, list.length);
    const isName = (name: unknown): boolean => typeof name === 'string' && name.length <= MOST_NAME;
    if (![...columns, label].every(isName) || new Set([...columns, label]).size !== features + 1)
      throw new DataError(`column names are distinct texts of at most ${MOST_NAME} characters`);
    if (![...means, ...deviations].every((value) => Number.isFinite(value)) || deviations.some((v) => v < 0))
      throw new DataError('means are numbers and deviations are not negative');
    if (receiverKey.length !== PublicKey.byteLength(program.params))
      throw new ShapeError("the receiver's key", PublicKey.byteLength(program.params), receiverKey.length);
    this.program = program;
    this.columns = Object.freeze([...columns]);
    this.label = label;
    this.standardisation = Object.freeze({ means: [...means], deviations: [...deviations] });
    this.receiverKey = receiverKey.slice();
    // Once: it is over megabytes, and a host asks for it at every connection.
    const text = new TextEncoder().encode(`subrosa joint invitation ${program.params.id}|`);
    this.#hash = Uint8Array.from(sha256Digest(concatBytes(text, this.toBytes())));
  }

  toBytes(): Uint8Array {
    const { columns, label, standardisation } = this;
    const { spec } = this.program;
    const text = new TextEncoder().encode(JSON.stringify({ program: spec, columns, label, standardisation }));
    const writer = new ByteWriter(BEFORE_TEXT + text.length + this.receiverKey.length);
    writeObjectStart(writer, FAMILY, 0);
    writer.u32(text.length);
    writer.bytes(text);
    writer.bytes(this.receiverKey);
    return writer.finish();
  }

  /** SHA-256 of the bytes, and of the parameters that the program came to. */
  get hash(): Uint8Array {
    return this.#hash.slice();
  }

  get id(): string {
    return bytesToHex(this.hash);
  }

  /** `insecure` are parameters for tests, marked so. @throws {DecodeError} whatever is wrong with the bytes. */
  static fromBytes(bytes: Uint8Array, insecure?: CkksParams): JointInvitation {
    const reader = new ByteReader('an invitation', bytes);
    readObjectStart(reader, FAMILY, 0);
    const length = reader.u32();
    if (length > MOST_TEXT) throw reader.error('too long a program');
    const text = new TextDecoder().decode(reader.bytes(length));
    try {
      const value = asRecord(JSON.parse(text));
      const { means, deviations } = asRecord(value['standardisation']);
      const program = parseLogisticProgram(value['program'], insecure);
      const receiverKey = reader.bytes(PublicKey.byteLength(program.params));
      reader.end();
      return new JointInvitation({
        program,
        columns: asList<string>(value['columns'], 'string'),
        label: String(value['label']),
        standardisation: {
          means: asList<number>(means, 'number'),
          deviations: asList<number>(deviations, 'number'),
        },
        receiverKey,
      });
    } catch (error) {
      if (error instanceof DecodeError) throw error;
      const reason = error instanceof SubrosaError ? error.message : 'its program is not JSON';
      throw reader.error(reason);
    }
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DataError('an invitation has an object where something else is');
  return value as Record<string, unknown>;
}

function asList<T>(value: unknown, type: 'string' | 'number'): T[] {
  if (!Array.isArray(value) || !value.every((element) => typeof element === type))
    throw new DataError(`an invitation has a list of ${type}s where something else is`);
  return value as T[];
}

printOnOneLine(JointInvitation);
arg.guard('JointInvitation', JointInvitation, {
  fromBytes: { bytes: arg.bytes, insecure: arg.optional(arg.like('a CkksParams', 'toBytes', 'qMods')) },
});
