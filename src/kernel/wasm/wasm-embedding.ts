/** The special FFT of the WebAssembly kernel: operands are copied into its memory and back. */
import type { CanonicalEmbedding } from '../tables/canonical-embedding.ts';
import type { WasmContext } from './wasm-switch.ts';

/** Lends memory that starts with copies of `inputs`, back to back, and has room for `more` doubles; wiped afterwards. */
function withDoubles<T>(
  { memory }: WasmContext,
  inputs: readonly Float64Array[],
  more: number,
  use: (at: readonly number[], rest: number) => T,
): T {
  const sizes = inputs.map(({ byteLength }) => byteLength);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return memory.borrowSecret(total + 8 * more, (start) => {
    let next = start;
    const at = inputs.map((values) => {
      const here = next;
      memory.write(here, values);
      next += values.byteLength;
      return here;
    });
    return use(at, next);
  });
}

export function embedWasm(
  context: WasmContext,
  { slots, cos, sin }: CanonicalEmbedding,
  re: Float64Array,
  im: Float64Array,
  out: Float64Array,
  first: number,
  factor: number,
  bound: number,
): boolean {
  const { exports, memory } = context;
  const gap = out.length / (2 * slots);
  return withDoubles(context, [cos, sin, re, im], 2 * slots, ([c, s, x, y], to) => {
    const fits = exports.embed(to, x!, y!, c!, s!, slots, factor, bound) !== 0;
    if (gap === 1) memory.read(out, to);
    else {
      const values = memory.f64(to, 2 * slots);
      for (let k = 0; k < 2 * slots; k++) out[first + k * gap] = values[k]!;
    }
    return fits;
  });
}

export function unembedWasm(
  context: WasmContext,
  { slots, cos, sin }: CanonicalEmbedding,
  re: Float64Array,
  im: Float64Array,
  coefficients: Float64Array,
  first: number,
  scale: number,
): void {
  const { exports, memory } = context;
  const gap = coefficients.length / (2 * slots);
  withDoubles(context, [cos, sin], 4 * slots, ([c, s], x) => {
    const [y, from] = [x + 8 * slots, x + 16 * slots];
    if (gap === 1) memory.write(from, coefficients);
    else {
      const values = memory.f64(from, 2 * slots);
      for (let k = 0; k < 2 * slots; k++) values[k] = coefficients[first + k * gap]!;
    }
    exports.unembed(x, y, from, c!, s!, slots, scale);
    memory.read(re, x);
    memory.read(im, y);
  });
}
