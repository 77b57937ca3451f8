/**
 * The secret that all processes of a fleet share: 32 bytes from which pseudonyms of tenants, and the randomness of replies, are derived.
 * Whoever has it can link tenants in the broker to tokens, and strip the noise that hides how a reply came about.
 */
import { randomBytes } from 'node:crypto';
import { openSync, writeSync, closeSync, fsyncSync } from 'node:fs';
import { UsageError } from '../../base/errors.ts';
import { readPrivateText } from '../keystore/private-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';
import type { FleetBroker } from './broker/broker.ts';
import { FLEET_SECRET_BYTES, secretFingerprint } from './fleet-names.ts';

const HEX = /^[0-9a-f]{64}$/;

/** Writes a new one, mode 0600. @throws {FileWriteError} also when there is a file of this name */
export function writeFleetSecret(path: string): void {
  writingFileSync(path, () => {
    const file = openSync(path, 'wx', 0o600);
    try {
      writeSync(file, `${randomBytes(FLEET_SECRET_BYTES).toString('hex')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  });
}

/** From a file that only its owner may read, or from the environment. @throws {UsageError} KeyFileError */
export function fleetSecret(file: string | undefined, env: NodeJS.ProcessEnv): Uint8Array {
  const text = (file === undefined ? env.SUBROSA_FLEET_SECRET : readPrivateText(file))?.trim();
  if (text === undefined)
    throw new UsageError(
      'a fleet needs its secret: --fleet-secret FILE, or SUBROSA_FLEET_SECRET; `subrosa fleet secret FILE` makes one',
    );
  if (!HEX.test(text)) throw new UsageError('the secret of a fleet is 64 hex digits');
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** The first process of a fleet notes the fingerprint of its secret; others must have the same. @throws {UsageError} {@link BrokerError} */
export async function agreeOnSecret(broker: FleetBroker, secret: Uint8Array): Promise<void> {
  const own = secretFingerprint(secret);
  const noted = await broker.replaceEntry('fleet', 'secret', (before) => (before === null ? own : null));
  if (noted !== own)
    throw new UsageError(
      'the other processes of this fleet have another secret: give all of them the same file',
    );
}
