// Calls every function of the addon with random arguments, in a process of its own: a crash must not take the tests along.
// Arguments: path of the addon, calls per function, seed. Prints the counts as JSON.
import { createRequire } from 'node:module';

const [path, calls, seed] = process.argv.slice(2);
const addon = createRequire(import.meta.url)(path);

let state = Number(seed) >>> 0;
function next() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return (t ^ (t >>> 14)) >>> 0;
}
const pick = (list) => list[next() % list.length];
const lengths = [0, 1, 2, 7, 8, 16, 31, 32, 33, 64, 100, 256];
const arrays = [
  BigUint64Array,
  BigInt64Array,
  Float64Array,
  Float32Array,
  Int32Array,
  Uint32Array,
  Int8Array,
  Uint8Array,
  Uint16Array,
];

function handles() {
  const list = [];
  try {
    list.push(addon.allocate(1 + (next() % 64)).handle);
  } catch {}
  return list;
}
const kept = handles();

function argument() {
  switch (next() % 12) {
    case 0:
      return pick([undefined, null, true, false, 'text', {}, Symbol('x'), 5n, () => 0]);
    case 1:
      return pick([0, 1, 2, 3, 8, 16, 64, -1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 53, 1e300]);
    case 2:
      return pick(kept) ?? null;
    case 3:
      return Array.from({ length: next() % 4 }, () => pick([0, 1, -1, 2 ** 40, 'a', null]));
    case 4:
      return new ArrayBuffer(pick(lengths));
    case 5:
      return next() % 4;
    default: {
      const Kind = pick([...arrays, BigUint64Array, Uint8Array]);
      const array = new Kind(pick(lengths));
      for (let i = 0; i < array.byteLength; i++) new Uint8Array(array.buffer)[i] = next();
      return array;
    }
  }
}

const counts = { typed: 0, other: 0, returned: 0 };
const others = [];
for (const [name, call] of Object.entries(addon)) {
  // A thousand threads, gigabytes and a self-test that takes milliseconds are legal; they are not what this is about.
  if (name === 'setThreads' || name === 'testRing') continue;
  for (let i = 0; i < Number(calls); i++) {
    const list = Array.from({ length: next() % 9 }, argument);
    if (name === 'allocate' && typeof list[0] === 'number' && list[0] > 4096) continue;
    try {
      call(...list);
      counts.returned++;
    } catch (error) {
      if (['shape', 'range', 'kernel'].includes(error?.code)) counts.typed++;
      else {
        counts.other++;
        if (others.length < 5) others.push(`${name}: ${error}`);
      }
    }
  }
}
process.stdout.write(JSON.stringify({ ...counts, others, functions: Object.keys(addon).length }));
