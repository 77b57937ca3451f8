// The transforms on 52-bit words, at least 64 of them. Included by *_avx512.cpp only.
#pragma once

#include "machine/avx512.h"
#include "ring/ring.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {

// Residues in, residues out.
void forward(const Prime& p, uint64_t* x);
void inverse(const Prime& p, uint64_t* x);
// Signed integers of at most `bound` <= 2^50 in absolute value to [0, 4q). out may be x.
void forwardLazy(const Prime& p, uint64_t* out, const uint64_t* x, double bound);
// The same of u + w v, |u| and |v| at most 2^50. out may be u or v.
void forwardCombined(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w);
// Residues to coefficients in [-(q-1)/2, (q-1)/2]. out may be x.
void inverseCentred(const Prime& p, uint64_t* out, const uint64_t* x);

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
