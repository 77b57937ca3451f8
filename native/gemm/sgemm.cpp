#include "gemm/sgemm.h"

#include <algorithm>
#include <cstring>

#include "machine/divide_up.h"
#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

constexpr size_t depth = 256;      // Terms per pass: a packed strip of B (16 KiB) stays in the first-level cache.
constexpr size_t heightLimit = 96; // Rows of A per task: its packed block (96 KiB) stays in the second-level cache.

// `lines` vectors of `length` terms, interleaved: out[p * width + line]. Rows beyond `lines` become zeros.
// Element (line, p) is at source[line * lineStride + p * termStride]; one of the strides is 1.
template <size_t width>
void packStrip(float* out, const float* source, size_t lines, size_t length, size_t lineStride, size_t termStride) {
  if (lines < width) memset(out, 0, width * length * sizeof(float));
  if (lineStride == 1) {
    if (lines == width)
      for (size_t p = 0; p < length; p++) memcpy(out + p * width, source + p * termStride, width * sizeof(float));
    else
      for (size_t p = 0; p < length; p++) memcpy(out + p * width, source + p * termStride, lines * sizeof(float));
    return;
  }
  constexpr size_t run = 16;  // Terms per step, so that the lines of the output stay in cache between sources.
  for (size_t first = 0; first < length; first += run) {
    const size_t last = std::min(length, first + run);
    for (size_t line = 0; line < lines; line++) {
      const float* from = source + line * lineStride;
      for (size_t p = first; p < last; p++) out[p * width + line] = from[p * termStride];
    }
  }
}

struct Product {
  const SgemmShape& shape;
  SgemmTile tile;
  const float* a;
  const float* b;
  float* c;

  const float* elementA(size_t row, size_t term) const {
    return shape.transposeA ? a + term * shape.m + row : a + row * shape.k + term;
  }
  const float* elementB(size_t term, size_t col) const {
    return shape.transposeB ? b + col * shape.k + term : b + term * shape.n + col;
  }

  void packB(float* out, size_t firstTerm, size_t terms, size_t strip) const {
    const size_t col = strip * sgemmCols;
    packStrip<sgemmCols>(out + col * terms, elementB(firstTerm, col), std::min(sgemmCols, shape.n - col), terms,
                         shape.transposeB ? shape.k : 1, shape.transposeB ? 1 : shape.n);
  }

  void packA(float* out, size_t firstTerm, size_t terms, size_t firstRow, size_t rows) const {
    for (size_t row = 0; row < rows; row += sgemmRows)
      packStrip<sgemmRows>(out + row * terms, elementA(firstRow + row, firstTerm), std::min(sgemmRows, rows - row),
                           terms, shape.transposeA ? 1 : shape.k, shape.transposeA ? shape.m : 1);
  }

  // Rows firstRow.. by columns of the strips, from packed operands. The first pass over k applies beta, the others add.
  void multiply(const float* packedA, const float* packedB, size_t firstTerm, size_t terms, size_t firstRow, size_t rows,
                size_t firstStrip, size_t strips) const {
    const float beta = firstTerm == 0 ? shape.beta : 1;
    alignas(64) float edge[sgemmRows * sgemmCols];
    for (size_t strip = firstStrip; strip < firstStrip + strips; strip++) {
      const size_t col = strip * sgemmCols;
      const size_t width = std::min(sgemmCols, shape.n - col);
      for (size_t row = 0; row < rows; row += sgemmRows) {
        const size_t height = std::min(sgemmRows, rows - row);
        float* out = c + (firstRow + row) * shape.n + col;
        if (width == sgemmCols && height == sgemmRows) {
          tile(terms, packedA + row * terms, packedB + col * terms, out, shape.n, shape.alpha, beta);
          continue;
        }
        tile(terms, packedA + row * terms, packedB + col * terms, edge, sgemmCols, shape.alpha, 0);
        for (size_t i = 0; i < height; i++)
          for (size_t j = 0; j < width; j++) {
            float& value = out[i * shape.n + j];
            value = beta == 0 ? edge[i * sgemmCols + j] : edge[i * sgemmCols + j] + beta * value;
          }
      }
    }
  }
};

SgemmTile tileFor(Isa isa) {
#ifdef SUBROSA_AVX2
  // The trainer is not the bottleneck on AVX-512 machines, so they use the AVX2 tile.
  if (isa == Isa::avx2 || isa == Isa::avx512Ifma) return sgemmTileAvx2;
#endif
  return sgemmTileScalar;
}

void scaleOnly(const SgemmShape& shape, float* c) {
  for (size_t i = 0; i < shape.m * shape.n; i++) c[i] = shape.beta == 0 ? 0 : shape.beta * c[i];
}

}  // namespace

bool sgemm(Isa isa, const SgemmShape& shape, const float* a, const float* b, float* c) {
  if (shape.m == 0 || shape.n == 0) return true;
  if (shape.k == 0) {
    scaleOnly(shape, c);
    return true;
  }
  const Product product{shape, tileFor(isa), a, b, c};
  const bool parallel = shape.m * shape.n * shape.k > (size_t{1} << 21);
  const size_t threads = parallel ? poolThreads() : 1;
  // As many tasks as threads or a multiple: blocks of rows, and where there are too few, halves of the columns as well.
  const size_t blocks = std::min(divideUp(shape.m, sgemmRows), threads * divideUp(shape.m, threads * heightLimit));
  const size_t height = divideUp(divideUp(shape.m, blocks), sgemmRows) * sgemmRows;
  const size_t rowTasks = divideUp(shape.m, height);
  const size_t strips = divideUp(shape.n, sgemmCols);
  const size_t colTasks = std::min(strips, rowTasks < threads ? divideUp(threads, rowTasks) : 1);
  const size_t stripsPerTask = divideUp(strips, colTasks);

  float* packedB = static_cast<float*>(threadScratch(0, strips * sgemmCols * std::min(depth, shape.k) * sizeof(float)));
  if (!packedB) return false;
  bool exhausted = false;
  for (size_t term = 0; term < shape.k; term += depth) {
    const size_t terms = std::min(depth, shape.k - term);
    parallelFor(strips, parallel, [&](size_t strip) { product.packB(packedB, term, terms, strip); });
    parallelFor(rowTasks * colTasks, parallel, [&](size_t task) {
      const size_t row = task / colTasks * height;
      const size_t strip = task % colTasks * stripsPerTask;
      if (strip >= strips) return;
      const size_t rows = std::min(height, shape.m - row);
      float* packedA = static_cast<float*>(threadScratch(1, height * terms * sizeof(float)));
      if (!packedA) {
        exhausted = true;
        return;
      }
      product.packA(packedA, term, terms, row, rows);
      product.multiply(packedA, packedB, term, terms, row, rows, strip, std::min(stripsPerTask, strips - strip));
    });
  }
  return !exhausted;
}

}  // namespace subrosa
