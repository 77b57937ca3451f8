/** Reading an authority's log again: at a restart, and for whoever audits it. Changes nothing. */
import { ProtocolError } from '../../base/errors.ts';
import { type ReplayedLog, replayLog } from './audit-log.ts';
import { AuthoritySecrets } from './authority-secrets.ts';
import type { AuthorityStorage } from './authority-storage.ts';
import { assertNotBehind, parseAnchor } from './log-head.ts';

/**
 * Without `logKey` the chain alone is verified, not who wrote it.
 * @throws {DecodeError} naming the first bad entry. {@link RolledBackError} when the log ends before its anchor.
 */
export async function replayAnchored(
  storage: AuthorityStorage,
  bytes: Uint8Array,
  logKey: Uint8Array | undefined,
): Promise<ReplayedLog> {
  const replayed = replayLog(bytes, logKey);
  const anchor = await storage.readAnchor();
  if (anchor !== null) assertNotBehind(replayed.heads, parseAnchor(anchor));
  return replayed;
}

/**
 * Verifies chain and anchor and, unless `isChainOnly`, who wrote the log, which needs the secret state.
 * @throws {DecodeError} {@link RolledBackError} {@link ProtocolError} when there is no secret state.
 */
export async function verifyAuthorityLog(
  storage: AuthorityStorage,
  isChainOnly: boolean,
): Promise<ReplayedLog> {
  const bytes = await storage.readLog();
  if (isChainOnly) return replayAnchored(storage, bytes, undefined);
  using secrets = await AuthoritySecrets.load(storage);
  if (secrets === null) throw new ProtocolError('there is no secret state to verify the log with');
  return replayAnchored(storage, bytes, secrets.logKey());
}
