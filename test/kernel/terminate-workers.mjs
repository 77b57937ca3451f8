// Ends worker threads while the addon computes for them. Argument: path of the addon. An abort would take the process along.
import { createRequire } from 'node:module';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const ROWS = 1024;
const BATCH = 8;

if (isMainThread) {
  for (let round = 0; round < 3; round++) {
    const worker = new Worker(new URL(import.meta.url), { workerData: process.argv[2] });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  }
  process.stdout.write('survived');
} else {
  const addon = createRequire(import.meta.url)(workerData);
  const fields = Uint32Array.of(1, ROWS, 1, 1, ROWS, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1);
  const weights = addon.prepareIntegerLinear(0, fields, new Int8Array(ROWS * ROWS));
  for (let i = 0; i < 12; i++) void addon.integerLinearAsync(weights, new Int32Array(ROWS * BATCH), BATCH);
  parentPort.postMessage('started');
}
