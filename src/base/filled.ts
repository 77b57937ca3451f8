/**
 * `out` with out[i] = of(i). A loop: `TypedArray.from` with a function makes a list of all numbers first, which takes minutes and gigabytes
 * for a data set.
 */
export function filled<T extends Float32Array | Float64Array | Int32Array>(
  out: T,
  of: (index: number) => number,
): T {
  for (let i = 0; i < out.length; i++) out[i] = of(i);
  return out;
}
