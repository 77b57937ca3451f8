/** What gateways, workers and the broker's tables say to each other. */
import { parseCatalogue } from '../../src/apps/fleet/catalogue.ts';
import type { JobId, KeysId, TenantTag } from '../../src/apps/fleet/fleet-names.ts';
import { readDone, readJob, readJobVersion, writeDone, writeJob } from '../../src/apps/fleet/job-message.ts';
import { parseS3Listing } from '../../src/apps/fleet/blobs/s3-listing.ts';
import { readWorkerBeat, writeWorkerBeat } from '../../src/apps/fleet/worker/worker-beat.ts';
import type { KeyId } from '../../src/protocols/inference/names.ts';
import type { FuzzTarget } from './harness.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (digits: number, of: string) => of.repeat(digits).slice(0, digits);

export const JOB = {
  ...{ v: 1, id: hex(64, 'ab') as JobId, tenant: hex(32, 'cd') as TenantTag },
  ...{ keyId: hex(32, 'ef') as KeyId, keysId: hex(32, '01') as KeysId, programId: hex(64, '23') },
  ...{ model: 'digits', bytes: 40, isInline: true, sentAt: 1_700_000_000_000 },
};
const DONE = {
  ...{ v: 1 as const, failure: null, worker: hex(16, '45'), peakBytes: 1e6, workMs: 12.5, isInline: true },
  steps: [{ name: 'layer 1 linear', ms: 3.25 }],
};
const BEAT = {
  ...{ v: 1 as const, worker: hex(16, '45'), state: 'idle' as const, release: '0.1.0', kernel: 'native' },
  ...{
    threads: 2,
    jobVersions: [1],
    programs: [JOB.programId],
    keys: 3,
    keyBytes: 1e8,
    jobs: 7,
    failures: 0,
  },
  ...{ keyLoads: 3, keyHits: 4, divergent: 0, times: [{ programId: JOB.programId, ms: 40 }] },
};
const ENTRY = { v: 1, current: JOB.programId, accepted: [{ id: JOB.id, until: 1.7e12 }], since: 1.6e12 };

const LISTING = `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>${Array.from(
  { length: 3 },
  (_, i) =>
    `<Contents><Key>fleet/keys/${i}</Key><LastModified>2026-01-01T00:00:0${i}.000Z</LastModified><Size>${i}</Size></Contents>`,
).join('')}</ListBucketResult>`;

export function fleetTargets(): FuzzTarget[] {
  const job = writeJob({ job: JOB, query: new Uint8Array(40).fill(9) });
  const withBlob = writeJob({ job: { ...JOB, isInline: false, bytes: 1e7 }, query: null });
  const catalogue = utf8(JSON.stringify([['digits', ENTRY]]));
  return [
    { name: 'job', corpus: [job, withBlob], parse: readJob },
    { name: 'version of a job', corpus: [job, withBlob], parse: readJobVersion },
    {
      name: 'end of a job',
      corpus: [
        writeDone({ done: DONE, reply: new Uint8Array(30).fill(5) }),
        writeDone({ done: { ...DONE, failure: 'decode', isInline: false }, reply: null }),
      ],
      parse: readDone,
    },
    { name: 'list of blobs', corpus: [utf8(LISTING)], parse: parseS3Listing },
    { name: 'beat of a worker', corpus: [writeWorkerBeat(BEAT)], parse: readWorkerBeat },
    {
      name: 'catalogue',
      corpus: [catalogue],
      parse: (bytes) => parseCatalogue(new TextDecoder().decode(bytes)),
    },
  ];
}
