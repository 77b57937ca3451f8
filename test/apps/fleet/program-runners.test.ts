import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FileBlobs } from '../../../src/apps/fleet/blobs/file-blobs.ts';
import type { FleetBroker } from '../../../src/apps/fleet/broker/broker.ts';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { blobs, jobIdOf, keysIdOf, tenantTag } from '../../../src/apps/fleet/fleet-names.ts';
import { ProgramRunners } from '../../../src/apps/fleet/worker/program-runners.ts';
import { offerOf } from '../../../src/compiler/program-facts.ts';
import { writeProgram } from '../../../src/compiler/program-file.ts';
import { keyId } from '../../../src/protocols/inference/names.ts';
import { sha256Digest } from '../../../src/base/sha256.ts';
import { BlankClient, EchoRunner, echoOf } from './echo-runner.ts';
import { PROGRAM, SECRET } from './small-fleet.ts';

it('a program that is offered no longer is closed after its last job, not in the middle of it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-runners-'));
  try {
    const store = await FileBlobs.open(folder);
    const offer = offerOf(PROGRAM);
    const { programId } = offer;
    const client = new BlankClient(offer);
    const [query, enrolment] = [client.query(), client.enrolment()];
    const [tenant, keysId] = [tenantTag(SECRET, client.tenant), keysIdOf(offer)];
    const id = keyId(Buffer.from(sha256Digest(enrolment)).toString('hex').slice(0, 32));
    await store.putOnce(blobs.program(programId), writeProgram({ program: PROGRAM }));
    await store.putOnce(blobs.keys(tenant, keysId, id), enrolment);
    let finish: () => void = () => undefined;
    let isClosed = false;
    const runner = new EchoRunner(async (bytes) => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      return echoOf(bytes);
    });
    runner[Symbol.asyncDispose] = async () => {
      isClosed = true;
    };
    const catalogue = new FleetCatalogue({} as FleetBroker, store);
    await using runners = new ProgramRunners(catalogue, store, async () => runner, 2 ** 30);
    const answer = runners.answer(
      {
        ...{ v: 1, id: jobIdOf(tenant, id, programId, query), tenant, keyId: id, keysId, programId },
        ...{ model: 'net', bytes: query.length, isInline: true, sentAt: 0 },
      },
      query,
    );
    await expect.poll(() => runner.evaluations).toBe(1);
    // A negative time: whenever it was used last is long ago.
    await runners.closeOthers(new Set(), -1);
    expect(isClosed).toBe(false);
    finish();
    expect((await answer).bytes).toEqual(echoOf(query));
    await runners.closeOthers(new Set(), -1);
    expect(isClosed).toBe(true);
    expect(runners.programIds).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
