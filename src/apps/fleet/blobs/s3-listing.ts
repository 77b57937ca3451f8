/** What a store answers to ListObjectsV2: XML of a fixed shape, of which four elements matter. */
import { DecodeError } from '../../../base/errors.ts';
import type { BlobFacts } from './blob-store.ts';

/** A store gives at most 1,000 a page. */
const MOST_BLOBS = 10_000;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

export interface S3Page {
  readonly blobs: readonly BlobFacts[];
  /** Asks for the next page; null behind the last one. */
  readonly next: string | null;
}

/** @throws {DecodeError} */
export function parseS3Listing(bytes: Uint8Array): S3Page {
  const what = 'a list of blobs';
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DecodeError(what, 'it is no text');
  }
  if (!text.includes('<ListBucketResult')) throw new DecodeError(what, 'it is another document');
  const entries = text.split('<Contents>').slice(1);
  if (entries.length > MOST_BLOBS) throw new DecodeError(what, 'it is too long');
  const blobs = entries.map((entry) => {
    const end = entry.indexOf('</Contents>');
    if (end < 0) throw new DecodeError(what, 'an entry does not end');
    const own = entry.slice(0, end);
    const [name, size, time] = ['Key', 'Size', 'LastModified'].map((tag) => element(own, tag));
    const writtenAt = Date.parse(time ?? '');
    if (name === null || name === undefined || !/^\d{1,15}$/.test(size ?? '') || Number.isNaN(writtenAt))
      throw new DecodeError(what, 'an entry has no name, size or time');
    return { name, bytes: Number(size), writtenAt };
  });
  const isCut = element(text, 'IsTruncated') === 'true';
  const next = isCut ? element(text, 'NextContinuationToken') : null;
  if (isCut && next === null) throw new DecodeError(what, 'it is cut without saying how to go on');
  return { blobs, next };
}

function element(text: string, tag: string): string | null {
  const start = text.indexOf(`<${tag}>`);
  const end = start < 0 ? -1 : text.indexOf(`</${tag}>`, start);
  if (end < 0) return null;
  const content = text.slice(start + tag.length + 2, end);
  return content.length > 4096
    ? null
    : content.replace(/&(amp|lt|gt|quot|apos);/g, (_, name: string) => ENTITIES[name] as string);
}
