/** A worker as a process of its own, whose store fails now and then: `chaos-worker.ts BROKER FOLDER`. Says when it works. */
import { FleetBroker } from '../../../src/apps/fleet/broker/broker.ts';
import { FileBlobs } from '../../../src/apps/fleet/blobs/file-blobs.ts';
import { FleetCatalogue } from '../../../src/apps/fleet/catalogue.ts';
import { startWorker } from '../../../src/apps/fleet/worker/worker-server.ts';
import { failingStore } from './chaos.ts';
import { SECRET, startServer } from './small-fleet.ts';

const [url = '', folder = ''] = process.argv.slice(2);
const broker = await FleetBroker.open({ url, name: 'worker', rules: { ackWaitMs: 2000 } });
const store = failingStore(await FileBlobs.open(folder), 0.05, process.pid);
const catalogue = new FleetCatalogue(broker, store);
// Kills are many and no fault of a job: how often it is tried is another test's subject.
const fleet = { broker, store, catalogue, secret: SECRET, async [Symbol.asyncDispose]() {} };
const server = await startWorker(fleet, {
  ...{ start: startServer, keyBytes: 2 ** 30, maxTries: 100 },
  facts: { release: '0', kernel: 'test', threads: 1 },
});
await server.worker.keepUp();
process.stdout.write('ready\n');
