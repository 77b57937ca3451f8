// The split representation with vectors of two doubles, which every baseline processor has; products and sums are exact
// integers below 2^53, so it does not matter whether the compiler fuses them.
#include <cstring>

#include "gemm/gemm.h"

namespace subrosa {
namespace {

typedef double Two __attribute__((vector_size(16)));

constexpr size_t columns = 4;

size_t strips(size_t width) { return (width + columns - 1) / columns; }

size_t scratchBytes(size_t sources, size_t width, bool) {
  return 2 * strips(width) * columns * sources * sizeof(double);
}

// Strip s holds `columns` low parts per row, and the strips of high parts follow all strips of low parts.
void pack(const GemmPanel& panel, double* low, double* high) {
  const int64_t q = static_cast<int64_t>(panel.prime->q);
  const size_t padded = strips(panel.width) * columns;
  for (size_t j = 0; j < panel.sourceCount; j++) {
    const uint64_t* row = panel.c + panel.sources[j] * panel.stride;
    for (size_t x = 0; x < padded; x++) {
      const int64_t residue = x < panel.width ? static_cast<int64_t>(row[x]) : 0;
      const int64_t centred = residue - (q & -static_cast<int64_t>(residue > q / 2));
      const int64_t top = (centred + (int64_t{1} << (gemmSplitBits - 1))) >> gemmSplitBits;
      const size_t at = (x / columns * panel.sourceCount + j) * columns + x % columns;
      high[at] = static_cast<double>(top);
      low[at] = static_cast<double>(centred - top * (int64_t{1} << gemmSplitBits));
    }
  }
}

void tile(size_t terms, const double* w, const double* c, const uint32_t* taps, double* sums) {
  Two sum[gemmTileRows][2] = {};
  for (size_t j = 0; j < terms; j++) {
    Two left, right;
    memcpy(&left, c + taps[j] * columns, sizeof left);
    memcpy(&right, c + taps[j] * columns + 2, sizeof right);
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
  double* high = low + strips(panel.width) * columns * panel.sourceCount;
  pack(panel, low, high);
  double lowSums[gemmTileRows * columns], highSums[gemmTileRows * columns];
  for (size_t position = 0; position < panel.positions; position++) {
    const uint32_t* taps = panel.taps + position * terms;
    for (size_t firstRow = 0; firstRow < weights.rows; firstRow += weights.stripRows) {
      const double* w = weights.values + firstRow / weights.stripRows * terms * gemmTileRows;
      const size_t left = weights.rows - firstRow;
      const size_t rows = left < weights.stripRows ? left : weights.stripRows;
      uint64_t* out = panel.out + (position * weights.rows + firstRow) * panel.stride;
      for (size_t x = 0; x < panel.width; x += columns) {
        tile(terms, w, low + x * panel.sourceCount, taps, lowSums);
        tile(terms, w, high + x * panel.sourceCount, taps, highSums);
        const size_t width = panel.width - x < columns ? panel.width - x : columns;
        for (size_t i = 0; i < rows; i++)
          for (size_t k = 0; k < width; k++)
            out[i * panel.stride + x + k] =
                combine(lowSums[i * columns + k], highSums[i * columns + k], *panel.prime);
      }
    }
  }
}

}  // namespace

const GemmPath gemmScalar = {columns, false, true, scratchBytes, run, nullptr};

}  // namespace subrosa
