// Residues in eight 64-bit lanes with the 52-bit multiply-add of AVX-512 IFMA. Included by *_avx512.cpp only.
//
// Every q is below 2^50, so that 4 q < 2^52. Nothing branches on a value: a conditional subtraction is an unsigned
// minimum, because a difference that wrapped is larger than what it came from.
#pragma once

#include "machine/avx512.h"
#include "ring/ring.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

typedef __m512i Vector;

inline Vector all(uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
inline Vector load(const uint64_t* x) { return _mm512_loadu_si512(x); }
inline void store(uint64_t* out, Vector x) { _mm512_storeu_si512(out, x); }

// Eight 32-bit indices modulo 8, one per lane.
inline Vector loadLanes(const uint32_t* index) {
#ifdef SUBROSA_EMULATE_AVX512
  return _mm512_setr_epi64(index[0] & 7, index[1] & 7, index[2] & 7, index[3] & 7, index[4] & 7, index[5] & 7,
                           index[6] & 7, index[7] & 7);
#else
  return _mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(index)));
#endif
}

// x in [0, 2 m) to [0, m).
inline Vector reduceOnce(Vector x, Vector m) { return _mm512_min_epu64(x, _mm512_sub_epi64(x, m)); }

struct Modulus {
  Vector q, negative, twice, mask, zero;
  explicit Modulus(const Prime& p)
      : q(all(p.q)),
        negative(all((uint64_t{1} << 52) - p.q)),
        twice(all(2 * p.q)),
        mask(all((uint64_t{1} << 52) - 1)),
        zero(_mm512_setzero_si512()) {}
  // x - quotient q modulo 2^52: the product with 2^52 - q needs no subtraction.
  Vector without(Vector x, Vector quotient) const {
    return _mm512_and_si512(_mm512_madd52lo_epu64(x, quotient, negative), mask);
  }
};

// [0, 4q) to [0, q).
inline Vector canonicalWord(Vector x, const Modulus& m) { return reduceOnce(reduceOnce(x, m.twice), m.q); }

// x w mod q in [0, 2q) for any x < 2^52, with wq = floor(w 2^52 / q).
inline Vector multiplyLazy(Vector x, Vector w, Vector wq, const Modulus& m) {
  return m.without(_mm512_madd52lo_epu64(m.zero, x, w), _mm512_madd52hi_epu64(m.zero, x, wq));
}

// A constant factor in all lanes.
struct Multiplier {
  Vector w, wq;
  explicit Multiplier(const Factor& f) : w(all(f.value)), wq(all(f.shoup52)) {}
  Vector lazy(Vector x, const Modulus& m) const { return multiplyLazy(x, w, wq, m); }
};

// Reduces any word below 2^52 to [0, 2q).
struct Reducer {
  Vector ratio;
  explicit Reducer(const Prime& p) : ratio(all(p.ratio52)) {}
  Vector lazy(Vector x, const Modulus& m) const {
    return m.without(x, _mm512_madd52hi_epu64(m.zero, x, ratio));
  }
};

// Barrett on the 104-bit sum high 2^52 + low, which must be below 2^(52 + shift); low < 2^52. The quotient is at
// most 2 too small: [0, 3q).
struct ProductReducer {
  Vector right, left, ratio;
  explicit ProductReducer(const Prime& p) : right(all(p.shift)), left(all(52 - p.shift)), ratio(all(p.ratioShifted)) {}
  Vector lazy(Vector high, Vector low, const Modulus& m) const {
    const Vector top = _mm512_or_si512(_mm512_sllv_epi64(high, left), _mm512_srlv_epi64(low, right));
    return m.without(low, _mm512_madd52hi_epu64(m.zero, top, ratio));
  }
  Vector product(Vector a, Vector b, const Modulus& m) const {
    return lazy(_mm512_madd52hi_epu64(m.zero, a, b), _mm512_madd52lo_epu64(m.zero, a, b), m);
  }
};

// A multiple of q in [2^50, 2^51]: makes signed numbers of at most 2^50 in absolute value non-negative.
inline uint64_t liftOf(const Prime& p) { return ((uint64_t{1} << 50) / p.q + 1) * p.q; }

// [0, q) to [-(q-1)/2, (q-1)/2].
inline Vector centreWord(Vector x, Vector half, const Modulus& m) {
  return _mm512_mask_sub_epi64(x, _mm512_cmpgt_epu64_mask(x, half), x, m.q);
}

}  // namespace
}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
