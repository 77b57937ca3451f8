// Ends worker threads while the addon works for them, at random moments of each kind of work and several at once. Arguments: path
// of the addon, workers per kind. An abort would take the process along.
import { createRequire } from 'node:module';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

const AT_ONCE = 3;
const LONGEST_MS = 30;

const Q = 4398042316801;

/** What a worker does over and over. Each returns to JavaScript often enough to be ended in the middle of the addon's own calls. */
const KINDS = {
  allocations(addon) {
    const { buffer, handle } = addon.allocate(1 + Math.floor(Math.random() * 2 ** 15));
    addon.release(buffer, handle);
  },
  // Their finalizers run when the collector or the end of the environment gets there.
  forgottenAllocations(addon) {
    addon.allocate(2 ** 14);
    addon.openRing(0, 64, Float64Array.of(257), Float64Array.of(3 ** 2));
    addon.prepareGemm(0, Int32Array.of(1, 2, 3, 4), 2, 2);
  },
  errors(addon) {
    try {
      addon.allocate('many');
    } catch {}
  },
  loopsOfThePool(addon) {
    const rows = 64;
    const n = 2 ** 12;
    const weights = addon.prepareGemm(0, new Int32Array(rows * rows).fill(1), rows, rows);
    addon.gemm(new BigUint64Array(rows * n), weights, new BigUint64Array(rows * n), n, Float64Array.of(Q), 1);
    addon.releaseGemm(weights);
  },
  backgroundWork(addon) {
    const rows = 256;
    const fields = Uint32Array.of(1, rows, 1, 1, rows, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1);
    const weights = addon.prepareIntegerLinear(0, fields, new Int8Array(rows * rows));
    for (let i = 0; i < 4; i++) void addon.integerLinearAsync(weights, new Int32Array(rows * 8), 8);
    addon.releaseIntegerLinear(weights);
  },
  exits(addon) {
    KINDS.backgroundWork(addon);
    if (Math.random() < 0.1) process.exit(0);
  },
};

async function startAndEnd(kind, addon) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { kind, addon } });
  const failed = new Promise((_, reject) => worker.once('error', reject));
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  // Some are ended while they still load the addon.
  const isEarly = Math.random() < 0.2;
  if (!isEarly)
    await Promise.race([new Promise((resolve) => worker.once('message', resolve)), ended, failed]);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * LONGEST_MS));
  await Promise.race([worker.terminate(), failed]);
}

if (isMainThread) {
  const [addon, workers] = process.argv.slice(2);
  for (const kind of Object.keys(KINDS)) {
    for (let done = 0; done < Number(workers); done += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, () => startAndEnd(kind, addon)));
  }
  process.stdout.write('survived');
} else {
  const addon = createRequire(import.meta.url)(workerData.addon);
  const work = KINDS[workerData.kind];
  parentPort.postMessage('started');
  for (;;) {
    for (let i = 0; i < 20; i++) work(addon);
    // Background work is given the chance to finish.
    if (workerData.kind === 'backgroundWork' || workerData.kind === 'exits')
      await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
