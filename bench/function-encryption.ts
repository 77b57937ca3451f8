/**
 * Inner products under functional encryption: encryption, key derivation and decryption against vector length and range, and the
 * product of a 100 x 10 by a 10 x 100 matrix with entries in [1, 100]. `us` is per vector for encryption, per key for derivation,
 * per inner product for decryption; results are compared with the clear ones before anything is reported.
 */
import { systemRandom } from '../src/base/random.ts';
import { DdhInnerProduct } from '../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../src/fe/lattice/scheme.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import { type Bench, type BenchOptions, type BenchRow, reportFor, type Spread } from './report.ts';

/** After a first call, calls are repeated until this many milliseconds or {@link MOST_RUNS} are spent. */
const BUDGET = 400;
const MOST_RUNS = 9;

type Timer = (work: () => void) => Spread;

/** The median of the repetitions; of slow work, which fills the budget at once, the first call itself. */
function timerFor({ quick, processorTime }: BenchOptions): Timer {
  const now = () => {
    if (!processorTime) return performance.now();
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const budget = quick ? BUDGET / 4 : BUDGET;
  return (work) => {
    const once = () => {
      const started = now();
      work();
      return now() - started;
    };
    const first = once();
    const times: number[] = [];
    for (let spent = first; spent < budget && times.length < MOST_RUNS; spent += times.at(-1)!) {
      times.push(once());
    }
    if (times.length === 0) times.push(first);
    times.sort((a, b) => a - b);
    const median = times[times.length >> 1]!;
    return { median, spread: (times.at(-1)! - times[0]!) / median };
  };
}

/** Entries 1 .. bound, the same in every run. */
function entries(count: number, bound: number, factor: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => 1 + ((i * factor) % bound));
}

function isProduct(results: Float64Array, weights: Int32Array, columns: Int32Array, length: number): boolean {
  const count = columns.length / length;
  return results.every((result, at) => {
    const [key, j] = [Math.floor(at / count), at % count];
    let sum = 0;
    for (let i = 0; i < length; i++) sum += weights[key * length + i]! * columns[i * count + j]!;
    return sum === result;
  });
}

/** One full block of vectors under `keyCount` keys. */
function schemeRows(scheme: InnerProductScheme, keyCount: number, time: Timer): BenchRow[] {
  const { length, inputBound: bound, weightBound, packing } = scheme;
  const { publicKey, secretKey } = scheme.setup(systemRandom);
  const columns = entries(length * packing, bound, 7919);
  const weights = entries(length * keyCount, weightBound, 104729);
  const ciphertext = scheme.encrypt(publicKey, columns, systemRandom);
  const keys = scheme.deriveKeys(secretKey, weights);
  if (!isProduct(scheme.decrypt(ciphertext, keys, weights), weights, columns, length)) {
    throw new Error(`${scheme.name}: a decrypted product is wrong`);
  }
  const encryption = time(() => scheme.encrypt(publicKey, columns, systemRandom)[Symbol.dispose]());
  const derivation = time(() => scheme.deriveKeys(secretKey, weights)[Symbol.dispose]());
  const decryption = time(() => scheme.decrypt(ciphertext, keys, weights));
  const bytesPerVector = ciphertext.byteLength / packing;
  for (const object of [publicKey, secretKey, ciphertext, keys]) object[Symbol.dispose]();
  const row = (op: string, { median, spread }: Spread, units: number) => ({
    op,
    scheme: scheme.name,
    length,
    bound,
    us: (1000 * median) / units,
    spread,
    packing,
    bytesPerVector,
  });
  return [
    row('encrypt', encryption, packing),
    row('derive key', derivation, keyCount),
    row('decrypt', decryption, packing * keyCount),
  ];
}

/** The left matrix encrypted row by row, one key per column of the right one; keys are derived anew every time. */
function matrixRow(scheme: InnerProductScheme, time: Timer): BenchRow {
  const [rows, length, columns] = [100, 10, 100];
  const left = entries(rows * length, 100, 7919);
  const weights = entries(columns * length, 100, 104729);
  const { publicKey, secretKey } = scheme.setup(systemRandom);
  const blocks: Int32Array[] = [];
  for (let from = 0; from < rows; from += scheme.packing) {
    const count = Math.min(scheme.packing, rows - from);
    blocks.push(
      Int32Array.from(
        { length: length * count },
        (_, at) => left[(from + (at % count)) * length + Math.floor(at / count)]!,
      ),
    );
  }
  const ciphertexts = blocks.map((block) => scheme.encrypt(publicKey, block, systemRandom));
  const { median, spread } = time(() => {
    const keys = scheme.deriveKeys(secretKey, weights);
    ciphertexts.forEach((ciphertext, i) => {
      if (!isProduct(scheme.decrypt(ciphertext, keys, weights), weights, blocks[i]!, length)) {
        throw new Error(`${scheme.name}: the matrix product is wrong`);
      }
    });
    keys[Symbol.dispose]();
  });
  const bytesPerVector = ciphertexts[0]!.byteLength / scheme.packing;
  for (const object of [publicKey, secretKey, ...ciphertexts]) object[Symbol.dispose]();
  const op = 'keys and product 100x10 by 10x100';
  return {
    op,
    scheme: scheme.name,
    length,
    bound: 100,
    us: 1000 * median,
    spread,
    packing: scheme.packing,
    bytesPerVector,
  };
}

const LATTICE_SIZES = [
  { length: 5, inputBound: 256, weightBound: 256, packing: 4096 },
  { length: 25, inputBound: 16, weightBound: 16, packing: 4096 },
  { length: 25, inputBound: 256, weightBound: 256, packing: 4096 },
  { length: 100, inputBound: 256, weightBound: 256, packing: 4096 },
  { length: 784, inputBound: 256, weightBound: 256, packing: 64 },
];
const DDH_SIZES: readonly (readonly [number, number])[] = [
  [5, 16],
  [5, 256],
  [25, 16],
  [25, 256],
  [100, 16],
  [100, 256],
];
const LATTICE_KEYS = 128;
const DDH_KEYS = 100;

/** Operations of both schemes at several lengths and bounds; `note` hears what is being measured. */
export function functionEncryptionRows(
  kernel: Kernel,
  options: BenchOptions,
  note: (line: string) => void,
): BenchRow[] {
  const time = timerFor(options);
  const rows: BenchRow[] = [];
  for (const spec of LATTICE_SIZES) {
    note(`lattice: length ${spec.length}, up to ${spec.inputBound}`);
    using scheme = new LatticeInnerProduct(kernel, spec);
    rows.push(...schemeRows(scheme, LATTICE_KEYS, time));
  }
  for (const [length, bound] of DDH_SIZES) {
    note(`ddh: length ${length}, up to ${bound}`);
    const sizes = { length, inputBound: bound, weightBound: bound };
    using scheme = new DdhInnerProduct(sizes, 'adaptive', kernel);
    rows.push(...schemeRows(scheme, DDH_KEYS, time));
  }
  const spec = { length: 10, inputBound: 100, weightBound: 100 };
  note('lattice: 100x10 by 10x100');
  using lattice = new LatticeInnerProduct(kernel, { ...spec, packing: 128 });
  rows.push(matrixRow(lattice, time));
  note('ddh: 100x10 by 10x100');
  using ddh = new DdhInnerProduct(spec, 'adaptive', kernel);
  return [...rows, matrixRow(ddh, time)];
}

/** One kernel thread: the figures are per core. */
export const fe: Bench = async (options, note) => {
  using kernel = await openKernel({ threads: 1 });
  return reportFor('fe', kernel, functionEncryptionRows(kernel, options, note));
};
