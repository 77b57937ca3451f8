// Integer sums with the 52-bit multiply-add of AVX-512 IFMA; weights are w + offset >= 0 and the offset's share, offset times
// the sum of the column, is taken off at the end: its negative is the column's `correction`.
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
size_t scratchBytes(size_t sources, size_t width, bool) {
  return strips(width) * columns * (sources + 1) * sizeof(uint64_t);
}

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
  // A quotient is taken from the upper 52 bits of a word; for a prime below 2^13, whose sums are below 2^52, from the lower.
  __m512i shift, ratio;
  // A multiple of q that is no less than any correction's size.
  __m512i bias, rawOffset;
  Constant one, carry, offset;
  Prime(uint64_t q, uint64_t offset, size_t terms)
      : q(_mm512_set1_epi64(static_cast<long long>(q))),
        twice(_mm512_set1_epi64(static_cast<long long>(2 * q))),
        mask(_mm512_set1_epi64(static_cast<long long>(lowMask))),
        shift(_mm512_set1_epi64(q >> 13 ? 12 : 0)),
        ratio(_mm512_set1_epi64(static_cast<long long>(
            (static_cast<unsigned __int128>(1) << (q >> 13 ? 64 : 52)) / q))),
        bias(_mm512_set1_epi64(static_cast<long long>(offset * terms * q))),
        rawOffset(_mm512_set1_epi64(static_cast<long long>(offset))),
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

  // A sum of fewer than 4,096 products below 2^52 mod q in [0, q). The quotient is at most two too small.
  __m512i reduceNarrow(__m512i x) const {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i quotient = _mm512_madd52hi_epu64(zero, _mm512_srlv_epi64(x, shift), ratio);
    return canonical(_mm512_and_si512(_mm512_sub_epi64(x, _mm512_madd52lo_epu64(zero, quotient, q)), mask));
  }

  // high * 2^52 + low mod q in [0, q), for any low < 2^64 and high < 2^52 - 2^12.
  __m512i reduce(__m512i low, __m512i high) const {
    high = _mm512_add_epi64(high, _mm512_srli_epi64(low, 52));
    return canonical(_mm512_add_epi64(multiply(_mm512_and_si512(low, mask), one), multiply(high, carry)));
  }
};

__mmask8 maskOf(size_t count) { return static_cast<__mmask8>(count >= 8 ? 0xff : (1u << count) - 1); }

// q - (offset * the sum of the columns mod q), or 0.
struct ColumnSums {
  __m512i sum[vectors];

  ColumnSums() {
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) sum[v] = _mm512_setzero_si512();
  }

  void add(const Prime& prime, size_t term, size_t v, __m512i words) {
    sum[v] = _mm512_add_epi64(sum[v], words);
    if (term % carryInterval == carryInterval - 1) sum[v] = prime.reduce(sum[v], _mm512_setzero_si512());
  }

  void store(const Prime& prime, uint64_t* corrections) const {
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) {
      const __m512i reduced = prime.reduce(sum[v], _mm512_setzero_si512());
      const __m512i negated = _mm512_sub_epi64(prime.q, prime.canonical(prime.multiply(reduced, prime.offset)));
      _mm512_store_si512(corrections + v * 8, _mm512_min_epu64(negated, _mm512_sub_epi64(negated, prime.q)));
    }
  }
};

// Rows lie far apart, beyond the reach of the hardware's prefetcher.
const uint64_t* rowAhead(const GemmPanel& panel, size_t j, size_t ahead) {
  return panel.c + panel.sources[j + ahead < panel.sourceCount ? j + ahead : j] * panel.stride;
}

__m512i loadPresent(const GemmPanel& panel, const uint64_t* row, size_t x) {
  return _mm512_maskz_loadu_epi64(maskOf(x < panel.width ? panel.width - x : 0), row + x);
}

// Copies the panel strip by strip and leaves the corrections of all its rows.
void packSummed(const GemmPanel& panel, const Prime& prime, uint64_t* packed, uint64_t* corrections) {
  for (size_t x = 0; x < panel.width; x += columns) {
    uint64_t* strip = packed + x * panel.sourceCount;
    ColumnSums all;
    for (size_t j = 0; j < panel.sourceCount; j++) {
      const uint64_t* row = panel.c + panel.sources[j] * panel.stride;
      const uint64_t* ahead = rowAhead(panel, j, 8);
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) {
        __builtin_prefetch(ahead + x + v * 8);
        const __m512i words = loadPresent(panel, row, x + v * 8);
        _mm512_store_si512(strip + j * columns + v * 8, words);
        all.add(prime, j, v, words);
      }
    }
    all.store(prime, corrections + x);
  }
}

// Copies the panel row by row, in runs as long as the panel is wide.
void packWindows(const GemmPanel& panel, uint64_t* packed) {
  for (size_t j = 0; j < panel.sourceCount; j++) {
    const uint64_t* row = panel.c + panel.sources[j] * panel.stride;
    const uint64_t* ahead = rowAhead(panel, j, 4);
    for (size_t x = 0; x < panel.width; x += columns)
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) {
        __builtin_prefetch(ahead + x + v * 8);
        _mm512_store_si512(packed + x * panel.sourceCount + j * columns + v * 8, loadPresent(panel, row, x + v * 8));
      }
  }
}

// The corrections of the rows that `taps` names, for one strip.
void correct(const Prime& prime, const uint64_t* c, const uint32_t* taps, size_t terms, uint64_t* corrections) {
  ColumnSums all;
  for (size_t j = 0; j < terms; j++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) all.add(prime, j, v, _mm512_load_si512(c + taps[j] * columns + v * 8));
  all.store(prime, corrections);
}

// Rows of one position from row 0 of the tile on.
struct Target {
  uint64_t* out;
  size_t stride;
  size_t width;  // Of the columns from here on.
  bool streams;

  void store(size_t row, size_t v, __m512i residue) const {
    if (v * 8 >= width) return;
    uint64_t* to = out + row * stride + v * 8;
    if (streams)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(to), residue);
    else
      _mm512_mask_storeu_epi64(to, maskOf(width - v * 8), residue);
  }
};

// With `alone`, the correction is summed along with the products: a row of weights that are all the offset.
template <size_t rows, bool alone>
void tileNarrow(const Target& target, const Prime& prime, const uint64_t* w, const uint64_t* c, const uint32_t* taps,
                size_t terms, const uint64_t* corrections) {
  __m512i sum[rows][vectors], share[vectors];
#pragma GCC unroll 4
  for (size_t v = 0; v < vectors; v++) {
    share[v] = _mm512_setzero_si512();
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) sum[i][v] = _mm512_setzero_si512();
  }
  for (size_t j = 0; j < terms; j++) {
    const uint64_t* row = c + taps[j] * columns;
    __m512i values[vectors];
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) values[v] = _mm512_load_si512(row + v * 8);
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++) {
      const __m512i weight = _mm512_set1_epi64(static_cast<long long>(w[j * gemmTileRows + i]));
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) sum[i][v] = _mm512_madd52lo_epu64(sum[i][v], weight, values[v]);
    }
    if (alone)
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) share[v] = _mm512_madd52lo_epu64(share[v], prime.rawOffset, values[v]);
  }
#pragma GCC unroll 4
  for (size_t v = 0; v < vectors; v++) {
    const __m512i correction =
        alone ? _mm512_sub_epi64(prime.bias, share[v]) : _mm512_load_si512(corrections + v * 8);
#pragma GCC unroll 6
    for (size_t i = 0; i < rows; i++)
      target.store(i, v, prime.reduceNarrow(_mm512_add_epi64(sum[i][v], correction)));
  }
}

// At most half of a strip's rows, since each needs two sums per vector.
template <size_t rows>
void tileWide(const Target& target, const Prime& prime, const uint64_t* w, const uint64_t* c, const uint32_t* taps,
              size_t terms, const uint64_t* corrections) {
  __m512i low[rows][vectors], high[rows][vectors];
#pragma GCC unroll 3
  for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++) low[i][v] = high[i][v] = _mm512_setzero_si512();
  for (size_t begin = 0; begin < terms; begin += carryInterval) {
    const size_t end = terms - begin < carryInterval ? terms : begin + carryInterval;
    for (size_t j = begin; j < end; j++) {
      const uint64_t* row = c + taps[j] * columns;
      __m512i values[vectors];
#pragma GCC unroll 4
      for (size_t v = 0; v < vectors; v++) values[v] = _mm512_load_si512(row + v * 8);
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
    for (size_t v = 0; v < vectors; v++) {
      const __m512i correction = _mm512_load_si512(corrections + v * 8);
      target.store(i, v, prime.canonical(_mm512_add_epi64(prime.reduce(low[i][v], high[i][v]), correction)));
    }
}

using Tile = void (*)(const Target&, const Prime&, const uint64_t*, const uint64_t*, const uint32_t*, size_t,
                      const uint64_t*);
constexpr Tile together[gemmTileRows] = {tileNarrow<1, false>, tileNarrow<2, false>, tileNarrow<3, false>,
                                         tileNarrow<4, false>, tileNarrow<5, false>, tileNarrow<6, false>};
// Six rows leave no registers for the correction.
constexpr Tile alone[gemmTileRows - 1] = {tileNarrow<1, true>, tileNarrow<2, true>, tileNarrow<3, true>,
                                          tileNarrow<4, true>, tileNarrow<5, true>};
constexpr size_t wideRows = gemmTileRows / 2;
constexpr Tile wide[wideRows] = {tileWide<1>, tileWide<2>, tileWide<3>};

void run(const GemmPanel& panel) {
  const PackedWeights& weights = *panel.weights;
  const size_t terms = weights.cols;
  const Prime prime(panel.prime->q, weights.offset, terms);
  uint64_t* packed = static_cast<uint64_t*>(panel.scratch);
  uint64_t* corrections = packed + strips(panel.width) * columns * panel.sourceCount;
  const bool narrow =
      terms < 4096 && static_cast<unsigned __int128>(weights.maxOffset) * (panel.prime->q - 1) <= lowMask;
  // One position takes all rows, so that their sums come with the packing.
  const bool windows = panel.positions > 1 || panel.sourceCount != terms;
  const bool single = windows && narrow && weights.strips == 1 && weights.rows < gemmTileRows;
  if (windows)
    packWindows(panel, packed);
  else
    packSummed(panel, prime, packed, corrections);
  const bool aligned = reinterpret_cast<uintptr_t>(panel.out) % 64 == 0 && (panel.stride | panel.width) % 8 == 0;
  const bool streams = panel.streams && aligned;
  for (size_t position = 0; position < panel.positions; position++) {
    const uint32_t* taps = panel.taps + position * terms;
    if (windows && !single)
      for (size_t x = 0; x < panel.width; x += columns)
        correct(prime, packed + x * panel.sourceCount, taps, terms, corrections + x);
    for (size_t row = 0; row < weights.rows; row += weights.stripRows) {
      const uint64_t* w = weights.integers + row / weights.stripRows * terms * gemmTileRows;
      const size_t left = weights.rows - row;
      const size_t rows = left < weights.stripRows ? left : weights.stripRows;
      uint64_t* out = panel.out + (position * weights.rows + row) * panel.stride;
      for (size_t x = 0; x < panel.width; x += columns) {
        const uint64_t* c = packed + x * panel.sourceCount;
        const Target target = {out + x, panel.stride, panel.width - x, streams};
        if (narrow) {
          (single ? alone : together)[rows - 1](target, prime, w, c, taps, terms, corrections + x);
          continue;
        }
        for (size_t i = 0; i < rows; i += wideRows) {
          const Target part = {target.out + i * panel.stride, panel.stride, target.width, streams};
          wide[(rows - i < wideRows ? rows - i : wideRows) - 1](part, prime, w + i, c, taps, terms, corrections + x);
        }
      }
    }
  }
  if (streams) _mm_sfence();
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
