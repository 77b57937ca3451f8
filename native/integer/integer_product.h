// out = W S modulo 2^32 for integer weights W and rows S that are kept from call to call. With the product of earlier weights in
// out only the differences are multiplied: a training step changes one weight in a hundred.
//
// The rows lie in panels of 64 columns, [n / 64][rows][64], so that what one panel needs stays in the second-level cache while
// all weights pass over it. Rows of 16 bits take one instruction per 16 products (vpmaddwd, AVX2) where the factors fit as well.
#pragma once

#include <cstddef>
#include <cstdint>

#include "machine/cpu.h"

namespace subrosa {

constexpr size_t panelColumns = 64;

// One of the two pointers is set.
struct IntegerRows {
  const int16_t* narrow;
  const int32_t* wide;
  size_t count;
  size_t n;  // A multiple of panelColumns.
};

struct IntegerTerm {
  uint32_t row;
  int32_t factor;
};

// A word of two factors of 16 bits.
inline int32_t factorPair(int32_t first, int32_t second) {
  return static_cast<int32_t>((static_cast<uint32_t>(first) & 0xffffu) | static_cast<uint32_t>(second) << 16);
}

constexpr size_t integerDenseRows = 4;  // Rows of sums that share the loads of a panel.

// weights is count x rows.count, out count x rows.n. `before`, when not null, are the weights whose product out holds; otherwise
// out is overwritten. All memory lies apart. Returns false, with out as it was, when memory is exhausted.
bool updateIntegerProduct(Isa isa, int32_t* out, const IntegerRows& rows, const int32_t* weights, const int32_t* before,
                          size_t count);

// to[0 .. panelColumns - 1] = the sum of factor * row over the terms, of rows of panelColumns entries one after another; added to
// what is there when `add`.
struct IntegerProductPath {
  // Factors of 16 bits.
  void (*narrow)(int32_t* to, const int16_t* panel, const IntegerTerm* terms, size_t count, bool add);
  // Any factors.
  void (*mixed)(int32_t* to, const int16_t* panel, const IntegerTerm* terms, size_t count, bool add);
  void (*wide)(int32_t* to, const int32_t* panel, const IntegerTerm* terms, size_t count, bool add);
  // to[r * stride ..] = the sums for `count` <= integerDenseRows rows of factors, of all `length` rows of the panel: (length + 1) / 2
  // words of two factors in each.
  void (*dense)(int32_t* to, size_t stride, const int16_t* panel, size_t length, const int32_t* factors, size_t count);
};

extern const IntegerProductPath integerProductScalar;
extern const IntegerProductPath integerProductEmulated;
#ifdef SUBROSA_AVX2
extern const IntegerProductPath integerProductAvx2;
#endif
#ifdef SUBROSA_X86
extern const IntegerProductPath integerProductAvx512;
#endif

}  // namespace subrosa
