// Integer sums with the 52-bit multiply-add of AVX-512 IFMA; weights are w + offset >= 0 and the offset's share, offset times
// the sum of the column, is taken off at the end.
//
// Narrow, when every product is below 2^52: the low halves alone, sums below 2^64 for up to 4,095 terms.
// Wide: low and high halves in separate sums; the low ones hand their carry to the high ones every 4,032 terms.
#include "machine/avx512.h"
#include "gemm/gemm.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

constexpr size_t vectors = 4;
constexpr size_t columns = 8 * vectors;
constexpr size_t carryInterval = 4032;
constexpr uint64_t lowMask = (uint64_t{1} << 52) - 1;

size_t strips(size_t width) { return (width + columns - 1) / columns; }

// The panel, then one correction per column.
size_t scratchBytes(size_t cols, size_t width, bool) { return strips(width) * columns * (cols + 1) * sizeof(uint64_t); }

// Products with a constant a < q by Shoup's method on 52-bit words: quotient = floor(a * 2^52 / q).
struct Constant {
  __m512i a, quotient;
  Constant(uint64_t value, uint64_t q)
      : a(_mm512_set1_epi64(static_cast<long long>(value))),
        quotient(_mm512_set1_epi64(
            static_cast<long long>((static_cast<unsigned __int128>(value) << 52) / q))) {}
};

struct Prime {
  __m512i q, twice, mask;
  Constant one, carry, offset;
  Prime(uint64_t q, uint64_t offset)
      : q(_mm512_set1_epi64(static_cast<long long>(q))),
        twice(_mm512_set1_epi64(static_cast<long long>(2 * q))),
        mask(_mm512_set1_epi64(static_cast<long long>(lowMask))),
        one(1, q),
        carry((uint64_t{1} << 52) % q, q),
        offset(offset % q, q) {}

  // x * constant mod q in [0, 2q), for any x < 2^52.
  __m512i multiply(__m512i x, const Constant& constant) const {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i quotient = _mm512_madd52hi_epu64(zero, x, constant.quotient);
    const __m512i product = _mm512_madd52lo_epu64(zero, x, constant.a);
    const __m512i multiple = _mm512_madd52lo_epu64(zero, quotient, q);
    return _mm512_and_si512(_mm512_sub_epi64(product, multiple), mask);
  }

  // From [0, 4q) to [0, q): a wrapped difference is larger than what it came from.
  __m512i canonical(__m512i x) const {
    x = _mm512_min_epu64(x, _mm512_sub_epi64(x, twice));
    return _mm512_min_epu64(x, _mm512_sub_epi64(x, q));
  }

  // high * 2^52 + low mod q in [0, q), for any low < 2^64 and high < 2^52 - 2^12.
  __m512i reduce(__m512i low, __m512i high) const {
    high = _mm512_add_epi64(high, _mm512_srli_epi64(low, 52));
    return canonical(_mm512_add_epi64(multiply(_mm512_and_si512(low, mask), one), multiply(high, carry)));
  }
};

__mmask8 maskOf(size_t count) { return static_cast<__mmask8>(count >= 8 ? 0xff : (1u << count) - 1); }

// Copies the panel strip by strip and leaves q - (offset * column sum mod q), or 0, in `corrections`.
void pack(const GemmPanel& panel, const Prime& prime, uint64_t* packed, uint64_t* corrections) {
  const size_t terms = panel.weights->cols;
  const __m512i zero = _mm512_setzero_si512();
  constexpr size_t ahead = 8;  // Rows lie far apart, beyond the reach of the hardware's prefetcher.
  for (size_t x = 0; x < panel.width; x += columns) {
    uint64_t* strip = packed + x * terms;
    __mmask8 present[vectors];
    __m512i sum[vectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) {
      present[v] = maskOf(x + v * 8 < panel.width ? panel.width - x - v * 8 : 0);
      sum[v] = zero;
    }
    for (size_t j = 0; j < terms; j++) {
      const uint64_t* row = panel.c + (panel.rowIndex ? panel.rowIndex[j] : j) * panel.stride + x;
      const size_t next = j + ahead < terms ? j + ahead : j;
      const uint64_t* nextRow = panel.c + (panel.rowIndex ? panel.rowIndex[next] : next) * panel.stride + x;
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) {
        __builtin_prefetch(nextRow + v * 8);
        const __m512i words = _mm512_maskz_loadu_epi64(present[v], row + v * 8);
        _mm512_store_si512(strip + j * columns + v * 8, words);
        sum[v] = _mm512_add_epi64(sum[v], words);
        if (j % carryInterval == carryInterval - 1) sum[v] = prime.reduce(sum[v], zero);
      }
    }
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) {
      const __m512i share = prime.canonical(prime.multiply(prime.reduce(sum[v], zero), prime.offset));
      const __m512i negated = _mm512_sub_epi64(prime.q, share);
      _mm512_store_si512(corrections + x + v * 8, _mm512_min_epu64(negated, _mm512_sub_epi64(negated, prime.q)));
    }
  }
}

void store(const GemmPanel& panel, const Prime& prime, __m512i low, __m512i high, __m512i correction, size_t row,
           size_t x) {
  if (row >= panel.weights->rows || x >= panel.width) return;
  const __m512i residue = prime.canonical(_mm512_add_epi64(prime.reduce(low, high), correction));
  _mm512_mask_storeu_epi64(panel.out + row * panel.stride + x, maskOf(panel.width - x), residue);
}

void tileNarrow(const GemmPanel& panel, const Prime& prime, const uint64_t* w, const uint64_t* c,
                const uint64_t* corrections, size_t firstRow, size_t x) {
  const size_t terms = panel.weights->cols;
  __m512i sum[gemmTileRows][vectors];
#pragma GCC unroll 6
  for (size_t i = 0; i < gemmTileRows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) sum[i][v] = _mm512_setzero_si512();
  for (size_t j = 0; j < terms; j++) {
    __m512i values[vectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) values[v] = _mm512_load_si512(c + j * columns + v * 8);
#pragma GCC unroll 6
    for (size_t i = 0; i < gemmTileRows; i++) {
      const __m512i weight = _mm512_set1_epi64(static_cast<long long>(w[j * gemmTileRows + i]));
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) sum[i][v] = _mm512_madd52lo_epu64(sum[i][v], weight, values[v]);
    }
  }
#pragma GCC unroll 6
  for (size_t i = 0; i < gemmTileRows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
      store(panel, prime, sum[i][v], _mm512_setzero_si512(), _mm512_load_si512(corrections + v * 8), firstRow + i,
            x + v * 8);
}

// Three of the strip's rows, since each needs two sums per vector.
void tileWide(const GemmPanel& panel, const Prime& prime, const uint64_t* w, const uint64_t* c,
              const uint64_t* corrections, size_t firstRow, size_t x) {
  constexpr size_t rows = gemmTileRows / 2;
  const size_t terms = panel.weights->cols;
  __m512i low[rows][vectors], high[rows][vectors];
#pragma GCC unroll 3
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) low[i][v] = high[i][v] = _mm512_setzero_si512();
  for (size_t begin = 0; begin < terms; begin += carryInterval) {
    const size_t end = terms - begin < carryInterval ? terms : begin + carryInterval;
    for (size_t j = begin; j < end; j++) {
      __m512i values[vectors];
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) values[v] = _mm512_load_si512(c + j * columns + v * 8);
#pragma GCC unroll 3
      for (size_t i = 0; i < rows; i++) {
        const __m512i weight = _mm512_set1_epi64(static_cast<long long>(w[j * gemmTileRows + i]));
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++) {
          low[i][v] = _mm512_madd52lo_epu64(low[i][v], weight, values[v]);
          high[i][v] = _mm512_madd52hi_epu64(high[i][v], weight, values[v]);
        }
      }
    }
#pragma GCC unroll 3
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) {
        high[i][v] = _mm512_add_epi64(high[i][v], _mm512_srli_epi64(low[i][v], 52));
        low[i][v] = _mm512_and_si512(low[i][v], prime.mask);
      }
  }
#pragma GCC unroll 3
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
      store(panel, prime, low[i][v], high[i][v], _mm512_load_si512(corrections + v * 8), firstRow + i, x + v * 8);
}

void run(const GemmPanel& panel) {
  const PackedWeights& weights = *panel.weights;
  const Prime prime(panel.prime->q, weights.offset);
  const size_t terms = weights.cols;
  uint64_t* packed = static_cast<uint64_t*>(panel.scratch);
  uint64_t* corrections = packed + strips(panel.width) * columns * terms;
  pack(panel, prime, packed, corrections);
  const bool narrow =
      terms < 4096 && static_cast<unsigned __int128>(weights.maxOffset) * (panel.prime->q - 1) <= lowMask;
  for (size_t strip = 0; strip < weights.strips; strip++) {
    const uint64_t* w = weights.integers + strip * terms * gemmTileRows;
    const size_t row = strip * gemmTileRows;
    for (size_t x = 0; x < panel.width; x += columns) {
      const uint64_t* c = packed + x * terms;
      if (narrow) {
        tileNarrow(panel, prime, w, c, corrections + x, row, x);
        continue;
      }
      tileWide(panel, prime, w, c, corrections + x, row, x);
      tileWide(panel, prime, w + gemmTileRows / 2, c, corrections + x, row + gemmTileRows / 2, x);
    }
  }
}

size_t multiplyAdds(size_t turns) {
  constexpr size_t chains = 24;
  volatile long long opaque = 3;
  const __m512i x = _mm512_set1_epi64(opaque);
  // Each chain starts from a value of its own: equal ones are computed once.
  __m512i sum[chains];
#pragma GCC unroll 24
  for (size_t i = 0; i < chains; i++) sum[i] = _mm512_set1_epi64(opaque + static_cast<long long>(i));
  for (size_t turn = 0; turn < turns; turn++)
#pragma GCC unroll 24
    for (size_t i = 0; i < chains; i++) sum[i] = _mm512_madd52lo_epu64(sum[i], x, x);
  __m512i all = sum[0];
#pragma GCC unroll 24
  for (size_t i = 1; i < chains; i++) all = _mm512_xor_si512(all, sum[i]);
  uint64_t values[8];
  _mm512_storeu_si512(values, all);
  opaque = static_cast<long long>(values[0]);
  return turns * chains * 8;
}

}  // namespace
}  // namespace SUBROSA_AVX512_NAMESPACE

#ifdef SUBROSA_EMULATE_AVX512
const GemmPath gemmEmulated = {avx512_emulated::columns, false, false, avx512_emulated::scratchBytes,
                               avx512_emulated::run, avx512_emulated::multiplyAdds};
#else
const GemmPath gemmAvx512 = {avx512::columns, false, false, avx512::scratchBytes, avx512::run,
                             avx512::multiplyAdds};
#endif

}  // namespace subrosa
