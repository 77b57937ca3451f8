/** The wide Gaussian sampler of the WebAssembly kernel. */
import { BATCH_BYTES, readKeyStream } from './wasm-sample.ts';
import type { WasmContext } from './wasm-switch.ts';

const CANDIDATE_BYTES = 48;

export function sampleWideGaussianWasm(
  context: WasmContext,
  out: Float64Array,
  multiplier: number,
  key: Uint8Array,
  nonce: number,
): void {
  const { exports, memory } = context;
  const k = BigInt(multiplier);
  const bits = BigInt(k.toString(2).length);
  const quotient = (1n << (63n + bits)) / k;
  const reciprocal = quotient < 1n << 64n ? quotient : (1n << 64n) - 1n;
  const perBatch = BATCH_BYTES / CANDIDATE_BYTES;
  memory.borrowSecret(8 * perBatch, (values) => {
    let done = 0;
    readKeyStream(context, key, nonce, (stream) => {
      const wanted = Math.min(perBatch, out.length - done);
      const got = exports.wideGaussian(values, stream, perBatch, 0, wanted, k, reciprocal, 64n - bits);
      new Uint8Array(out.buffer, out.byteOffset + 8 * done, 8 * got).set(memory.bytes(values, 8 * got));
      done += got;
      return done < out.length;
    });
  });
}
