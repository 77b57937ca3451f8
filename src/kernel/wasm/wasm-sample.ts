/** Samplers, bit packing and the single-precision product of the WebAssembly kernel: what copies between two heaps. */
import type { WasmContext } from './wasm-switch.ts';

const BLOCK_BYTES = 64;
/** Stream blocks made at once: a multiple of 3, as a binomial value takes 6 bytes, and of the 4 that are made side by side. */
const BATCH_BLOCKS = 192;
export const BATCH_BYTES = BATCH_BLOCKS * BLOCK_BYTES;
/** The loops read a little beyond the last stream byte. */
const SLACK_BYTES = 16;
/** The words of four blocks while they are made. */
const ROUND_BYTES = 256;

/** Runs `take` on successive batches of the ChaCha20 stream until it says that it has enough. */
export function readKeyStream(
  { exports, memory }: WasmContext,
  key: Uint8Array,
  nonce: number,
  take: (stream: number) => boolean,
): void {
  memory.borrowSecret(BATCH_BYTES + SLACK_BYTES + ROUND_BYTES + key.length, (stream) => {
    const space = stream + BATCH_BYTES + SLACK_BYTES;
    const keyAt = space + ROUND_BYTES;
    memory.bytes(keyAt, key.length).set(key);
    const [low, high] = [nonce % 2 ** 32, Math.floor(nonce / 2 ** 32)];
    for (let counter = 0, isMore = true; isMore; counter += BATCH_BLOCKS) {
      exports.keyStream(stream, space, keyAt, counter, BATCH_BLOCKS, low, high);
      isMore = take(stream);
    }
  });
}

export function sampleBinomialWasm(
  context: WasmContext,
  out: Int8Array,
  key: Uint8Array,
  nonce: number,
): void {
  const { exports, memory } = context;
  const perBatch = BATCH_BYTES / 6;
  memory.borrowSecret(perBatch, (values) => {
    let done = 0;
    readKeyStream(context, key, nonce, (stream) => {
      const count = Math.min(perBatch, out.length - done);
      exports.centredBinomial(values, stream, count);
      new Uint8Array(out.buffer, out.byteOffset + done, count).set(memory.bytes(values, count));
      done += count;
      return done < out.length;
    });
  });
}

export function sampleTernaryWasm(
  context: WasmContext,
  out: Int8Array,
  key: Uint8Array,
  nonce: number,
): void {
  const { exports, memory } = context;
  memory.borrowSecret(out.length, (values) => {
    let done = 0;
    readKeyStream(context, key, nonce, (stream) => {
      done = exports.ternary(values, stream, BATCH_BYTES, done, out.length);
      return done < out.length;
    });
    new Uint8Array(out.buffer, out.byteOffset, out.length).set(memory.bytes(values, out.length));
  });
}

export function sampleUniformSignedWasm(
  context: WasmContext,
  out: Float64Array,
  bits: number,
  key: Uint8Array,
  nonce: number,
): void {
  const { exports, memory } = context;
  const perBatch = BATCH_BYTES / 8;
  memory.borrowSecret(BATCH_BYTES, (values) => {
    let done = 0;
    readKeyStream(context, key, nonce, (stream) => {
      const count = Math.min(perBatch, out.length - done);
      exports.uniformSigned(values, stream, count, bits);
      new Uint8Array(out.buffer, out.byteOffset + 8 * done, 8 * count).set(memory.bytes(values, 8 * count));
      done += count;
      return done < out.length;
    });
  });
}

/** A seed's polynomial and limb; 48 bytes in memory, of which the message takes 44. */
const INPUT_BYTES = 48;
/** Two states and what was squeezed from them. */
const SQUEEZE_BYTES = 1024;

/** A batch of polynomials over primes, n residues each at `out`: two limbs at a time. */
export function expandUniform(
  { exports, memory }: WasmContext,
  out: number,
  n: number,
  seed: Uint8Array,
  primes: readonly number[],
  polynomials: number,
  firstPolynomial: number,
): void {
  const limbs = primes.length * polynomials;
  memory.borrow(2 * INPUT_BYTES + SQUEEZE_BYTES, (input) => {
    const space = input + 2 * INPUT_BYTES;
    const fill = (limb: number, at: number): { q: bigint; bits: number } => {
      const q = primes[limb % primes.length];
      const bytes = memory.bytes(at, INPUT_BYTES);
      bytes.set(seed);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      view.setUint32(32, firstPolynomial + Math.floor(limb / primes.length), true);
      view.setBigUint64(36, BigInt(q), true);
      return { q: BigInt(q), bits: q.toString(2).length };
    };
    for (let limb = 0; limb < limbs; limb += 2) {
      const to = out + 8 * n * limb;
      const first = fill(limb, input);
      if (limb + 1 === limbs) {
        exports.uniformResidues(to, n, space, input, first.q, first.bits);
      } else {
        const second = fill(limb + 1, input + INPUT_BYTES);
        const next = to + 8 * n;
        exports.uniformResiduesTwo(to, next, n, space, input, first.q, second.q, first.bits, second.bits);
      }
    }
  });
}

export function packWordsWasm(
  { exports, memory }: WasmContext,
  out: Uint8Array,
  words: number,
  count: number,
  bits: number,
): void {
  memory.borrow(out.length + SLACK_BYTES, (packed) => {
    exports.packBits(packed, words, count, BigInt(bits));
    out.set(memory.bytes(packed, out.length));
  });
}

export function unpackWordsWasm(
  { exports, memory }: WasmContext,
  out: number,
  bytes: Uint8Array,
  count: number,
  bits: number,
): void {
  memory.borrow(bytes.length + SLACK_BYTES, (packed) => {
    memory.bytes(packed, bytes.length).set(bytes);
    exports.unpackBits(out, packed, count, BigInt(bits));
  });
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** C = alpha op(A) op(B) + beta C on arrays of the JavaScript heap. */
export function multiplySingle(
  { exports, memory }: WasmContext,
  transpose: readonly [boolean, boolean],
  [m, n, k]: readonly [number, number, number],
  [alpha, beta]: readonly [number, number],
  [a, b, c]: readonly [Float32Array, Float32Array, Float32Array],
): void {
  const stripBytes = 4 * k * (8 + 4 * Math.ceil(m / 4)) + 32;
  memory.borrow(a.byteLength + b.byteLength + c.byteLength + stripBytes + 64, (aAt) => {
    const bAt = aAt + a.byteLength;
    const cAt = bAt + b.byteLength;
    const strip = Math.ceil((cAt + c.byteLength) / 16) * 16;
    memory.bytes(aAt, a.byteLength).set(bytesOf(a));
    memory.bytes(bAt, b.byteLength).set(bytesOf(b));
    memory.bytes(cAt, c.byteLength).set(bytesOf(c));
    exports.sgemm(transpose[0], transpose[1], m, n, k, alpha, aAt, bAt, beta, cAt, strip);
    bytesOf(c).set(memory.bytes(cAt, c.byteLength));
  });
}
