// Direct and split representation (gemm.h) with AVX2 and FMA: 6 x 8 sums in twelve registers.
#include "machine/avx2.h"

#include "gemm/gemm.h"
#include "machine/nearest_integer.h"

namespace subrosa {
namespace {

constexpr size_t columns = 8;
constexpr size_t tileSize = gemmTileRows * columns;

size_t strips(size_t width) { return (width + columns - 1) / columns; }

// One line of padding keeps the strips, whose natural distance is often a power of two, out of each other's cache sets.
size_t stripDistance(size_t sources) { return sources * columns + columns; }

size_t scratchBytes(size_t sources, size_t width, bool split) {
  return (split ? 2 : 1) * strips(width) * stripDistance(sources) * sizeof(double);
}

struct Prime {
  __m256d q, inverse, half, magic;
  explicit Prime(const GemmPrime& prime)
      : q(_mm256_set1_pd(prime.value)),
        inverse(_mm256_set1_pd(prime.inverse)),
        half(_mm256_set1_pd((prime.value - 1) / 2)),
        magic(_mm256_set1_pd(withoutFraction)) {}

  // x - round(x / q) * q, exact for |x| <= 2^53; the result is at most q/2 + 1 in size.
  __m256d reduce(__m256d x) const {
    const __m256d quotient = _mm256_sub_pd(_mm256_fmadd_pd(x, inverse, magic), magic);
    return _mm256_fnmadd_pd(quotient, q, x);
  }

  // The residue in [0, q) of a reduced x, as a word.
  __m256i canonical(__m256d x) const {
    const __m256d negative = _mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ);
    const __m256d residue = _mm256_add_pd(x, _mm256_and_pd(negative, q));
    const __m256d bias = _mm256_set1_pd(4503599627370496.0);  // 2^52: the integer lands in the low bits.
    return _mm256_xor_si256(_mm256_castpd_si256(_mm256_add_pd(residue, bias)), _mm256_castpd_si256(bias));
  }

  // A word in [0, q) as a centred double.
  __m256d centred(__m256i word) const {
    const __m256d bias = _mm256_set1_pd(4503599627370496.0);
    const __m256d residue = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(word, _mm256_castpd_si256(bias))), bias);
    return _mm256_sub_pd(residue, _mm256_and_pd(_mm256_cmp_pd(residue, half, _CMP_GT_OQ), q));
  }
};

__m256i loadWords(const uint64_t* words) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)); }

// Four words of which only the first `count` exist.
__m256i loadSome(const uint64_t* words, size_t count) {
  uint64_t padded[4] = {};
  for (size_t i = 0; i < count && i < 4; i++) padded[i] = words[i];
  return loadWords(padded);
}

void store(const Prime& prime, bool split, __m256d value, double* low, double* high) {
  if (!split) return _mm256_store_pd(low, value);
  const __m256d down = _mm256_set1_pd(1.0 / (1 << gemmSplitBits));
  const __m256d up = _mm256_set1_pd(1 << gemmSplitBits);
  const __m256d top = _mm256_sub_pd(_mm256_fmadd_pd(value, down, prime.magic), prime.magic);
  _mm256_store_pd(high, top);
  _mm256_store_pd(low, _mm256_fnmadd_pd(top, up, value));
}

void pack(const GemmPanel& panel, const Prime& prime, double* low, double* high) {
  const size_t count = panel.sourceCount;
  const size_t distance = stripDistance(count);
  const bool split = panel.prime->split;
  constexpr size_t ahead = 6;  // Rows lie far apart, beyond the reach of the hardware's prefetcher.
  for (size_t j = 0; j < count; j++) {
    const uint64_t* row = panel.c + panel.sources[j] * panel.stride;
    const uint64_t* nextRow = panel.c + panel.sources[j + ahead < count ? j + ahead : j] * panel.stride;
    for (size_t x = 0; x < panel.width; x += columns) {
      __builtin_prefetch(nextRow + x);
      const size_t at = x / columns * distance + j * columns;
      const size_t width = panel.width - x;
      const bool full = width >= columns;
      const __m256i left = full ? loadWords(row + x) : loadSome(row + x, width);
      const __m256i right = full ? loadWords(row + x + 4) : loadSome(row + x + 4, width > 4 ? width - 4 : 0);
      store(prime, split, prime.centred(left), low + at, high + at);
      store(prime, split, prime.centred(right), low + at + 4, high + at + 4);
    }
  }
}

// Sums of products over all terms, reduced at the end of each block but the last.
template <size_t rows>
void tile(const Prime& prime, const double* w, const double* c, const uint32_t* taps, size_t terms,
          const uint32_t* ends, double* sums) {
  __m256d sum[rows][2];
#pragma GCC unroll 6
  for (size_t i = 0; i < rows; i++) sum[i][0] = sum[i][1] = _mm256_setzero_pd();
  size_t j = 0;
  for (;; ends++) {
    const size_t end = *ends;
#pragma GCC unroll 2
    for (; j < end; j++) {
      const double* values = c + taps[j] * columns;
      const __m256d left = _mm256_load_pd(values);
      const __m256d right = _mm256_load_pd(values + 4);
#pragma GCC unroll 6
      for (size_t i = 0; i < rows; i++) {
        const __m256d weight = _mm256_broadcast_sd(w + j * gemmTileRows + i);
        sum[i][0] = _mm256_fmadd_pd(weight, left, sum[i][0]);
        sum[i][1] = _mm256_fmadd_pd(weight, right, sum[i][1]);
      }
    }
    if (end == terms) break;
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
      sum[i][0] = prime.reduce(sum[i][0]);
      sum[i][1] = prime.reduce(sum[i][1]);
    }
  }
#pragma GCC unroll 6
  for (size_t i = 0; i < rows; i++) {
    _mm256_store_pd(sums + i * columns, sum[i][0]);
    _mm256_store_pd(sums + i * columns + 4, sum[i][1]);
  }
}

using Tile = void (*)(const Prime&, const double*, const double*, const uint32_t*, size_t, const uint32_t*, double*);
constexpr Tile tiles[gemmTileRows] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>, tile<6>};

// high * 2^25 + low mod q: a product with an exact error term, then one reduction. |low| < 2^52 by the row norm limit.
__m256d combine(const Prime& prime, const GemmPrime& constants, __m256d low, __m256d high) {
  const __m256d shift = _mm256_set1_pd(constants.shift);
  const __m256d top = prime.reduce(high);
  const __m256d product = _mm256_mul_pd(top, shift);
  const __m256d error = _mm256_fmsub_pd(top, shift, product);
  const __m256d quotient =
      _mm256_sub_pd(_mm256_fmadd_pd(top, _mm256_set1_pd(constants.shiftOverQ), prime.magic), prime.magic);
  return _mm256_add_pd(_mm256_add_pd(_mm256_fnmadd_pd(quotient, prime.q, product), error), low);
}

void finish(const GemmPanel& panel, const Prime& prime, const double* low, const double* high, size_t rows,
            uint64_t* out, size_t x) {
  const size_t width = panel.width - x;
  for (size_t i = 0; i < rows; i++) {
    uint64_t* to = out + i * panel.stride + x;
    for (size_t half = 0; half < columns && half < width; half += 4) {
      __m256d value = _mm256_load_pd(low + i * columns + half);
      if (panel.prime->split)
        value = combine(prime, *panel.prime, value, _mm256_load_pd(high + i * columns + half));
      const __m256i words = prime.canonical(prime.reduce(value));
      if (width - half >= 4) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + half), words);
        continue;
      }
      uint64_t some[4];
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(some), words);
      for (size_t k = 0; k < width - half; k++) to[half + k] = some[k];
    }
  }
}

void run(const GemmPanel& panel) {
  const PackedWeights& weights = *panel.weights;
  const Prime prime(*panel.prime);
  const size_t terms = weights.cols;
  const size_t distance = stripDistance(panel.sourceCount);
  double* low = static_cast<double*>(panel.scratch);
  double* high = panel.prime->split ? low + strips(panel.width) * distance : low;
  pack(panel, prime, low, high);
  alignas(32) double lowSums[tileSize], highSums[tileSize];
  for (size_t position = 0; position < panel.positions; position++) {
    const uint32_t* taps = panel.taps + position * terms;
    for (size_t strip = 0; strip < weights.strips; strip++) {
      const double* w = weights.values + strip * terms * gemmTileRows;
      const uint32_t* ends = panel.prime->ends + panel.prime->firstEnd[strip];
      const size_t firstRow = strip * weights.stripRows, left = weights.rows - firstRow;
      const size_t rows = left < weights.stripRows ? left : weights.stripRows;
      const Tile run = tiles[rows - 1];
      uint64_t* out = panel.out + (position * weights.rows + firstRow) * panel.stride;
      for (size_t x = 0; x < panel.width; x += columns) {
        const size_t at = x / columns * distance;
        run(prime, w, low + at, taps, terms, ends, lowSums);
        if (panel.prime->split) run(prime, w, high + at, taps, terms, ends, highSums);
        finish(panel, prime, lowSums, highSums, rows, out, x);
      }
    }
  }
}

size_t multiplyAdds(size_t turns) {
  constexpr size_t chains = 12;
  volatile double opaque = 0.5;
  const __m256d x = _mm256_set1_pd(opaque);
  __m256d sum[chains];
#pragma GCC unroll 12
  for (size_t i = 0; i < chains; i++) sum[i] = _mm256_set1_pd(opaque);
  for (size_t turn = 0; turn < turns; turn++)
#pragma GCC unroll 12
    for (size_t i = 0; i < chains; i++) sum[i] = _mm256_fmadd_pd(x, x, sum[i]);
  double values[4] = {};
#pragma GCC unroll 12
  for (size_t i = 0; i < chains; i++) _mm256_storeu_pd(values, _mm256_add_pd(_mm256_loadu_pd(values), sum[i]));
  opaque = values[0];
  return turns * chains * 4;
}

}  // namespace

const GemmPath gemmAvx2 = {columns, true, false, scratchBytes, run, multiplyAdds};

}  // namespace subrosa
