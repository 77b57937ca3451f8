/**
 * What the one who invites hands out: to each party the invitation with a key of its own, to the host all keys. Files of mode 0600.
 *
 *   party   'SRJP' version u8, party u8, zero u16, key (32), invitation
 *   host    'SRJH' version u8, parties u8, zero u16, keys (32 each), invitation
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { DataError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { JointInvitation } from '../../protocols/joint/index.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import { replaceFile } from '../keystore/atomic-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';

const PARTY = 0x504a5253; // 'SRJP'
const HOST = 0x484a5253; // 'SRJH'
const VERSION = 1;
const KEY_BYTES = 32;

export interface PartyInvitation {
  readonly invitation: JointInvitation;
  /** From 0. */
  readonly party: number;
  /** Of its connection to the host. */
  readonly key: Uint8Array;
}

export interface HostInvitation {
  readonly invitation: JointInvitation;
  readonly keys: readonly Uint8Array[];
}

function written(magic: number, number: number, keys: readonly Uint8Array[], body: Uint8Array): Uint8Array {
  const writer = new ByteWriter(8 + keys.length * KEY_BYTES + body.length);
  writer.u32(magic);
  for (const byte of [VERSION, number, 0, 0]) writer.u8(byte);
  for (const key of keys) writer.bytes(key);
  writer.bytes(body);
  return writer.finish();
}

function opened(what: string, magic: number, bytes: Uint8Array): { reader: ByteReader; number: number } {
  const reader = new ByteReader(what, bytes);
  if (reader.u32() !== magic) throw reader.error('not such a file');
  if (reader.u8() !== VERSION) throw reader.error('of another version');
  const number = reader.u8();
  if (reader.u16() !== 0) throw reader.error('reserved bytes are not zero');
  return { reader, number };
}

/** `insecure` as for {@link JointInvitation.fromBytes}. @throws {DecodeError} */
export function readPartyInvitation(bytes: Uint8Array, insecure?: CkksParams): PartyInvitation {
  const { reader, number: party } = opened("a party's invitation", PARTY, bytes);
  const key = reader.bytes(KEY_BYTES).slice();
  const invitation = JointInvitation.fromBytes(reader.bytes(reader.remaining), insecure);
  if (party >= invitation.program.parties) throw reader.error('of a party that is not invited');
  return { invitation, party, key };
}

/** `insecure` as for {@link JointInvitation.fromBytes}. @throws {DecodeError} */
export function readHostInvitation(bytes: Uint8Array, insecure?: CkksParams): HostInvitation {
  const { reader, number: parties } = opened("a host's invitation", HOST, bytes);
  const keys = Array.from({ length: parties }, () => reader.bytes(KEY_BYTES).slice());
  const invitation = JointInvitation.fromBytes(reader.bytes(reader.remaining), insecure);
  if (parties !== invitation.program.parties) throw reader.error('with another number of keys');
  return { invitation, keys };
}

/** The host's file and one for each party, in order. Keys are drawn here. */
export function inviteParties(invitation: JointInvitation): { host: Uint8Array; parties: Uint8Array[] } {
  const keys = Array.from({ length: invitation.program.parties }, () => Uint8Array.from(systemRandom.seed()));
  const body = invitation.toBytes();
  return {
    host: written(HOST, keys.length, keys, body),
    parties: keys.map((key, party) => written(PARTY, party, [key], body)),
  };
}

/** Writes the files into a new folder; returns their paths. @throws {DataError} when the folder exists. {@link FileWriteError} */
export async function writeInvitations(
  folder: string,
  files: { readonly host: Uint8Array; readonly parties: readonly Uint8Array[] },
): Promise<{ host: string; parties: string[] }> {
  writingFileSync(folder, () => {
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST')
        throw new DataError(`${folder} is there already: invitations go into a new folder`);
      throw error;
    }
  });
  const host = join(folder, 'host.invitation');
  await replaceFile(host, files.host);
  const parties: string[] = [];
  for (const [party, bytes] of files.parties.entries()) {
    const path = join(folder, `party-${party + 1}.invitation`);
    await replaceFile(path, bytes);
    parties.push(path);
  }
  return { host, parties };
}
