import type { Kernel } from '../../kernel/kernel.ts';

/**
 * The one heavy operation of the trainer, {@link Kernel.sgemm}; {@link plainMatrixMultiply} is the slow equivalent in plain
 * TypeScript, for tests and for machines without a kernel.
 */
export type MatrixMultiply = Pick<Kernel, 'sgemm'>;

function transposed(a: Float32Array, rows: number, cols: number): Float32Array {
  const out = new Float32Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out[j * rows + i] = a[i * cols + j];
  return out;
}

/** Sums in double precision, row by row; a few hundred million multiply-adds a second. */
export const plainMatrixMultiply: MatrixMultiply = {
  sgemm(transposeA, transposeB, m, n, k, alpha, a, b, beta, c) {
    const left = transposeA ? transposed(a, k, m) : a;
    const right = transposeB ? transposed(b, n, k) : b;
    const row = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      row.fill(0);
      for (let l = 0; l < k; l++) {
        const scale = left[i * k + l];
        const start = l * n;
        for (let j = 0; j < n; j++) row[j] += scale * right[start + j];
      }
      const start = i * n;
      // beta = 0 must not read C, which may hold NaN.
      if (beta === 0) for (let j = 0; j < n; j++) c[start + j] = alpha * row[j];
      else for (let j = 0; j < n; j++) c[start + j] = alpha * row[j] + beta * c[start + j];
    }
  },
};
