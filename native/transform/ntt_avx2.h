// The transforms on doubles, at least 64 of them. Included by *_avx2.cpp only.
#pragma once

#include "ring/ring.h"

namespace subrosa {

// Residues in, residues out.
void forwardAvx2(const Prime& p, uint64_t* x);
// The same of small or of large integers, in other words.
void forwardSignedAvx2(const Prime& p, uint64_t* out, const int8_t* small);
void forwardDoublesAvx2(const Prime& p, uint64_t* out, const double* values);
void inverseAvx2(const Prime& p, uint64_t* x);
// Integers as doubles, at most `bound` in absolute value, to a lazy transform: doubles congruent to it, below 14 q and
// 2^52 in absolute value. out may be x.
void forwardLazyAvx2(const Prime& p, double* out, const double* x, double bound);
// The same of u + w v for integers of at most 2^50 in absolute value. out may be u or v.
void forwardCombinedAvx2(const Prime& p, double* out, const double* u, const double* v, const Factor& w);
// Residues to coefficients in [-(q-1)/2, (q-1)/2] as doubles. out may be x.
void inverseCentredAvx2(const Prime& p, double* out, const uint64_t* x);

}  // namespace subrosa
