// Single-precision matrix product for the clear trainer.
#pragma once

#include <cstddef>

#include "machine/cpu.h"

namespace subrosa {

struct SgemmShape {
  bool transposeA, transposeB;
  size_t m, n, k;
  float alpha, beta;
};

// C = alpha * op(A) op(B) + beta * C, row-major; op(A) is m x k. C must not overlap A or B. With beta = 0, C is not read.
// Blocking and packing as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).
// Returns false when memory is exhausted.
bool sgemm(Isa isa, const SgemmShape& shape, const float* a, const float* b, float* c);

// A register tile: tile = (packed A) (packed B) over k terms. `a` has sgemmRows values per term, `b` sgemmCols.
// The tile is written to c (row stride `stride`) as c = alpha * product + beta * c; beta = 0 does not read c.
constexpr size_t sgemmRows = 6;
constexpr size_t sgemmCols = 16;
using SgemmTile = void (*)(size_t k, const float* a, const float* b, float* c, size_t stride, float alpha, float beta);

void sgemmTileScalar(size_t k, const float* a, const float* b, float* c, size_t stride, float alpha, float beta);
#ifdef SUBROSA_AVX2
void sgemmTileAvx2(size_t k, const float* a, const float* b, float* c, size_t stride, float alpha, float beta);
#endif

}  // namespace subrosa
