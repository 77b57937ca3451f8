// Operations on 52-bit words with AVX-512 IFMA. "Centred" is an int64, "lazy" a word below 2^52.
#include "transform/ntt_avx512.h"
#include "ring/rotation_digits.h"
#include "sampler/sampler_avx512.h"
#include "machine/word_avx512.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

void add(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, reduceOnce(_mm512_add_epi64(load(a + i), load(b + i)), m.q));
}

// A difference below zero wraps and is the larger of the two candidates.
inline Vector wrapped(Vector x, const Modulus& m) { return _mm512_min_epu64(x, _mm512_add_epi64(x, m.q)); }

void sub(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, wrapped(_mm512_sub_epi64(load(a + i), load(b + i)), m));
}

void negate(const Prime& p, uint64_t* out, const uint64_t* a) {
  const Modulus m(p);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, wrapped(_mm512_sub_epi64(m.zero, load(a + i)), m));
}

void mul(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p);
  const ProductReducer reducer(p);
  for (size_t i = 0; i < p.n; i += 8)
    store(out + i, canonicalWord(reducer.product(load(a + i), load(b + i), m), m));
}

void mulAdd(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p);
  const ProductReducer reducer(p);
  for (size_t i = 0; i < p.n; i += 8)
    store(out + i, canonicalWord(_mm512_add_epi64(load(out + i), reducer.product(load(a + i), load(b + i), m)), m));
}

void mulScalar(const Prime& p, uint64_t* out, const uint64_t* a, const Factor& w) {
  const Modulus m(p);
  const Multiplier factor(w);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, reduceOnce(factor.lazy(load(a + i), m), m.q));
}

void addScalar(const Prime& p, uint64_t* out, const uint64_t* a, uint64_t scalar) {
  const Modulus m(p);
  const Vector s = all(scalar);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, reduceOnce(_mm512_add_epi64(load(a + i), s), m.q));
}

void crossProduct(const Prime& p, uint64_t* out, const uint64_t* a0, const uint64_t* a1, const uint64_t* b0,
                  const uint64_t* b1) {
  const Modulus m(p);
  const ProductReducer reducer(p);
  for (size_t i = 0; i < p.n; i += 8) {
    const Vector x0 = load(a0 + i), x1 = load(a1 + i), y0 = load(b0 + i), y1 = load(b1 + i);
    Vector high = _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(m.zero, x0, y1), x1, y0);
    const Vector low = _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(m.zero, x0, y1), x1, y0);
    // Two low halves carry at most one; the sum is below 2 q^2 < 2^(52 + shift).
    high = _mm512_add_epi64(high, _mm512_srli_epi64(low, 52));
    store(out + i, canonicalWord(reducer.lazy(high, _mm512_and_si512(low, m.mask), m), m));
  }
}

// Aligned runs of eight words stay together, so that a run is one load and one permutation of its lanes.
inline Vector loadPermuted(const uint64_t* a, const uint32_t* table, size_t i) {
  return _mm512_permutexvar_epi64(loadLanes(table + i), load(a + (table[i] & ~uint32_t{7})));
}

void permute(const Prime& p, uint64_t* out, const uint64_t* a, const uint32_t* table) {
  for (size_t i = 0; i < p.n; i += 8) store(out + i, loadPermuted(a, table, i));
}

void scaledInverseCentred(const Prime& p, uint64_t* out, const uint64_t* x, const Factor* w) {
  if (w) mulScalar(p, out, x, *w);
  inverseCentred(p, out, w ? out : x);
}

void differenceCentred(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  const Modulus m(p);
  const Multiplier factor(w);
  const Vector lift = all(liftOf(p)), half = all(p.q / 2);
  for (size_t i = 0; i < p.n; i += 8) {
    const Vector difference = _mm512_add_epi64(_mm512_sub_epi64(load(u + i), load(v + i)), lift);
    store(out + i, centreWord(reduceOnce(factor.lazy(difference, m), m.q), half, m));
  }
}

void canonical(const Prime& p, uint64_t* out, const uint64_t* lazy) {
  const Modulus m(p);
  const Reducer reducer(p);
  for (size_t i = 0; i < p.n; i += 8) store(out + i, reduceOnce(reducer.lazy(load(lazy + i), m), m.q));
}

// a - lazy modulo q, in (0, 3q).
inline Vector differenceOf(Vector a, Vector lazy, const Reducer& reducer, const Modulus& m) {
  return _mm512_sub_epi64(_mm512_add_epi64(a, m.twice), reducer.lazy(lazy, m));
}

template <bool adds>
void subtractScaleLoop(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                       const uint64_t* b, const Factor& v) {
  const Modulus m(p);
  const Multiplier factor(w), other(v);
  const Reducer one(p);
  for (size_t i = 0; i < p.n; i += 8) {
    Vector sum = factor.lazy(differenceOf(load(a + i), load(lazy + i), one, m), m);
    if (adds) sum = _mm512_add_epi64(sum, other.lazy(load(b + i), m));
    store(out + i, canonicalWord(sum, m));
  }
}

void subtractScale(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                   const uint64_t* b, const Factor& v) {
  if (b)
    subtractScaleLoop<true>(p, out, a, lazy, w, b, v);
  else
    subtractScaleLoop<false>(p, out, a, lazy, w, b, v);
}

void subtractScaleProduct(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                          const uint64_t* b, const uint64_t* c, const Factor& v) {
  const Modulus m(p);
  const Multiplier factor(w), other(v);
  const ProductReducer reducer(p);
  const Reducer one(p);
  for (size_t i = 0; i < p.n; i += 8) {
    const Vector difference = differenceOf(load(a + i), load(lazy + i), one, m);
    const Vector product = other.lazy(reducer.product(load(b + i), load(c + i), m), m);
    store(out + i, canonicalWord(_mm512_add_epi64(factor.lazy(difference, m), product), m));
  }
}

void addScaledProduct(const Prime& p, uint64_t* out, const uint64_t* b, const uint64_t* c, const Factor& v) {
  const Modulus m(p);
  const Multiplier other(v);
  const ProductReducer reducer(p);
  for (size_t i = 0; i < p.n; i += 8) {
    const Vector product = other.lazy(reducer.product(load(b + i), load(c + i), m), m);
    store(out + i, canonicalWord(_mm512_add_epi64(load(out + i), product), m));
  }
}

// Sums of 52-bit halves: 64 terms of x < 2^52 and key < q keep both below 2^58.
struct WideSum {
  Vector high, low;

  void add(Vector x, Vector key) {
    high = _mm512_madd52hi_epu64(high, x, key);
    low = _mm512_madd52lo_epu64(low, x, key);
  }
};

// low + 2^52 middle + 2^104 top, each part below 2^52, to [0, q).
struct WideReducer {
  Reducer one;
  Multiplier middle, top;
  Vector four;
  explicit WideReducer(const Prime& p)
      : one(p),
        middle(makeFactor((uint64_t{1} << 52) % p.q, p)),
        top(makeFactor(static_cast<uint64_t>((static_cast<unsigned __int128>(1) << 104) % p.q), p)),
        four(all(4 * p.q)) {}
  Vector residue(const WideSum& sum, const Modulus& m) const {
    const Vector high = _mm512_add_epi64(sum.high, _mm512_srli_epi64(sum.low, 52));
    Vector x = one.lazy(_mm512_and_si512(sum.low, m.mask), m);
    x = _mm512_add_epi64(x, middle.lazy(_mm512_and_si512(high, m.mask), m));
    x = _mm512_add_epi64(x, top.lazy(_mm512_srli_epi64(high, 52), m));
    return canonicalWord(reduceOnce(x, four), m);
  }
};

// The number of terms is no constant: unrolled, their factors would take registers that the reduction needs.
void combineCentred(const Prime& p, uint64_t* out, const uint64_t* v, size_t distance, size_t count,
                    const Factor* w) {
  const Modulus m(p);
  const Vector lift = all(liftOf(p)), half = all(p.q / 2);
  if (count == 1) {
    const Multiplier factor(*w);
    for (size_t i = 0, n = p.n; i < n; i += 8) {
      const Vector product = factor.lazy(_mm512_add_epi64(load(v + i), lift), m);
      store(out + i, centreWord(reduceOnce(product, m.q), half, m));
    }
    return;
  }
  const WideReducer reducer(p);
  for (size_t i = 0, n = p.n; i < n; i += 8) {
    WideSum sum{m.zero, m.zero};
#pragma GCC unroll 1
    for (size_t t = 0; t < count; t++) sum.add(_mm512_add_epi64(load(v + t * distance + i), lift), all(w[t].value));
    store(out + i, centreWord(reducer.residue(sum, m), half, m));
  }
}

// `count` is a constant so that the sums stay in registers. One vector is a cache line: see ring_avx2.cpp.
template <size_t count>
inline void sumTerms(WideSum& sum0, WideSum& sum1, const InnerTerm* terms, size_t i, const uint32_t* table) {
#pragma GCC unroll 8
  for (size_t t = 0; t < count; t++) {
    const Vector x = table ? loadPermuted(terms[t].x, table, i) : load(terms[t].x + i);
    sum0.add(x, load(terms[t].key0 + i));
    sum1.add(x, load(terms[t].key1 + i));
  }
}

template <size_t fixed>
void innerProductLoop(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
                      const uint32_t* table, size_t from, size_t to) {
  const Modulus m(p);
  const WideReducer reducer(p);
  // A copy, because the stores could change the original as far as the compiler knows.
  InnerTerm first[fixed];
  for (size_t t = 0; t < fixed; t++) first[t] = terms[t];
  for (size_t i = from; i < to; i += 8) {
    WideSum sum0{m.zero, m.zero}, sum1{m.zero, m.zero};
    sumTerms<fixed>(sum0, sum1, first, i, table);
    for (size_t t = fixed; t < count; t++) sumTerms<1>(sum0, sum1, terms + t, i, table);
    store(out0 + i, reducer.residue(sum0, m));
    store(out1 + i, reducer.residue(sum1, m));
  }
}

void innerProduct(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
                  const uint32_t* table, size_t from, size_t to) {
  if (count >= 4)
    innerProductLoop<4>(p, out0, out1, terms, count, table, from, to);
  else if (count == 3)
    innerProductLoop<3>(p, out0, out1, terms, count, table, from, to);
  else if (count == 2)
    innerProductLoop<2>(p, out0, out1, terms, count, table, from, to);
  else
    innerProductLoop<1>(p, out0, out1, terms, count, table, from, to);
}

}  // namespace
}  // namespace SUBROSA_AVX512_NAMESPACE

namespace {
using namespace SUBROSA_AVX512_NAMESPACE;
}

// What AVX-512 leaves to AVX2; the emulation runs on any processor.
#ifdef SUBROSA_EMULATE_AVX512
constexpr const Conversions* conversions = &scalarConversions;
constexpr Operations emulatedOperations = {
#else
constexpr const Conversions* conversions = &avx2Conversions;
constexpr Operations avx512Operations = {
#endif
    TableFormat::shoup52, 8,           forward,        inverse,           add,
    sub,                  negate,      mul,            mulAdd,            mulScalar,
    addScalar,            crossProduct, permute,       scaledInverseCentred, forwardLazy,
    combineCentred,       differenceCentred, canonical, subtractScale,    subtractScaleProduct,
    addScaledProduct, forwardCombined, innerProduct,
    &keccak,     conversions, nullptr, nullptr, rotationDigitsLoop<int64_t>,
};

}  // namespace subrosa
