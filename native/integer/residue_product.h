// out -= factors * rows modulo a prime below 2^26, on centred residues held as doubles. Everything is an integer below 2^53, so no
// instruction set rounds anything but quotients, and what comes out is the same for all.
#pragma once

#include <cstddef>

#include "machine/cpu.h"

namespace subrosa {

// So many products of two centred residues, each below 2^50, are added to a residue before the sum is reduced.
constexpr size_t residueProducts = 7;
// Doubles of a row that are worked on together.
constexpr size_t residueColumns = 32;

struct ResiduePrime {
  double p, inverse;
};

struct ResidueTerm {
  double factor;
  const double* row;
};

// out is [targets, stride], rows [sources, stride], factors [targets, sources]; columns before `first` are left alone.
struct ResidueProduct {
  ResiduePrime prime;
  double* out;
  const double* rows;
  const double* factors;
  size_t targets, sources, stride, first;
};

// out[0 .. residueColumns - 1] minus the sum of factor * row over the terms.
using SubtractTerms = void (*)(ResiduePrime prime, double* out, const ResidueTerm* terms, size_t count);

#ifdef SUBROSA_AVX2
void subtractTermsAvx2(ResiduePrime prime, double* out, const ResidueTerm* terms, size_t count);
#endif

// False, with out as it was, when memory is exhausted.
bool subtractProduct(Isa isa, const ResidueProduct& product);

}  // namespace subrosa
