// The loop of residue_product.h on vectors V, for each instruction set to compile.
#pragma once

#include "machine/nearest_integer.h"
#include "integer/residue_product.h"

namespace subrosa {
namespace {

// x minus the nearest multiple of p, for |x| < 2^53: at most p / 2 + 2 in size, and canonical for |x| <= 2 p.
template <typename V>
inline V centred(V x, V p, V inverse) {
  const V large = V::all(withoutFraction);
  return minusProduct(x, x * inverse + large - large, p);
}

template <typename V>
inline void subtractTermsBy(ResiduePrime prime, double* out, const ResidueTerm* terms, size_t count) {
  constexpr size_t vectors = residueColumns / V::width;
  const V p = V::all(prime.p), inverse = V::all(prime.inverse);
  V sums[vectors];
#pragma GCC unroll 8
  for (size_t i = 0; i < vectors; i++) sums[i] = V::load(out + i * V::width);
  while (count > 0) {
    const size_t now = count < residueProducts ? count : residueProducts;
    for (size_t k = 0; k < now; k++) {
      const V factor = V::all(terms[k].factor);
      const double* row = terms[k].row;
#pragma GCC unroll 8
      for (size_t i = 0; i < vectors; i++) sums[i] = minusProduct(sums[i], factor, V::load(row + i * V::width));
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < vectors; i++) sums[i] = centred(sums[i], p, inverse);
    terms += now;
    count -= now;
  }
#pragma GCC unroll 8
  for (size_t i = 0; i < vectors; i++) centred(sums[i], p, inverse).store(out + i * V::width);
}

}  // namespace
}  // namespace subrosa
