#include <cstring>

#include "gemm/sgemm.h"

namespace subrosa {

// A generic vector: whatever four-lane unit the baseline processor has.
typedef float Four __attribute__((vector_size(16)));

void sgemmTileScalar(size_t k, const float* a, const float* b, float* c, size_t stride, float alpha, float beta) {
  // Half a tile at a time: 12 sums fit the sixteen registers of a baseline processor.
  for (size_t half = 0; half < sgemmCols; half += 8) {
    Four sum[sgemmRows][2] = {};
    for (size_t p = 0; p < k; p++) {
      Four low, high;
      memcpy(&low, b + p * sgemmCols + half, sizeof low);
      memcpy(&high, b + p * sgemmCols + half + 4, sizeof high);
#pragma GCC unroll 6
      for (size_t i = 0; i < sgemmRows; i++) {
        sum[i][0] += a[p * sgemmRows + i] * low;
        sum[i][1] += a[p * sgemmRows + i] * high;
      }
    }
#pragma GCC unroll 6
    for (size_t i = 0; i < sgemmRows; i++)
#pragma GCC unroll 8
      for (size_t j = 0; j < 8; j++) {
        float& out = c[i * stride + half + j];
        const float product = alpha * sum[i][j / 4][j % 4];
        out = beta == 0 ? product : product + beta * out;
      }
  }
}

}  // namespace subrosa
