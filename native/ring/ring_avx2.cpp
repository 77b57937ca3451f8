// Operations on doubles with AVX2 and FMA. "Centred" is a double, "lazy" a double of at most 14 q and 2^52.
#include "machine/avx2.h"

// As in ntt_avx2.cpp: long dependent chains, whose order the source would decide otherwise.
#pragma GCC optimize("schedule-insns", "sched-pressure")

#include "transform/ntt_avx2.h"
#include "ring/rotation_digits.h"
#include "sampler/sampler.h"
#include "machine/word_avx2.h"

namespace subrosa {
namespace {

inline const double* asDoubles(const uint64_t* x) { return reinterpret_cast<const double*>(x); }
inline double* asDoubles(uint64_t* x) { return reinterpret_cast<double*>(x); }
inline __m256i loadBits(const uint64_t* x) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)); }
inline void storeBits(uint64_t* x, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(x), v); }

struct VectorFactor {
  Vector w, wq;
  explicit VectorFactor(const Factor& f) : w(all(f.centred)), wq(all(f.quotient)) {}
};

// x in [-q, q) as words to [0, q): the sign of the 64-bit word selects the addition.
inline __m256i addIfNegative(__m256i x, __m256i q) {
  return _mm256_add_epi64(x, _mm256_and_si256(q, _mm256_cmpgt_epi64(_mm256_setzero_si256(), x)));
}

void add(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const __m256i q = _mm256_set1_epi64x(static_cast<long long>(p.q));
  for (size_t i = 0; i < p.n; i += 4)
    storeBits(out + i, addIfNegative(_mm256_sub_epi64(_mm256_add_epi64(loadBits(a + i), loadBits(b + i)), q), q));
}

void sub(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const __m256i q = _mm256_set1_epi64x(static_cast<long long>(p.q));
  for (size_t i = 0; i < p.n; i += 4)
    storeBits(out + i, addIfNegative(_mm256_sub_epi64(loadBits(a + i), loadBits(b + i)), q));
}

void negate(const Prime& p, uint64_t* out, const uint64_t* a) {
  const __m256i q = _mm256_set1_epi64x(static_cast<long long>(p.q));
  for (size_t i = 0; i < p.n; i += 4)
    storeBits(out + i, addIfNegative(_mm256_sub_epi64(_mm256_setzero_si256(), loadBits(a + i)), q));
}

void mul(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0; i < p.n; i += 4)
    storeWords(out + i, makePositive(multiplyBoth(loadWords(a + i), loadWords(b + i), m), m));
}

void mulAdd(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* b) {
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0; i < p.n; i += 4) {
    const Vector product = multiplyBoth(loadWords(a + i), loadWords(b + i), m);
    storeWords(out + i, reduceToPositive(_mm256_add_pd(product, loadWords(out + i)), m));
  }
}

void mulScalar(const Prime& p, uint64_t* out, const uint64_t* a, const Factor& w) {
  const Modulus m(p.qDouble, p.qInverse);
  const VectorFactor f(w);
  for (size_t i = 0; i < p.n; i += 4)
    storeWords(out + i, makePositive(multiply(loadWords(a + i), f.w, f.wq, m), m));
}

void addScalar(const Prime& p, uint64_t* out, const uint64_t* a, uint64_t scalar) {
  const __m256i q = _mm256_set1_epi64x(static_cast<long long>(p.q));
  const __m256i less = _mm256_set1_epi64x(static_cast<long long>(scalar) - static_cast<long long>(p.q));
  for (size_t i = 0; i < p.n; i += 4)
    storeBits(out + i, addIfNegative(_mm256_add_epi64(loadBits(a + i), less), q));
}

void crossProduct(const Prime& p, uint64_t* out, const uint64_t* a0, const uint64_t* a1, const uint64_t* b0,
                  const uint64_t* b1) {
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0; i < p.n; i += 4) {
    const Vector x = multiplyBoth(loadWords(a0 + i), loadWords(b1 + i), m);
    const Vector y = multiplyBoth(loadWords(a1 + i), loadWords(b0 + i), m);
    storeWords(out + i, reduceToPositive(_mm256_add_pd(x, y), m));
  }
}

// Aligned runs of four words stay together, so that a run is one load and one permutation of its lanes: those of the four
// words from i on, as 32-bit halves 2 lane and 2 lane + 1.
inline __m256i lanesAt(const uint32_t* table, size_t i) {
  const __m128i source = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + i));
  const __m256i twice = _mm256_slli_epi64(_mm256_and_si256(_mm256_cvtepu32_epi64(source), _mm256_set1_epi64x(3)), 1);
  const __m256i one = _mm256_set1_epi64x(uint64_t{1} << 32);
  return _mm256_or_si256(_mm256_or_si256(twice, _mm256_slli_epi64(twice, 32)), one);
}

inline __m256i loadRun(const uint64_t* a, const uint32_t* table, size_t i, __m256i lanes) {
  return _mm256_permutevar8x32_epi32(loadBits(a + (table[i] & ~uint32_t{3})), lanes);
}

// How far ahead the runs of a permutation are asked for, which the processor cannot foresee: they take as long as memory.
constexpr size_t runsAhead = 64;

void permute(const Prime& p, uint64_t* out, const uint64_t* a, const uint32_t* table) {
  for (size_t i = 0, n = p.n; i < n; i += 8) {
    __builtin_prefetch(a + table[(i + runsAhead) & (n - 1)]);
    storeBits(out + i, loadRun(a, table, i, lanesAt(table, i)));
    storeBits(out + i + 4, loadRun(a, table, i + 4, lanesAt(table, i + 4)));
  }
}

void inverseCentred(const Prime& p, uint64_t* out, const uint64_t* x, const Factor* w) {
  if (w) mulScalar(p, out, x, *w);
  inverseCentredAvx2(p, asDoubles(out), w ? out : x);
}

void forwardCentred(const Prime& p, uint64_t* out, const uint64_t* centred, double bound) {
  forwardLazyAvx2(p, asDoubles(out), asDoubles(centred), bound);
}

// Up to six products of at most 0.63 q, whose sum is exact, and what out holds when `more`.
template <size_t count, bool more>
void combineSome(const Prime& p, uint64_t* out, const uint64_t* v, size_t distance, size_t wanted, const Factor* w) {
  if constexpr (count > 1) {
    if (wanted < count) return combineSome<count - 1, more>(p, out, v, distance, wanted, w);
  }
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0, n = p.n; i < n; i += 4) {
    Vector sum = more ? loadDoubles(asDoubles(out + i)) : _mm256_setzero_pd();
#pragma GCC unroll 6
    for (size_t t = 0; t < count; t++) {
      const Vector x = loadDoubles(asDoubles(v + t * distance + i));
      sum = _mm256_add_pd(sum, multiply(x, all(w[t].centred), all(w[t].quotient), m));
    }
    storeDoubles(asDoubles(out + i), reduceCentred(sum, m));
  }
}

void combineCentred(const Prime& p, uint64_t* out, const uint64_t* v, size_t distance, size_t count,
                    const Factor* w) {
  constexpr size_t most = 6;
  combineSome<most, false>(p, out, v, distance, count, w);
  for (size_t t = most; t < count; t += most)
    combineSome<most, true>(p, out, v + t * distance, distance, count - t, w + t);
}

void differenceCentred(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  const Modulus m(p.qDouble, p.qInverse);
  const VectorFactor f(w);
  for (size_t i = 0; i < p.n; i += 4) {
    const Vector difference = _mm256_sub_pd(loadDoubles(asDoubles(u + i)), loadDoubles(asDoubles(v + i)));
    storeDoubles(asDoubles(out + i), reduceCentred(multiply(difference, f.w, f.wq, m), m));
  }
}

void canonical(const Prime& p, uint64_t* out, const uint64_t* lazy) {
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0; i < p.n; i += 4) storeWords(out + i, reduceToPositive(loadDoubles(asDoubles(lazy + i)), m));
}

template <bool adds>
void subtractScaleLoop(const Prime& p, uint64_t* out, const uint64_t* a, const uint64_t* lazy, const Factor& w,
                       const uint64_t* b, const Factor& v) {
  const Modulus m(p.qDouble, p.qInverse);
  const VectorFactor f(w), g(v);
  for (size_t i = 0; i < p.n; i += 4) {
    // Below 14 q + q and 2^52 + q in absolute value; the product is at most 1.2 q then.
    const Vector difference = _mm256_sub_pd(loadWords(a + i), loadDoubles(asDoubles(lazy + i)));
    Vector sum = multiply(difference, f.w, f.wq, m);
    if (adds) sum = _mm256_add_pd(sum, multiply(loadWords(b + i), g.w, g.wq, m));
    storeWords(out + i, reduceToPositive(sum, m));
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
  const Modulus m(p.qDouble, p.qInverse);
  const VectorFactor f(w), g(v);
  for (size_t i = 0, n = p.n; i < n; i += 4) {
    const Vector difference = _mm256_sub_pd(loadWords(a + i), loadDoubles(asDoubles(lazy + i)));
    const Vector product = multiplyBoth(loadWords(b + i), loadWords(c + i), m);
    const Vector sum = _mm256_add_pd(multiply(difference, f.w, f.wq, m), multiply(product, g.w, g.wq, m));
    storeWords(out + i, reduceToPositive(sum, m));
  }
}

void addScaledProduct(const Prime& p, uint64_t* out, const uint64_t* b, const uint64_t* c, const Factor& v) {
  const Modulus m(p.qDouble, p.qInverse);
  const VectorFactor g(v);
  for (size_t i = 0, n = p.n; i < n; i += 4) {
    const Vector product = multiplyBoth(loadWords(b + i), loadWords(c + i), m);
    storeWords(out + i, reduceToPositive(_mm256_add_pd(loadWords(out + i), multiply(product, g.w, g.wq, m)), m));
  }
}

void forwardCombined(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  forwardCombinedAvx2(p, asDoubles(out), asDoubles(u), asDoubles(v), w);
}

// Sums of up to `most` products without reduction. The sum starts at 1.5 * 2^(52 + e), so that each fused multiply-add
// rounds it to a multiple of 2^e; what the rounding lost, at most 2^(e-1) and exact, is summed apart. Narrow primes
// (below 2^47): 8 products of at most 14 q * q stay below 2^(51 + e) for the e of Prime::sumMagic, and the losses below
// 2^52. Wide ones: x is reduced to q/2 first and there are 4 products.
struct ExactSum {
  Vector high, low;

  explicit ExactSum(Vector magic) : high(magic), low(_mm256_setzero_pd()) {}
  void add(Vector x, Vector key) {
    const Vector next = _mm256_fmadd_pd(x, key, high);
    low = _mm256_add_pd(low, _mm256_fmsub_pd(x, key, _mm256_sub_pd(next, high)));
    high = next;
  }
  // The quotient of the high sum is off by a few, the rest still below 2^51; see the ranges above.
  Vector residue(Vector magic, const Modulus& m) const {
    const Vector rest = reduceCentred(_mm256_sub_pd(high, magic), m);
    return reduceCentred(_mm256_add_pd(rest, low), m);
  }
};

template <bool narrow>
inline Vector loadTerm(const InnerTerm& term, size_t i, const Modulus& m) {
  const Vector x = term.canonical ? loadWords(term.x + i) : loadDoubles(asDoubles(term.x + i));
  return narrow ? x : reduceCentred(x, m);
}

template <bool narrow>
inline Vector loadPermutedTerm(const InnerTerm& term, const uint32_t* table, size_t i, __m256i lanes,
                               const Modulus& m) {
  const Vector x = fromWords(loadRun(term.x, table, i, lanes));
  return narrow ? x : reduceCentred(x, m);
}

// `count` is a constant so that the sums stay in registers; a whole cache line per turn, because the terms often lie at
// equal distances that map all their lines to few places of the caches. Adds to what out holds when `more`.
template <bool narrow, size_t count, bool more, bool permuted>
void sumTerms(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, const uint32_t* table, size_t from,
              size_t to) {
  const Modulus m(p.qDouble, p.qInverse);
  const Vector magic = all(p.sumMagic);
  uint64_t* out[2] = {out0, out1};
  // A copy, because the stores could change the original as far as the compiler knows.
  InnerTerm term[count];
  for (size_t t = 0; t < count; t++) term[t] = terms[t];
  for (size_t i = from, n = p.n; i < to; i += 8) {
    ExactSum sum[2][2] = {{ExactSum(magic), ExactSum(magic)}, {ExactSum(magic), ExactSum(magic)}};
    __m256i lanes[2];
    size_t ahead = 0;
    if (permuted) {
      for (int half = 0; half < 2; half++) lanes[half] = lanesAt(table, i + 4 * half);
      ahead = table[(i + runsAhead) & (n - 1)];
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < count; t++) {
      if (permuted) __builtin_prefetch(term[t].x + ahead);
      for (int half = 0; half < 2; half++) {
        const size_t at = i + 4 * half;
        const Vector x = permuted ? loadPermutedTerm<narrow>(term[t], table, at, lanes[half], m)
                                  : loadTerm<narrow>(term[t], at, m);
        sum[half][0].add(x, loadWords(term[t].key0 + i + 4 * half));
        sum[half][1].add(x, loadWords(term[t].key1 + i + 4 * half));
      }
    }
    for (int part = 0; part < 2; part++) {
      for (int half = 0; half < 2; half++) {
        uint64_t* to = out[part] + i + 4 * half;
        Vector total = sum[half][part].residue(magic, m);
        if (more) total = reduceCentred(_mm256_add_pd(total, loadWords(to)), m);
        storeWords(to, makePositive(total, m));
      }
    }
  }
}

template <bool narrow, bool more, size_t count>
void sumSome(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t wanted,
             const uint32_t* table, size_t from, size_t to) {
  if constexpr (count > 1) {
    if (wanted < count) return sumSome<narrow, more, count - 1>(p, out0, out1, terms, wanted, table, from, to);
  }
  if (table)
    sumTerms<narrow, count, more, true>(p, out0, out1, terms, table, from, to);
  else
    sumTerms<narrow, count, more, false>(p, out0, out1, terms, table, from, to);
}

template <bool narrow>
void sumAll(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
            const uint32_t* table, size_t from, size_t to) {
  constexpr size_t most = narrow ? 8 : 4;
  sumSome<narrow, false, most>(p, out0, out1, terms, count, table, from, to);
  for (size_t t = most; t < count; t += most)
    sumSome<narrow, true, most>(p, out0, out1, terms + t, count - t, table, from, to);
}

void innerProduct(const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
                  const uint32_t* table, size_t from, size_t to) {
  if (p.qDouble < innerNarrowLimit)
    sumAll<true>(p, out0, out1, terms, count, table, from, to);
  else
    sumAll<false>(p, out0, out1, terms, count, table, from, to);
}

}  // namespace

constexpr Operations avx2Operations = {
    TableFormat::doubles, 4,      forwardAvx2, inverseAvx2, add,          sub,     negate,
    mul,                  mulAdd, mulScalar,   addScalar,   crossProduct, permute, inverseCentred,
    forwardCentred,       combineCentred, differenceCentred, canonical, subtractScale, subtractScaleProduct,
    addScaledProduct, forwardCombined, innerProduct, &avx2Keccak, &avx2Conversions,
    forwardSignedAvx2, forwardDoublesAvx2, rotationDigitsLoop<double>,
};

}  // namespace subrosa
