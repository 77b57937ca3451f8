/**
 * Inner products under functional encryption: encryption, key derivation and decryption against vector length and range, and the
 * product of a 100 x 10 by a 10 x 100 matrix with entries in [1, 100]. `us` is per inner product (per vector for encryption, per
 * key for derivation); results are compared with the clear ones before anything is reported.
 */
import { systemRandom } from '../src/base/random.ts';
import { DdhInnerProduct } from '../src/fe/ddh/scheme.ts';
import type { InnerProductScheme } from '../src/fe/inner-product-scheme.ts';
import { LatticeInnerProduct } from '../src/fe/lattice/scheme.ts';
import type { Kernel } from '../src/kernel/kernel.ts';
import { openKernel } from '../src/kernel/open.ts';
import { type Bench, type BenchRow, reportFor, timeMedian } from './report.ts';

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

/** One block of `vectors` vectors under `keyCount` keys. */
function schemeRows(scheme: InnerProductScheme, vectors: number, keyCount: number, runs: number): BenchRow[] {
  const { length, inputBound: bound, weightBound } = scheme;
  const { publicKey, secretKey } = scheme.setup(systemRandom);
  const columns = entries(length * vectors, bound, 7919);
  const weights = entries(length * keyCount, weightBound, 104729);
  const ciphertext = scheme.encrypt(publicKey, columns, systemRandom);
  const keys = scheme.deriveKeys(secretKey, weights);
  if (!isProduct(scheme.decrypt(ciphertext, keys, weights), weights, columns, length)) {
    throw new Error(`${scheme.name}: a decrypted product is wrong`);
  }
  const encryption = timeMedian(runs, () =>
    scheme.encrypt(publicKey, columns, systemRandom)[Symbol.dispose](),
  );
  const derivation = timeMedian(runs, () => scheme.deriveKeys(secretKey, weights)[Symbol.dispose]());
  const decryption = timeMedian(runs, () => scheme.decrypt(ciphertext, keys, weights));
  const bytesPerVector = ciphertext.byteLength / vectors;
  for (const object of [publicKey, secretKey, ciphertext, keys]) object[Symbol.dispose]();
  const row = (op: string, ms: number, spread: number, units: number) => ({
    op,
    scheme: scheme.name,
    length,
    bound,
    packing: scheme.packing,
    us: (1000 * ms) / units,
    spread,
    bytesPerVector,
  });
  return [
    row('encrypt', encryption.median, encryption.spread, vectors),
    row('derive key', derivation.median, derivation.spread, keyCount),
    row('decrypt, amortised', decryption.median, decryption.spread, vectors * keyCount),
  ];
}

/** The left matrix encrypted row by row, one key per column of the right one. */
function matrixRow(scheme: InnerProductScheme, runs: number): BenchRow {
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
  const time = timeMedian(runs, () => {
    // Fresh keys every time: their transforms belong to the product.
    const keys = scheme.deriveKeys(secretKey, weights);
    ciphertexts.forEach((ciphertext, i) => {
      if (!isProduct(scheme.decrypt(ciphertext, keys, weights), weights, blocks[i]!, length)) {
        throw new Error(`${scheme.name}: the matrix product is wrong`);
      }
    });
    keys[Symbol.dispose]();
  });
  for (const object of [publicKey, secretKey, ...ciphertexts]) object[Symbol.dispose]();
  return {
    op: 'keys and product 100x10 by 10x100',
    scheme: scheme.name,
    length,
    bound: 100,
    packing: scheme.packing,
    us: 1000 * time.median,
    spread: time.spread,
    bytesPerVector: 0,
  };
}

function latticeRows(kernel: Kernel, runs: number): BenchRow[] {
  const specs = [
    { length: 25, inputBound: 16, weightBound: 16, packing: 4096 },
    { length: 25, inputBound: 256, weightBound: 256, packing: 4096 },
    { length: 100, inputBound: 256, weightBound: 256, packing: 4096 },
    { length: 784, inputBound: 256, weightBound: 256, packing: 64 },
  ];
  const rows = specs.flatMap((spec) => {
    using scheme = new LatticeInnerProduct(kernel, spec);
    return schemeRows(scheme, spec.packing, 128, runs);
  });
  using scheme = new LatticeInnerProduct(kernel, {
    length: 10,
    inputBound: 100,
    weightBound: 100,
    packing: 128,
  });
  return [...rows, matrixRow(scheme, runs)];
}

function ddhRows(runs: number, quick: boolean): BenchRow[] {
  const rows = [
    [5, 16],
    [25, 16],
    [25, 256],
    [100, 256],
  ].flatMap(([length, bound]) => {
    using scheme = new DdhInnerProduct({ length: length!, inputBound: bound!, weightBound: bound! });
    return schemeRows(scheme, 1, 100, runs);
  });
  if (quick) return rows;
  using scheme = new DdhInnerProduct({ length: 10, inputBound: 100, weightBound: 100 });
  return [...rows, matrixRow(scheme, 1)];
}

/** One kernel thread: the figures are per core. */
export const fe: Bench = async ({ quick }) => {
  using kernel = await openKernel({ threads: 1 });
  const runs = quick ? 1 : 3;
  return reportFor('fe', kernel, [...latticeRows(kernel, runs), ...ddhRows(runs, quick)]);
};
