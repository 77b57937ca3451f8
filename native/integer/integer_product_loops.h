// The loops of integer_product.h over a vector type V of V::lanes 32-bit words, each also read as two int16: load, store, zero,
// broadcast, add; multiplyAdd(sum, a, b) = sum + a.first * b.first + a.second * b.second per word; lowWords and highWords(a, b):
// the int16 of two vectors side by side, in any order; firstSums and secondSums(low, high): what came of them in the order of
// the int16; keep as in integer_loops.h.
#pragma once

#include "integer/integer_product.h"

namespace subrosa {

template <typename V>
void integerNarrowProduct(int32_t* to, const int16_t* panel, const IntegerTerm* terms, size_t count, bool add) {
  using T = typename V::T;
  // Eight sums with AVX2: with two rows, their pairs and the factors 13 registers.
  constexpr size_t width = 2 * V::lanes, groups = panelColumns / width;
  T low[groups], high[groups];
#pragma GCC unroll 8
  for (size_t g = 0; g < groups; g++) low[g] = high[g] = V::zero();
  size_t i = 0;
  for (; i + 1 < count; i += 2) {
    const int16_t* a = panel + static_cast<size_t>(terms[i].row) * panelColumns;
    const int16_t* b = panel + static_cast<size_t>(terms[i + 1].row) * panelColumns;
    const T factors = V::broadcast(factorPair(terms[i].factor, terms[i + 1].factor));
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) {
      const T x = V::load(a + g * width), y = V::load(b + g * width);
      low[g] = V::multiplyAdd(low[g], factors, V::lowWords(x, y));
      high[g] = V::multiplyAdd(high[g], factors, V::highWords(x, y));
      V::keep(low[g], high[g]);
    }
  }
  if (i < count) {
    const int16_t* a = panel + static_cast<size_t>(terms[i].row) * panelColumns;
    const T factors = V::broadcast(factorPair(terms[i].factor, 0));
#pragma GCC unroll 8
    for (size_t g = 0; g < groups; g++) {
      const T x = V::load(a + g * width);
      low[g] = V::multiplyAdd(low[g], factors, V::lowWords(x, V::zero()));
      high[g] = V::multiplyAdd(high[g], factors, V::highWords(x, V::zero()));
    }
  }
#pragma GCC unroll 8
  for (size_t g = 0; g < groups; g++) {
    int32_t* first = to + g * width;
    int32_t* second = first + V::lanes;
    const T f = V::firstSums(low[g], high[g]), s = V::secondSums(low[g], high[g]);
    V::store(first, add ? V::add(V::load(first), f) : f);
    V::store(second, add ? V::add(V::load(second), s) : s);
  }
}

// Plain, for the compiler to make vectors of: V gives each instruction set a loop of its own.
template <typename V, typename Entry>
void integerProduct(int32_t* to, const Entry* panel, const IntegerTerm* terms, size_t count, bool add) {
  uint32_t sums[panelColumns] = {};
  for (size_t i = 0; i < count; i++) {
    const Entry* row = panel + static_cast<size_t>(terms[i].row) * panelColumns;
    const uint32_t factor = static_cast<uint32_t>(terms[i].factor);
    for (size_t c = 0; c < panelColumns; c++) sums[c] += factor * static_cast<uint32_t>(row[c]);
  }
  for (size_t c = 0; c < panelColumns; c++)
    to[c] = static_cast<int32_t>((add ? static_cast<uint32_t>(to[c]) : 0u) + sums[c]);
}

template <typename V, size_t rows>
void integerDenseRowsProduct(int32_t* to, size_t stride, const int16_t* panel, size_t length, const int32_t* factors) {
  using T = typename V::T;
  constexpr size_t width = 2 * V::lanes;
  const size_t pairs = (length + 1) / 2;
  for (size_t column = 0; column < panelColumns; column += width) {
    T low[rows], high[rows];
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) low[r] = high[r] = V::zero();
    for (size_t p = 0; p < pairs; p++) {
      const int16_t* a = panel + 2 * p * panelColumns + column;
      // The last of an odd number is paired with itself, times zero.
      const T x = V::load(a), y = V::load(2 * p + 1 < length ? a + panelColumns : a);
      const T first = V::lowWords(x, y), second = V::highWords(x, y);
#pragma GCC unroll 4
      for (size_t r = 0; r < rows; r++) {
        const T pair = V::broadcast(factors[r * pairs + p]);
        low[r] = V::multiplyAdd(low[r], pair, first);
        high[r] = V::multiplyAdd(high[r], pair, second);
        V::keep(low[r], high[r]);
      }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r++) {
      V::store(to + r * stride + column, V::firstSums(low[r], high[r]));
      V::store(to + r * stride + column + V::lanes, V::secondSums(low[r], high[r]));
    }
  }
}

template <typename V>
void integerDenseProduct(int32_t* to, size_t stride, const int16_t* panel, size_t length, const int32_t* factors,
                         size_t count) {
  if (count == integerDenseRows) return integerDenseRowsProduct<V, integerDenseRows>(to, stride, panel, length, factors);
  for (size_t r = 0; r < count; r++)
    integerDenseRowsProduct<V, 1>(to + r * stride, stride, panel, length, factors + r * ((length + 1) / 2));
}

template <typename V>
constexpr IntegerProductPath integerProductPathOf() {
  return {integerNarrowProduct<V>, integerProduct<V, int16_t>, integerProduct<V, int32_t>, integerDenseProduct<V>};
}

}  // namespace subrosa
