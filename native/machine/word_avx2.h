// Residues as doubles, four to a vector: exact products through fused multiply-add. Included by *_avx2.cpp only.
//
// An integer of at most 2^53 in absolute value is exact in a double. For |x| <= 2^52 and |w| <= q/2 < 2^49 the product
// x w = h + l is exact in two doubles, the quotient c = round(x (w/q)) is off from x w / q by at most
// 1/2 + |x| 2^-53, and h - c q and its sum with l are integers below 2^53, so exact: the result is congruent to x w and
// below (1/2 + |x| 2^-53) q <= q in absolute value. Nothing branches on a value.
#pragma once

#include "machine/avx2.h"
#include <stddef.h>
#include <stdint.h>

#include "ring/ring.h"

namespace subrosa {
namespace {

typedef __m256d Vector;

inline Vector all(double x) { return _mm256_set1_pd(x); }
inline Vector loadDoubles(const double* x) { return _mm256_loadu_pd(x); }
inline void storeDoubles(double* out, Vector x) { _mm256_storeu_pd(out, x); }
inline Vector roundNearest(Vector x) { return _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

// Words below 2^52 to doubles and back: 2^52 + x has the bits of x in its mantissa.
constexpr double wordMagic = 4503599627370496.0;

inline Vector fromWords(__m256i x) {
  const Vector magic = all(wordMagic);
  return _mm256_sub_pd(_mm256_or_pd(_mm256_castsi256_pd(x), magic), magic);
}
inline Vector loadWords(const uint64_t* x) {
  return fromWords(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
// x an integer in [0, 2^52); a negative zero is as good as zero.
inline __m256i toWords(Vector x) {
  const Vector magic = all(wordMagic);
  return _mm256_castpd_si256(_mm256_xor_pd(_mm256_add_pd(x, magic), magic));
}
inline void storeWords(uint64_t* out, Vector x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), toWords(x));
}

struct Modulus {
  Vector q, qInverse;
  explicit Modulus(double prime, double inverse) : q(all(prime)), qInverse(all(inverse)) {}
};

// x mod q in [-q/2, q/2], exactly the nearest representative while |x| <= 1.5 q, else at most 2^-46 q beyond for
// |x| <= 2^52.
inline Vector reduceCentred(Vector x, const Modulus& m) {
  return _mm256_fnmadd_pd(roundNearest(_mm256_mul_pd(x, m.qInverse)), m.q, x);
}

// [-q, q) to [0, q).
inline Vector makePositive(Vector x, const Modulus& m) {
  return _mm256_add_pd(x, _mm256_and_pd(_mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_LT_OQ), m.q));
}

inline Vector reduceToPositive(Vector x, const Modulus& m) { return makePositive(reduceCentred(x, m), m); }

// x w mod q with wq = w / q; see above.
inline Vector multiply(Vector x, Vector w, Vector wq, const Modulus& m) {
  const Vector quotient = roundNearest(_mm256_mul_pd(x, wq));
  const Vector high = _mm256_mul_pd(x, w);
  const Vector low = _mm256_fmsub_pd(x, w, high);
  return _mm256_add_pd(_mm256_fnmadd_pd(quotient, m.q, high), low);
}

// a b mod q in (-q, q) for |a|, |b| <= q: the quotient comes from the rounded product, off by at most 0.9.
inline Vector multiplyBoth(Vector a, Vector b, const Modulus& m) {
  const Vector high = _mm256_mul_pd(a, b);
  const Vector quotient = roundNearest(_mm256_mul_pd(high, m.qInverse));
  const Vector low = _mm256_fmsub_pd(a, b, high);
  return _mm256_add_pd(_mm256_fnmadd_pd(quotient, m.q, high), low);
}

inline Vector loadSmall(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)));
}

// Integers v below 2^100 in absolute value: v = high 2^50 + low with |high| <= 2^50 and |low| <= 2^49, both exact.
struct IntegerSplit {
  Vector w, wq, up, down;
  // `weight` is 2^50 mod q.
  explicit IntegerSplit(const Factor& weight)
      : w(all(weight.centred)), wq(all(weight.quotient)), up(all(1125899906842624.0)), down(all(0x1p-50)) {}
  // Centred.
  Vector residue(Vector v, const Modulus& m) const {
    const Vector high = roundNearest(_mm256_mul_pd(v, down));
    const Vector low = _mm256_fnmadd_pd(high, up, v);
    return reduceCentred(_mm256_add_pd(multiply(high, w, wq, m), low), m);
  }
};

inline void transpose(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector ab0 = _mm256_unpacklo_pd(a, b), ab1 = _mm256_unpackhi_pd(a, b);
  const Vector cd0 = _mm256_unpacklo_pd(c, d), cd1 = _mm256_unpackhi_pd(c, d);
  a = _mm256_permute2f128_pd(ab0, cd0, 0x20);
  b = _mm256_permute2f128_pd(ab1, cd1, 0x20);
  c = _mm256_permute2f128_pd(ab0, cd0, 0x31);
  d = _mm256_permute2f128_pd(ab1, cd1, 0x31);
}

}  // namespace
}  // namespace subrosa
