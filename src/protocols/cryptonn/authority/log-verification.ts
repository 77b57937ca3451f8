/** Reading an authority's log again: at a restart, and for whoever audits it. Changes nothing. */
import * as arg from '../../../base/arguments.ts';
import { DecodeError, ProtocolError, RolledBackError } from '../../../base/errors.ts';
import { EMPTY_LOG, type LogHead } from '../agreement/log-head.ts';
import { type LogRecord, type ReplayedLog, replayLog } from './audit-log.ts';
import { AuthoritySecrets } from './authority-secrets.ts';
import type { AuthorityStorage } from './authority-storage.ts';
import { assertNotBehind, parseAnchor } from '../agreement/log-head.ts';

/**
 * The current part of the log. Without `logKey` the chain alone is verified, not who wrote it.
 * @throws {DecodeError} naming the first bad entry. {@link RolledBackError} when the log ends before its anchor.
 */
export async function replayAnchored(
  storage: AuthorityStorage,
  bytes: Uint8Array,
  logKey: Uint8Array | undefined,
): Promise<ReplayedLog> {
  const replayed = replayLog(bytes, logKey);
  const anchor = await storage.readAnchor();
  if (anchor !== null) await assertInLog(storage, replayed.heads, parseAnchor(anchor), logKey);
  return replayed;
}

/**
 * Looks for a head in the current part, or in the part that was put aside with it.
 * @throws {RolledBackError} when it is in none, or its part is gone.
 */
export async function assertInLog(
  storage: AuthorityStorage,
  heads: ReplayedLog['heads'],
  seen: LogHead,
  logKey: Uint8Array | undefined,
): Promise<void> {
  if (seen.entries >= heads[0].entries) return assertNotBehind(heads, seen);
  if (seen.entries === 0) return assertNotBehind([EMPTY_LOG], seen);
  const part = (await storage.archivedLogs()).find((lastEntry) => lastEntry >= seen.entries);
  if (part === undefined) throw new RolledBackError(seen.entries);
  assertNotBehind(replayLog(await storage.readArchivedLog(part), logKey).heads, seen);
}

export interface VerifiedLog {
  /** Of all parts that are there. Where some are missing at the beginning, the first records carry what they said. */
  readonly records: readonly LogRecord[];
  readonly head: LogHead;
  /** Entries before the first part that is there. */
  readonly missingEntries: number;
}

/**
 * Verifies the chain of all parts, its anchor and, unless `isChainOnly`, who wrote it, which needs the secret state.
 * @throws {DecodeError} {@link RolledBackError} {@link ProtocolError} when there is no secret state.
 */
export async function verifyAuthorityLog(
  storage: AuthorityStorage,
  isChainOnly: boolean,
): Promise<VerifiedLog> {
  arg.checkArguments('verifyAuthorityLog', [storage, isChainOnly], {
    storage: arg.like('an AuthorityStorage', 'readSecrets', 'writeSecrets'),
    isChainOnly: arg.flag,
  });
  using secrets = isChainOnly ? null : await AuthoritySecrets.load(storage);
  if (!isChainOnly && secrets === null)
    throw new ProtocolError('there is no secret state to verify the log with');
  const logKey = secrets?.logKey();
  const records: LogRecord[] = [];
  let missingEntries: number | undefined;
  let head: LogHead | undefined;
  const follow = (part: ReplayedLog) => {
    const [start] = part.heads;
    if (head !== undefined && (start.entries !== head.entries || start.hash !== head.hash))
      throw new DecodeError('the log', `the part after entry ${head.entries} does not follow it`);
    missingEntries ??= start.entries;
    head = part.heads.at(-1) as LogHead;
    records.push(...part.records);
  };
  for (const lastEntry of await storage.archivedLogs()) {
    const bytes = await storage.readArchivedLog(lastEntry);
    const part = replayLog(bytes, logKey);
    if (part.wholeBytes < bytes.length || part.heads.at(-1)?.entries !== lastEntry)
      throw new DecodeError('the log', `the part up to entry ${lastEntry} is not whole`);
    follow(part);
  }
  follow(await replayAnchored(storage, await storage.readLog(), logKey));
  return { records, head: head ?? EMPTY_LOG, missingEntries: missingEntries ?? 0 };
}
