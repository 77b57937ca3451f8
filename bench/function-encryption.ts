/**
 * Inner products under functional encryption: encryption, key derivation and decryption against vector length and range, and the
 * product of a 100 x 10 by a 10 x 100 matrix with entries in [1, 100]. `us` is per vector for encryption, per key for derivation,
 * per inner product for decryption; results are compared with the clear ones before anything is reported.
 */
import { systemRandom } from '../src/base/random.ts';
import { DdhInnerProduct } from '../src/fe/ddh/scheme.ts';
import type { InnerProductScheme, MasterSecretKey } from '../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../src/fe/lattice/scheme.ts';
import { decryptProduct, deriveMatrixKeys, encryptMatrix } from '../src/fe/secure-matrix.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import { parameterRows, parameterTable } from './cryptonn/lattice-parameters.ts';
import { lineChart } from './line-chart.ts';
import { type Bench, type BenchOptions, type BenchRow, reportFor, type Spread } from './report.ts';

/** After a first call, calls are repeated until this many milliseconds or {@link MAX_RUNS} are spent. */
const BUDGET = 400;
const MAX_RUNS = 9;

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
    // The first run makes what later ones use; it never counts.
    for (let spent = first; times.length === 0 || (spent < budget && times.length < MAX_RUNS); ) {
      times.push(once());
      spent += times.at(-1)!;
    }
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

/** Every 64th weight by one, towards zero. */
function slightlyChanged(weights: Int32Array): Int32Array {
  return weights.map((weight, i) => (i % 64 === 0 ? weight - 1 : weight));
}

/** Keys for the two in turn: schemes may remember the last ones. */
function inTurn(scheme: InnerProductScheme, secretKey: MasterSecretKey, weights: [Int32Array, Int32Array]) {
  let turn = 0;
  return () => scheme.deriveKeys(secretKey, weights[turn++ % 2]!)[Symbol.dispose]();
}

const CHANGED = 'derive key, 1.5 % of weights changed';
const OPERATIONS = ['encrypt', 'derive key', CHANGED, 'decrypt'];
/** From here on changes of weights are derived by themselves. */
const LONG = 256;

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
  const derivation = time(inTurn(scheme, secretKey, [weights, weights.map((weight) => -weight)]));
  const again =
    length < LONG ? undefined : time(inTurn(scheme, secretKey, [weights, slightlyChanged(weights)]));
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
    threads: 1,
  });
  return [
    row('encrypt', encryption, packing),
    row('derive key', derivation, keyCount),
    ...(again === undefined ? [] : [row(CHANGED, again, keyCount)]),
    row('decrypt', decryption, packing * keyCount),
  ];
}

/** Encryption row by row; then keys for the columns of the right matrix, derived anew every time, and the product. */
function matrixRows(scheme: InnerProductScheme, threads: number, time: Timer): BenchRow[] {
  const [rows, length, columns, bound] = [100, 10, 100, 100];
  const left = { rows, columns: length, values: entries(rows * length, bound, 7919) };
  const right = { rows: length, columns, values: entries(length * columns, bound, 104729) };
  const { publicKey, secretKey } = scheme.setup(systemRandom);
  const clear = Float64Array.from({ length: rows * columns }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < length; i++)
      sum +=
        left.values[Math.floor(at / columns) * length + i]! * right.values[i * columns + (at % columns)]!;
    return sum;
  });
  const encryption = time(() => encryptMatrix(scheme, publicKey, left, systemRandom)[Symbol.dispose]());
  const encrypted = encryptMatrix(scheme, publicKey, left, systemRandom);
  const product = time(() => {
    using keys = deriveMatrixKeys(scheme, secretKey, right);
    const results = decryptProduct(scheme, encrypted, keys, right);
    if (results.some((result, at) => result !== clear[at]))
      throw new Error(`${scheme.name}: the matrix product is wrong`);
  });
  const bytesPerVector = encrypted.byteLength / rows;
  for (const object of [publicKey, secretKey, encrypted]) object[Symbol.dispose]();
  const row = (op: string, { median, spread }: Spread) => ({
    op,
    scheme: scheme.name,
    length,
    bound,
    us: 1000 * median,
    spread,
    packing: scheme.packing,
    bytesPerVector,
    threads,
  });
  return [row('encrypt 100x10', encryption), row('keys and product 100x10 by 10x100', product)];
}

/** Lengths at one range, ranges at one length. */
const SIZES: readonly (readonly [length: number, bound: number])[] = [
  [5, 256],
  [25, 16],
  [25, 256],
  [25, 4096],
  [100, 256],
];
/** The encrypted image of a network's first layer. */
const IMAGE = { length: 784, inputBound: 256, weightBound: 256, packing: 64 };
const FULL_PACKING = 4096;
const LATTICE_KEYS = 128;
const DDH_KEYS = 100;
const MATRIX = { length: 10, inputBound: 100, weightBound: 100 };

/** Operations of both schemes at several lengths and bounds, on one thread; `note` hears what is being measured. */
export function functionEncryptionRows(
  kernel: Kernel,
  options: BenchOptions,
  note: (line: string) => void,
): BenchRow[] {
  const time = timerFor(options);
  const rows: BenchRow[] = [];
  const bounds = (bound: number) => ({ inputBound: bound, weightBound: bound });
  for (const [length, bound] of SIZES) {
    note(`lattice: length ${length}, up to ${bound}`);
    using scheme = new LatticeInnerProduct(kernel, { length, ...bounds(bound), packing: FULL_PACKING });
    rows.push(...schemeRows(scheme, LATTICE_KEYS, time));
  }
  note('lattice: length 784, blocks of 64');
  using images = new LatticeInnerProduct(kernel, IMAGE);
  rows.push(...schemeRows(images, LATTICE_KEYS, time));
  for (const [length, bound] of SIZES) {
    note(`ddh: length ${length}, up to ${bound}`);
    using scheme = new DdhInnerProduct({ length, ...bounds(bound) }, 'adaptive', kernel);
    rows.push(...schemeRows(scheme, DDH_KEYS, time));
  }
  return rows;
}

function allMatrixRows(kernel: Kernel, options: BenchOptions, note: (line: string) => void): BenchRow[] {
  const time = timerFor(options);
  note(`100x10 by 10x100 on ${kernel.threads} thread(s)`);
  using lattice = new LatticeInnerProduct(kernel, { ...MATRIX, packing: 128 });
  using ddh = new DdhInnerProduct(MATRIX, 'adaptive', kernel);
  return [...matrixRows(lattice, kernel.threads, time), ...matrixRows(ddh, kernel.threads, time)];
}

function numberOf(row: BenchRow, column: string): number {
  return Number(row[column]);
}

/** Each operation of each scheme against length at one bound, and against the bound at one length. */
function chart(rows: readonly BenchRow[]): string {
  const panel = (title: string, axis: 'length' | 'bound', fixed: Readonly<Record<string, number>>) => {
    const lines = new Map<string, [number, number][]>();
    for (const row of rows) {
      const isFull = row['scheme'] !== 'lattice' || row['packing'] === FULL_PACKING;
      const isHere = Object.entries(fixed).every(([column, value]) => row[column] === value);
      if (!isFull || !isHere) continue;
      const name = `${row['scheme']}: ${row['op']}`;
      lines.set(name, [...(lines.get(name) ?? []), [numberOf(row, axis), numberOf(row, 'us')]]);
    }
    return { title, axis, lines: [...lines].map(([name, points]) => ({ name, points })) };
  };
  return lineChart(
    [panel('entries up to 256', 'length', { bound: 256 }), panel('length 25', 'bound', { length: 25 })],
    'us',
  );
}

/** For the documentation: one line per scheme and size. */
function tables(single: readonly BenchRow[], matrices: readonly BenchRow[]): string {
  const digits = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));
  const sizes = new Map<string, BenchRow[]>();
  for (const row of single) {
    const size = `${row['scheme']} | ${row['length']} | ${row['bound']} | ${row['packing']}`;
    sizes.set(size, [...(sizes.get(size) ?? []), row]);
  }
  const lines = [...sizes].map(([size, rows]) => {
    const cells = OPERATIONS.map((op) => rows.find((row) => row['op'] === op)).map((row) =>
      row === undefined ? '' : digits(numberOf(row, 'us')),
    );
    return `| ${size} | ${cells.join(' | ')} | ${digits(numberOf(rows[0]!, 'bytesPerVector'))} |`;
  });
  const products = matrices.map(
    (row) =>
      `| ${row['op']} | ${row['scheme']} | ${row['threads']} | ${digits(numberOf(row, 'us') / 1000)} |`,
  );
  return [
    '| scheme | length | entries up to | vectors per ciphertext | encrypt, us per vector | derive, us per key | derive, 1.5 % changed | decrypt, us per product | bytes per vector |',
    '|---|---|---|---|---|---|---|---|---|',
    ...lines,
    '',
    '| entries up to 100 | scheme | threads | ms |',
    '|---|---|---|---|',
    ...products,
  ].join('\n');
}

/** One kernel thread for the operations: their figures are per core. Matrix products also on all threads. `--part parameters` measures nothing. */
export const fe: Bench = async (options, note) => {
  if (options.part === 'parameters') {
    using kernel = await openKernel({ threads: 1 });
    return { ...reportFor('fe', kernel, parameterRows()), markdown: parameterTable() };
  }
  using one = await openKernel({ threads: 1 });
  const rows = functionEncryptionRows(one, options, note);
  const matrices = allMatrixRows(one, options, note);
  using all = await openKernel();
  // The time of the processor would not get shorter with more threads.
  if (all.threads > 1) matrices.push(...allMatrixRows(all, { ...options, processorTime: false }, note));
  const report = reportFor('fe', one, [...rows, ...matrices]);
  return { ...report, markdown: tables(rows, matrices), svg: chart(rows) };
};
