// The split representation with vectors of two doubles, which every baseline processor has; products and sums are exact
// integers below 2^53, so it does not matter whether the compiler fuses them.
#include <cstring>

#include "gemm/gemm.h"

namespace subrosa {
namespace {

typedef double Two __attribute__((vector_size(16)));

constexpr size_t columns = 4;

size_t strips(size_t width) { return (width + columns - 1) / columns; }

size_t scratchBytes(size_t cols, size_t width, bool) { return 2 * strips(width) * columns * cols * sizeof(double); }

// Strip s holds `columns` low parts per term, and the strips of high parts follow all strips of low parts.
void pack(const GemmPanel& panel, double* low, double* high) {
  const size_t terms = panel.weights->cols;
  const int64_t q = static_cast<int64_t>(panel.prime->q);
  const size_t padded = strips(panel.width) * columns;
  for (size_t j = 0; j < terms; j++) {
    const uint64_t* row = panel.c + (panel.rowIndex ? panel.rowIndex[j] : j) * panel.stride;
    for (size_t x = 0; x < padded; x++) {
      const int64_t residue = x < panel.width ? static_cast<int64_t>(row[x]) : 0;
      const int64_t centred = residue - (q & -static_cast<int64_t>(residue > q / 2));
      const int64_t top = (centred + (int64_t{1} << (gemmSplitBits - 1))) >> gemmSplitBits;
      const size_t at = (x / columns * terms + j) * columns + x % columns;
      high[at] = static_cast<double>(top);
      low[at] = static_cast<double>(centred - top * (int64_t{1} << gemmSplitBits));
    }
  }
}

void tile(size_t terms, const double* w, const double* c, double* sums) {
  Two sum[gemmTileRows][2] = {};
  for (size_t j = 0; j < terms; j++) {
    Two left, right;
    memcpy(&left, c + j * columns, sizeof left);
    memcpy(&right, c + j * columns + 2, sizeof right);
#pragma GCC unroll 6
    for (size_t i = 0; i < gemmTileRows; i++) {
      sum[i][0] += w[j * gemmTileRows + i] * left;
      sum[i][1] += w[j * gemmTileRows + i] * right;
    }
  }
  memcpy(sums, sum, sizeof sum);
}

// x mod q in [0, q) for |x| < 2^54, by a quotient that is off by at most one.
int64_t reduce(int64_t x, const GemmPrime& prime) {
  const int64_t q = static_cast<int64_t>(prime.q);
  int64_t r = x - static_cast<int64_t>(static_cast<double>(x) * prime.inverse) * q;
  r += q & (r >> 63);
  r -= q;
  return r + (q & (r >> 63));
}

uint64_t combine(double low, double high, const GemmPrime& prime) {
  const int64_t top = reduce(static_cast<int64_t>(high), prime);
  // top * 2^25 is below 2^75, but its distance to the quotient's multiple of q is small: exact modulo 2^64.
  const uint64_t quotient = static_cast<uint64_t>(static_cast<double>(top) * (1 << gemmSplitBits) * prime.inverse);
  const uint64_t product = (static_cast<uint64_t>(top) << gemmSplitBits) - quotient * prime.q;
  return static_cast<uint64_t>(reduce(static_cast<int64_t>(product) + static_cast<int64_t>(low), prime));
}

void run(const GemmPanel& panel) {
  const PackedWeights& weights = *panel.weights;
  const size_t terms = weights.cols;
  double* low = static_cast<double*>(panel.scratch);
  double* high = low + strips(panel.width) * columns * terms;
  pack(panel, low, high);
  double lowSums[gemmTileRows * columns], highSums[gemmTileRows * columns];
  for (size_t strip = 0; strip < weights.strips; strip++) {
    const double* w = weights.values + strip * terms * gemmTileRows;
    const size_t firstRow = strip * gemmTileRows;
    const size_t rows = weights.rows - firstRow < gemmTileRows ? weights.rows - firstRow : gemmTileRows;
    for (size_t x = 0; x < panel.width; x += columns) {
      tile(terms, w, low + x * terms, lowSums);
      tile(terms, w, high + x * terms, highSums);
      const size_t width = panel.width - x < columns ? panel.width - x : columns;
      for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < width; k++)
          panel.out[(firstRow + i) * panel.stride + x + k] =
              combine(lowSums[i * columns + k], highSums[i * columns + k], *panel.prime);
    }
  }
}

}  // namespace

const GemmPath gemmScalar = {columns, false, true, scratchBytes, run, nullptr};

}  // namespace subrosa
