// Four doubles at a time, for each instruction set to compile: rounding on their bits, complex values, transposition.
#pragma once

#ifdef __AVX__
#include <immintrin.h>
#endif
#include <stddef.h>
#include <stdint.h>

#include "machine/nearest_integer.h"

namespace subrosa {
namespace {

typedef double Four __attribute__((vector_size(32)));
typedef int64_t FourBits __attribute__((vector_size(32)));
typedef int32_t FourIntegers __attribute__((vector_size(16)));

inline Four loadFour(const double* x) {
  Four v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}
inline void storeFour(double* out, Four v) { __builtin_memcpy(out, &v, sizeof v); }
inline Four allFour(double x) { return Four{x, x, x, x}; }
inline Four fourOf(FourIntegers x) {
#ifdef __AVX__
  // GCC converts halves.
  return _mm256_cvtepi32_pd(reinterpret_cast<__m128i>(x));
#else
  return __builtin_convertvector(x, Four);
#endif
}

// Rounding works on the bits of doubles: a compiler may make branches of `?:`, also of that on vectors where it lacks them.
inline int64_t bitsOf(double x) {
  int64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline FourBits bitsOf(Four x) { return reinterpret_cast<FourBits>(x); }
inline double valueOf(int64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}
inline Four valueOf(FourBits bits) { return reinterpret_cast<Four>(bits); }

constexpr double wholeFrom = 4503599627370496.0;  // 2^52: every double of at least this size is an integer.
constexpr int64_t signBit = INT64_MIN;

// All ones where |x| < bound, which is positive: doubles of one sign are ordered as their bits, and a NaN is above all.
template <typename V>
inline auto isWithin(V x, double bound) {
  return ((bitsOf(x) & ~signBit) - bitsOf(bound)) >> 63;
}

// To the nearest integer, ties to even, never -0.
template <typename V>
inline V roundTies(V x) {
  const auto sign = bitsOf(x) & signBit, size = bitsOf(x) & ~signBit;
  const auto whole = bitsOf((valueOf(size) + wholeFrom) - wholeFrom), isSmall = isWithin(x, wholeFrom);
  return valueOf((whole & isSmall) | (size & ~isSmall) | sign) + 0.0;
}

// x minus the nearest integer, for |x| below 2^51.
template <typename V>
inline V fraction(V x) {
  return x - (x + withoutFraction - withoutFraction);
}

constexpr size_t reversedPair[4] = {0, 2, 1, 3};

// A complex value, or four of them.
template <typename V>
struct Complex {
  V re, im;
};

template <typename V>
inline void embedStep(Complex<V>& a, Complex<V>& b, const V& c, const V& s) {
  const V dr = a.re - b.re, di = a.im - b.im;
  a.re = a.re + b.re;
  a.im = a.im + b.im;
  b.re = dr * c + di * s;
  b.im = di * c - dr * s;
}

template <typename V>
inline void unembedStep(Complex<V>& a, Complex<V>& b, const V& c, const V& s) {
  const V tr = b.re * c - b.im * s, ti = b.re * s + b.im * c;
  b.re = a.re - tr;
  b.im = a.im - ti;
  a.re = a.re + tr;
  a.im = a.im + ti;
}

struct Arrays {
  double* re;
  double* im;
  Complex<Four> load(size_t i) const { return {loadFour(re + i), loadFour(im + i)}; }
  void store(size_t i, const Complex<Four>& x) const {
    storeFour(re + i, x.re);
    storeFour(im + i, x.im);
  }
};

inline void transposeFour(Four& a, Four& b, Four& c, Four& d) {
  const Four ab0 = __builtin_shufflevector(a, b, 0, 4, 2, 6), ab1 = __builtin_shufflevector(a, b, 1, 5, 3, 7);
  const Four cd0 = __builtin_shufflevector(c, d, 0, 4, 2, 6), cd1 = __builtin_shufflevector(c, d, 1, 5, 3, 7);
  a = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
  c = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
  d = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}

inline void transposeTile(Complex<Four>* v) {
  transposeFour(v[0].re, v[1].re, v[2].re, v[3].re);
  transposeFour(v[0].im, v[1].im, v[2].im, v[3].im);
}

}  // namespace
}  // namespace subrosa
