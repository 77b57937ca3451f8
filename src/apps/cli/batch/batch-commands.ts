/** `subrosa batch encrypt|submit|status|collect`: many rows, overnight, by a fleet that cannot read them. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { DataError, ProtocolError, UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import { isPlausible } from '../../../protocols/inference/plausibility.ts';
import { readQuery } from '../../../protocols/inference/messages.ts';
import { chosenScores } from '../../transport/chosen-offer.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { HttpTransport } from '../../transport/http.ts';
import { decisions } from '../models/model-accuracy.ts';
import { inputOfOffer, readSamples } from '../models/sample-files.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import type { EncryptingClient } from '../../speech-client/utterance.ts';
import type { EngineParts } from '../parts.ts';
import { serverOffers } from '../speech/open-session.ts';
import { ProgressBar, retryNote } from '../terminal/progress-bar.ts';
import { formatBytes, plural } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { trustedCertificates } from '../tls-files.ts';
import { BatchFolder } from './batch-folder.ts';

export interface BatchServerFlags {
  readonly server: string;
  readonly timeout: number;
  readonly ca?: string;
  readonly insecureConnect?: boolean;
}

export interface EncryptFlags extends BatchServerFlags {
  readonly model?: string;
  readonly out: string;
  readonly block?: number;
}

function httpOf(flags: BatchServerFlags, bar: ProgressBar) {
  return {
    timeoutMs: flags.timeout * 1000,
    insecure: flags.insecureConnect === true,
    ...trustedCertificates(flags),
    onRetry: retryNote(bar),
  };
}

/** Encrypts what is not encrypted yet; the server is asked for its offer alone. */
export async function encryptBatch(
  paths: readonly string[],
  flags: EncryptFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  using bar = new ProgressBar(terminal);
  using kernel = await parts.openKernel((reason) => bar.note(reason));
  const known = BatchFolder.find(flags.out);
  const offer =
    known?.manifest.offer ??
    chosenScores(await serverOffers(parts, { server: flags.server, http: httpOf(flags, bar) }), flags.model);
  const rows = readSamples(paths, inputOfOffer(offer));
  if (rows.count === 0) throw new DataError('the files hold no samples');
  const inputHash = createHash('sha256').update(rows.data).digest('hex');
  if (known !== null && known.manifest.inputHash !== inputHash)
    throw new UsageError(`${flags.out} holds a batch of other rows: choose another folder`);
  using client =
    known === null ? await parts.createClient(offer, kernel) : await restore(known, parts, kernel);
  const samplesPerBlock = Math.min(flags.block ?? client.maxSamples, client.maxSamples);
  const folder = known ?? (await makeFolder());
  const done = folder.with('query');
  for (let block = 0; block < folder.blocks; block++) {
    bar.progress(`encrypting block ${block + 1} of ${folder.blocks}`, block / folder.blocks);
    if (done.has(block)) continue;
    const { first, count } = folder.rowsOf(block);
    const inputs = rows.data.subarray(first * offer.inputs, (first + count) * offer.inputs);
    await folder.write(block, 'query', client.query(inputs, count).bytes);
  }
  bar[Symbol.dispose]();
  terminal.out(
    `${plural(rows.count, 'row')} of ${offer.model} in ${plural(folder.blocks, 'block')}: ${flags.out}\n`,
  );

  async function makeFolder(): Promise<BatchFolder> {
    const token = systemRandom.seed();
    const secret = client.exportSecret();
    const enrolment = client.enrolment();
    const manifest = { offer, samples: rows.count, samplesPerBlock, inputHash };
    const made = await BatchFolder.make(flags.out, manifest, { secret, token, enrolment });
    secret.fill(0);
    return made;
  }
}

/** The client with the keys of a folder. */
async function restore(folder: BatchFolder, parts: EngineParts, kernel: Kernel): Promise<EncryptingClient> {
  const secret = folder.secret();
  try {
    return await parts.restoreClient(folder.manifest.offer, secret, kernel);
  } finally {
    secret.fill(0);
  }
}

/** Gives the server keys and blocks that it does not have; may be interrupted and begun again anywhere. */
export async function submitBatch(path: string, flags: BatchServerFlags, terminal: Terminal): Promise<void> {
  using bar = new ProgressBar(terminal);
  const folder = BatchFolder.open(path);
  const { model } = folder.manifest.offer;
  const transport = new HttpTransport(flags.server, { ...httpOf(flags, bar), token: folder.token() });
  const encrypted = folder.with('query');
  if (encrypted.size < folder.blocks)
    throw new UsageError(
      `${encrypted.size} of ${folder.blocks} blocks are encrypted: run \`subrosa batch encrypt\` again first`,
    );
  const { keyId } = await transport.enrol(model, folder.enrolment(), {
    onProgress: (done, total) => bar.progress('uploading keys', done / total),
  });
  const sent = folder.with('job');
  let bytes = 0;
  for (let block = 0; block < folder.blocks; block++) {
    bar.progress(`submitting block ${block + 1} of ${folder.blocks}`, block / folder.blocks);
    if (sent.has(block)) continue;
    const query = folder.read(block, 'query');
    const job = await transport.queueBlock(model, keyId, query);
    if (job === null) throw new ProtocolError('the server has dropped the keys that it was just given');
    await folder.write(block, 'job', new TextEncoder().encode(`${job} ${keyId}\n`));
    bytes += query.length;
  }
  bar[Symbol.dispose]();
  const fresh = folder.blocks - sent.size;
  terminal.out(`${plural(fresh, 'block')} submitted, ${formatBytes(bytes)}; ${sent.size} were there\n`);
}

interface BatchCounts {
  readonly blocks: number;
  readonly encrypted: number;
  readonly submitted: number;
  readonly answered: number;
  readonly failed: number;
  readonly collected: number;
}

/** What there is of a batch, here and at the server. */
export async function batchStatus(
  path: string,
  flags: BatchServerFlags & { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  using bar = new ProgressBar(terminal);
  const folder = BatchFolder.open(path);
  const transport = new HttpTransport(flags.server, { ...httpOf(flags, bar), token: folder.token() });
  const submitted = folder.with('job');
  const collected = folder.with('reply');
  let [answered, failed] = [collected.size, 0];
  for (const block of submitted) {
    if (collected.has(block)) continue;
    const { job, keyId } = folder.jobOf(block);
    const state = await transport.blockState(folder.manifest.offer.model, keyId, job);
    if (state === 'done') answered++;
    if (state === 'failed') failed++;
  }
  const counts: BatchCounts = {
    ...{ blocks: folder.blocks, encrypted: folder.with('query').size, submitted: submitted.size },
    ...{ answered, failed, collected: collected.size },
  };
  bar[Symbol.dispose]();
  terminal.out(
    flags.json === true
      ? `${JSON.stringify(counts)}\n`
      : `${plural(counts.blocks, 'block')}: ${counts.encrypted} encrypted, ${counts.submitted} submitted, ${counts.answered} answered, ${counts.failed} failed, ${counts.collected} collected\n`,
  );
}

/** Fetches what is answered; when that is everything, decrypts it and writes one line per row, in the order of the rows. */
export async function collectBatch(
  path: string,
  flags: BatchServerFlags & { readonly out: string; readonly wait?: boolean; readonly force?: boolean },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  using bar = new ProgressBar(terminal);
  if (existsSync(flags.out) && flags.force !== true)
    throw new UsageError(`there is a file ${flags.out} already: --force replaces it`);
  const folder = BatchFolder.open(path);
  const { offer } = folder.manifest;
  const transport = new HttpTransport(flags.server, { ...httpOf(flags, bar), token: folder.token() });
  for (;;) {
    const missing = await fetchReplies(folder, transport, bar);
    if (missing === 0) break;
    if (flags.wait !== true)
      throw new UsageError(
        `${missing} of ${folder.blocks} blocks are not answered yet: come back later, or wait with --wait`,
      );
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  // Everything is here before anything is opened.
  using kernel = await parts.openKernel((reason) => bar.note(reason));
  using client = await restore(folder, parts, kernel);
  const lines = [[...Array.from({ length: offer.outputs }, (_, i) => `score${i}`), 'decision'].join(',')];
  let implausible = 0;
  for (let block = 0; block < folder.blocks; block++) {
    bar.progress(`decrypting block ${block + 1} of ${folder.blocks}`, block / folder.blocks);
    const { count } = folder.rowsOf(block);
    const bytes = folder.read(block, 'query');
    const { bucket: index, nonce } = readQuery(bytes);
    const bucket = offer.buckets[index];
    if (bucket === undefined) throw new DataError(`block ${block} is damaged`);
    const query = { bytes, samples: count, bucket, clipped: 0, nonce };
    const scores = client.open(query, folder.read(block, 'reply'));
    if (!isPlausible(scores, offer)) implausible++;
    const decided = decisions(scores, offer.outputs);
    for (let row = 0; row < count; row++) {
      const own = scores.subarray(row * offer.outputs, (row + 1) * offer.outputs);
      lines.push([...Array.from(own, (score) => score.toPrecision(7)), decided[row]].join(','));
    }
  }
  await replaceFile(flags.out, new TextEncoder().encode(`${lines.join('\n')}\n`));
  bar[Symbol.dispose]();
  if (implausible > 0)
    terminal.err(
      `warning: the scores of ${plural(implausible, 'block')} are none that this model gives; the server may have answered something else\n`,
    );
  terminal.out(`${plural(folder.manifest.samples, 'row')}: ${flags.out}\n`);
}

/** Returns how many replies are not there yet. @throws {ProtocolError} when a block failed */
async function fetchReplies(
  folder: BatchFolder,
  transport: HttpTransport,
  bar: ProgressBar,
): Promise<number> {
  const { model } = folder.manifest.offer;
  const submitted = folder.with('job');
  const here = folder.with('reply');
  if (submitted.size < folder.blocks)
    throw new UsageError(
      `${submitted.size} of ${folder.blocks} blocks are submitted: run \`subrosa batch submit\` first`,
    );
  let missing = 0;
  for (let block = 0; block < folder.blocks; block++) {
    bar.progress(`collecting block ${block + 1} of ${folder.blocks}`, block / folder.blocks);
    if (here.has(block)) continue;
    const { job, keyId } = folder.jobOf(block);
    const reply = await transport.blockReply(model, keyId, job);
    if (reply !== null) await folder.write(block, 'reply', reply);
    else if ((await transport.blockState(model, keyId, job)) === 'failed')
      throw new ProtocolError(`the server could not evaluate block ${block}; its operator finds the reason`);
    else missing++;
  }
  return missing;
}
