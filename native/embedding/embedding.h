// The special FFT of CKKS: between the slot values of a polynomial in X^gap and its coefficients. Products and sums are
// rounded one by one, in the order of src/kernel/reference/reference-embedding.ts, so that all kernels give the same doubles.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "machine/cpu.h"

namespace subrosa {

// cos and sin hold max(1, slots) values: the root number j of the stage with distance `half` at half + j.
struct EmbeddingRoots {
  size_t slots;
  const double* cos;
  const double* sin;
};

// Where slot values of polynomials stand: real parts, the imaginary ones `imaginary` doubles behind them, twice as far the next
// polynomial. Large ones lie a cache line further apart than they are long, or all of them would compete for the same lines.
struct SlotLayout {
  size_t slots, imaginary;
  explicit SlotLayout(size_t slots) : slots(slots), imaginary(slots < 128 ? slots : slots + 8) {}
};

// 2 + lowDigits digits make a value: two halves of a word in units of 2^-32, then each in units of digitUnit of those before.
struct FractionRounding {
  size_t lowDigits;
  double digitUnit, results;
  size_t count;
};

struct EmbeddingLoops {
  // Slot values in re and im, which are used up, to coefficients times `factor`, rounded: number k at out[k gap], k < 2
  // slots. Tells whether all are below `bound` in absolute value.
  bool (*embed)(const EmbeddingRoots& roots, double* out, size_t gap, double* re, double* im, double factor,
                double bound);
  // The coefficients at in[k gap], divided by `scale`, to slot values.
  void (*unembed)(const EmbeddingRoots& roots, double* re, double* im, const double* in, size_t gap, double scale);
  // Sums of products, slot by slot, over the pairs of `terms` polynomials, term after term: of a with each of `factors` operands b, which
  // placeFactor put there polynomial by polynomial: so that they are read in the order in which they stand.
  void (*sumProducts)(const SlotLayout& layout, size_t terms, const double* a, const double* b, size_t factors, double* out);
  void (*placeFactor)(const SlotLayout& layout, size_t terms, size_t t, size_t factors, size_t f, double* b,
                      const double* values);
  // unembed of integers, without a scale.
  void (*unembedIntegers)(const EmbeddingRoots& roots, double* re, double* im, const int32_t* in);
  // embed, of which the coefficients times `unit` modulo 1 are added to total; the second reduces the sum, too.
  void (*embedFractions[2])(const EmbeddingRoots& roots, double* total, double* re, double* im, double factor, double unit);
  // One row of n of Kernel.roundFractions; n is a multiple of 4.
  void (*roundFractions)(const FractionRounding& how, double* out, double* distances, const int32_t* digits,
                         const double* masks, size_t n);
  // The sum of the squares of integers, below 2^53; negative when one is above `bound` in size.
  double (*squaredNorm)(const int32_t* values, size_t count, int32_t bound);
};

// The AVX2 loops serve AVX-512, too.
const EmbeddingLoops& embeddingLoops(Isa isa);
#ifdef SUBROSA_AVX2
extern const EmbeddingLoops avx2Embedding;
#endif

}  // namespace subrosa
