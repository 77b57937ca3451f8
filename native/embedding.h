// The special FFT of CKKS: between the slot values of a polynomial in X^gap and its coefficients. Products and sums are
// rounded one by one, in the order of src/kernel/reference-embedding.ts, so that all kernels give the same doubles.
#pragma once

#include <stddef.h>

#include "cpu.h"

namespace subrosa {

// cos and sin hold max(1, slots) values: the root number j of the stage with distance `half` at half + j.
struct EmbeddingRoots {
  size_t slots;
  const double* cos;
  const double* sin;
};

struct EmbeddingLoops {
  // Slot values in re and im, which are used up, to coefficients times `factor`, rounded: number k at out[k gap], k < 2
  // slots. Tells whether all are below `bound` in absolute value.
  bool (*embed)(const EmbeddingRoots& roots, double* out, size_t gap, double* re, double* im, double factor,
                double bound);
  // The coefficients at in[k gap], divided by `scale`, to slot values.
  void (*unembed)(const EmbeddingRoots& roots, double* re, double* im, const double* in, size_t gap, double scale);
};

// The AVX2 loops serve AVX-512, too.
const EmbeddingLoops& embeddingLoops(Isa isa);
#ifdef SUBROSA_X86
extern const EmbeddingLoops avx2Embedding;
#endif

}  // namespace subrosa
