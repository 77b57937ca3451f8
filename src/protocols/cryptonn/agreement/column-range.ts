/** Columns `[start, start + width)` of a matrix with `rows` rows: the matrix itself when these are all. */
export function columnRange(matrix: Int32Array, rows: number, start: number, width: number): Int32Array {
  const columns = matrix.length / rows;
  if (width === columns) return matrix;
  const out = new Int32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const from = row * columns + start;
    out.set(matrix.subarray(from, from + width), row * width);
  }
  return out;
}
