// The loops of integer_linear.h over a vector type V of V::lanes 32-bit words, each also read as two int16:
// load, store, zero, broadcast, gather; multiplyAdd(sum, a, b) = sum + a.first * b.first + a.second * b.second per word;
// lowPairs and highPairs(v0, v1): the halves of two words side by side; widen: 2 * lanes int8 to int16; join(low, high) =
// low + (high << 16); add; total: sum of the words; keep: nothing but that both are in registers there, or GCC loads all weights of a
// step at once and keeps sums in memory for it.
#pragma once

#include "integer/integer_linear.h"

namespace subrosa {

template <typename V>
void integerDot(const int8_t* row, const int16_t* low, const int16_t* high, size_t terms, size_t count, int32_t* out,
                size_t outStep) {
  using T = typename V::T;
  if (count == integerDotBatch) {
    T sums[integerDotBatch][2];
    for (size_t i = 0; i < integerDotBatch; i++) sums[i][0] = sums[i][1] = V::zero();
    for (size_t k = 0; k < terms; k += 2 * V::lanes) {
      const T w = V::widen(row + k);
#pragma GCC unroll 4
      for (size_t i = 0; i < integerDotBatch; i++) {
        sums[i][0] = V::multiplyAdd(sums[i][0], w, V::load(low + i * terms + k));
        sums[i][1] = V::multiplyAdd(sums[i][1], w, V::load(high + i * terms + k));
      }
    }
    for (size_t i = 0; i < integerDotBatch; i++) out[i * outStep] = V::total(V::join(sums[i][0], sums[i][1]));
    return;
  }
  for (size_t i = 0; i < count; i++) {
    T lowSum = V::zero(), highSum = V::zero();
    for (size_t k = 0; k < terms; k += 2 * V::lanes) {
      const T w = V::widen(row + k);
      lowSum = V::multiplyAdd(lowSum, w, V::load(low + i * terms + k));
      highSum = V::multiplyAdd(highSum, w, V::load(high + i * terms + k));
    }
    out[i * outStep] = V::total(V::join(lowSum, highSum));
  }
}

template <typename V>
void integerPack(int32_t* panel, const int32_t* image, const int32_t* base, const int32_t* offset, size_t pairs) {
  using T = typename V::T;
  // Columns of one output row at stride 1 lie side by side; others are gathered.
  bool contiguous = true;
  for (size_t j = 1; j < V::lanes; j++) contiguous &= base[j] == base[0] + static_cast<int32_t>(j);
  for (size_t p = 0; p < pairs; p++, panel += 2 * V::lanes) {
    const int32_t* first = image + offset[2 * p];
    const int32_t* second = image + offset[2 * p + 1];
    const T v0 = contiguous ? V::load(first + base[0]) : V::gather(first, base);
    const T v1 = contiguous ? V::load(second + base[0]) : V::gather(second, base);
    V::store(panel, V::lowPairs(v0, v1));
    V::store(panel + V::lanes, V::highPairs(v0, v1));
  }
}

template <typename V>
void integerTile(const int32_t* strip, const int32_t* panel, size_t pairs, int32_t* tile, bool add) {
  using T = typename V::T;
  // 12 sums, 2 vectors of the panel and a broadcast: 15 registers.
  T low[integerTileRows], high[integerTileRows];
#pragma GCC unroll 6
  for (size_t r = 0; r < integerTileRows; r++) low[r] = high[r] = V::zero();
  for (size_t p = 0; p < pairs; p++, panel += 2 * V::lanes, strip += integerTileRows) {
    const T x0 = V::load(panel), x1 = V::load(panel + V::lanes);
#pragma GCC unroll 6
    for (size_t r = 0; r < integerTileRows; r++) {
      const T w = V::broadcast(strip[r]);
      low[r] = V::multiplyAdd(low[r], w, x0);
      high[r] = V::multiplyAdd(high[r], w, x1);
      V::keep(low[r], high[r]);
    }
  }
#pragma GCC unroll 6
  for (size_t r = 0; r < integerTileRows; r++) {
    int32_t* to = tile + r * V::lanes;
    const T sum = V::join(low[r], high[r]);
    V::store(to, add ? V::add(sum, V::load(to)) : sum);
  }
}

// Each sum feeds its own next product, so nothing can be taken out of the loop; ten chains hide the latency and fit the registers.
template <typename V>
size_t integerPeak(size_t turns) {
  using T = typename V::T;
  constexpr size_t chains = 10;
  const T w = V::broadcast(0x00030001);
  T sums[chains];
#pragma GCC unroll 10
  for (size_t i = 0; i < chains; i++) sums[i] = V::broadcast(static_cast<int32_t>(i + 1));
  for (size_t turn = 0; turn < turns; turn++) {
#pragma GCC unroll 10
    for (size_t i = 0; i < chains; i++) sums[i] = V::multiplyAdd(sums[i], w, sums[i]);
  }
#pragma GCC unroll 10
  for (size_t i = 1; i < chains; i++) sums[0] = V::add(sums[0], sums[i]);
  // A use of the sums that the compiler must respect.
  volatile int32_t used = V::total(sums[0]);
  (void)used;
  return turns * chains * V::lanes;
}

template <typename V>
constexpr IntegerPath integerPathOf() {
  return {V::lanes, integerDot<V>, integerPack<V>, integerTile<V>, integerPeak<V>};
}

}  // namespace subrosa
