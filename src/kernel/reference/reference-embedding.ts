/** The special FFT of {@link Kernel.embed}, stage by stage. The order of the operations fixes the bits for every kernel. */
import { type CanonicalEmbedding, roundTiesToEven } from '../tables/canonical-embedding.ts';
import { bitReverse } from './reference-ring.ts';

/** Calls butterfly(place, place + half, index of the root) for each butterfly of the stage with this distance. */
function eachButterfly(slots: number, half: number, butterfly: (a: number, b: number, root: number) => void) {
  for (let start = 0; start < slots; start += 2 * half) {
    for (let j = 0; j < half; j++) butterfly(start + j, start + j + half, half + j);
  }
}

export function embedByDefinition(
  { slots, cos, sin }: CanonicalEmbedding,
  re: Float64Array,
  im: Float64Array,
  out: Float64Array,
  first: number,
  factor: number,
  bound: number,
): boolean {
  for (let half = slots / 2; half >= 1; half /= 2) {
    eachButterfly(slots, half, (a, b, root) => {
      const [dr, di] = [re[a]! - re[b]!, im[a]! - im[b]!];
      re[a] = re[a]! + re[b]!;
      im[a] = im[a]! + im[b]!;
      re[b] = dr * cos[root]! + di * sin[root]!;
      im[b] = di * cos[root]! - dr * sin[root]!;
    });
  }
  const gap = out.length / (2 * slots);
  let fits = true;
  for (let i = 0; i < slots; i++) {
    const k = bitReverse(i, Math.log2(slots));
    for (const [at, value] of [
      [k, re[i]!],
      [k + slots, im[i]!],
    ] as const) {
      const rounded = roundTiesToEven(value * factor);
      out[first + at * gap] = rounded;
      fits = fits && Math.abs(rounded) < bound;
    }
  }
  return fits;
}

export function unembedByDefinition(
  { slots, cos, sin }: CanonicalEmbedding,
  re: Float64Array,
  im: Float64Array,
  coefficients: Float64Array,
  first: number,
  scale: number,
): void {
  const gap = coefficients.length / (2 * slots);
  for (let i = 0; i < slots; i++) {
    const k = bitReverse(i, Math.log2(slots));
    re[i] = coefficients[first + k * gap]! / scale;
    im[i] = coefficients[first + (k + slots) * gap]! / scale;
  }
  for (let half = 1; half < slots; half *= 2) {
    eachButterfly(slots, half, (a, b, root) => {
      const tr = re[b]! * cos[root]! - im[b]! * sin[root]!;
      const ti = re[b]! * sin[root]! + im[b]! * cos[root]!;
      re[b] = re[a]! - tr;
      im[b] = im[a]! - ti;
      re[a] = re[a]! + tr;
      im[a] = im[a]! + ti;
    });
  }
}
