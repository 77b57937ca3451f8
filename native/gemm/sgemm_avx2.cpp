#include "machine/avx2.h"

#include "gemm/sgemm.h"

namespace subrosa {

void sgemmTileAvx2(size_t k, const float* a, const float* b, float* c, size_t stride, float alpha, float beta) {
  // 12 sums, 2 vectors of B and a broadcast of A: all sixteen registers; 12 independent chains hide the FMA latency.
  __m256 sum[sgemmRows][2];
  for (size_t i = 0; i < sgemmRows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
#pragma GCC unroll 2
  for (size_t p = 0; p < k; p++) {
    const __m256 b0 = _mm256_load_ps(b);
    const __m256 b1 = _mm256_load_ps(b + 8);
#pragma GCC unroll 6
    for (size_t i = 0; i < sgemmRows; i++) {
      const __m256 ai = _mm256_broadcast_ss(a + i);
      sum[i][0] = _mm256_fmadd_ps(ai, b0, sum[i][0]);
      sum[i][1] = _mm256_fmadd_ps(ai, b1, sum[i][1]);
    }
    a += sgemmRows;
    b += sgemmCols;
  }
  const __m256 scale = _mm256_set1_ps(alpha);
  const __m256 keep = _mm256_set1_ps(beta);
#pragma GCC unroll 6
  for (size_t i = 0; i < sgemmRows; i++) {
    float* row = c + i * stride;
    __m256 low = _mm256_mul_ps(scale, sum[i][0]);
    __m256 high = _mm256_mul_ps(scale, sum[i][1]);
    if (beta != 0) {
      low = _mm256_fmadd_ps(keep, _mm256_loadu_ps(row), low);
      high = _mm256_fmadd_ps(keep, _mm256_loadu_ps(row + 8), high);
    }
    _mm256_storeu_ps(row, low);
    _mm256_storeu_ps(row + 8, high);
  }
}

}  // namespace subrosa
