// What a pass of the transforms is made of: roots, butterflies on words of 52 bits, and how words are read and written.
// All words stay below 2^52, as the products want. How often they are reduced depends on the prime:
//
//   wide    q < 2^50: [0, 4q) between the stages of the forward transform, [0, 2q) between those of the inverse
//   narrow  q < 2^48: up to 16q; one reduction in three stages
#pragma once

#include "machine/word_avx512.h"
#include "ring/ring.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

// g++ keeps an array of vectors in memory as soon as one loop over it is left rolled. These are all unrolled, so that
// the arrays stay in registers (`check-native.mjs registers` disassembles the loops). The emulation is left small.
#ifdef SUBROSA_EMULATE_AVX512
#define SUBROSA_INLINE inline
#define SUBROSA_UNROLLED
#else
#define SUBROSA_INLINE inline __attribute__((always_inline))
#define SUBROSA_UNROLLED _Pragma("GCC unroll 16")
#endif
// A loop of its own function reads constants through a pointer where there are too few registers for them.
#define SUBROSA_APART __attribute__((noinline))

// Hides where a pointer comes from, so that the compiler addresses relative to it and reads what it points to here,
// instead of keeping more pointers and roots in registers than there are.
template <typename T>
SUBROSA_INLINE const T* here(const T* p) {
  asm volatile("" : "+r"(p));
  return p;
}

// Has a value computed where it stands: computed later, its operands take more registers than it does.
#ifdef SUBROSA_EMULATE_AVX512
inline void settle(Vector&) {}
#else
SUBROSA_INLINE void settle(Vector& x) { asm("" : "+v"(x)); }
#endif

struct Twiddle {
  Vector w, wq;
};

struct Table {
  const uint64_t* root;
  const uint64_t* quotient;
};

// Where a pass finds its roots: number g of the stage with `groups` groups, for the run r of those side by side.
// Those of a block, the same for all its vectors: copied, so that one register addresses them.
class BlockRoots {
 public:
  BlockRoots(const Table& t, size_t node, int radix) {
    for (int groups = 1; groups < radix; groups *= 2)
      for (int g = 0; g < groups; g++) {
        words_[groups + g] = t.root[groups * node + g];
        words_[8 + groups + g] = t.quotient[groups * node + g];
      }
  }
  struct View {
    const uint64_t* words;
    SUBROSA_INLINE Twiddle at(int groups, int g, int) const {
      return {all(words[groups + g]), all(words[8 + groups + g])};
    }
  };
  SUBROSA_INLINE View view() const { return {here(words_)}; }

 private:
  uint64_t words_[16];
};

// Those of neighbouring runs, one for all lanes.
struct RunRoots {
  Table t;
  size_t node;
  SUBROSA_INLINE Twiddle at(int groups, int g, int r) const {
    const size_t i = groups * (node + r) + g;
    return {all(t.root[i]), all(t.quotient[i])};
  }
};

// The same, one for each lane: they lie interleaved (rootPosition in ring_tables.cpp).
struct LaneRoots {
  Table t;
  size_t node;
  SUBROSA_INLINE Twiddle at(int groups, int g, int r) const {
    const size_t i = 8 * (groups * (node + r) + g);
    return {load(t.root + i), load(t.quotient + i)};
  }
};

// A modulus with the multiples that narrow primes leave room for.
template <bool narrow>
struct Range;

template <>
struct Range<false> : Modulus {
  explicit Range(const Prime& p) : Modulus(p) {}
  // What the first stage of every three adds to: [0, 4q) to [0, 2q).
  SUBROSA_INLINE Vector first(Vector x) const { return reduceOnce(x, twice); }
  SUBROSA_INLINE Vector later(Vector x) const { return reduceOnce(x, twice); }
  SUBROSA_INLINE Vector canonical(Vector x) const { return canonicalWord(x, *this); }
  // At least `bound` q, and a multiple of q; bounds are those of sumBound.
  SUBROSA_INLINE Vector above(unsigned) const { return twice; }
  // A sum of two words below `bound` q in the inverse transform.
  SUBROSA_INLINE Vector summed(Vector x, unsigned, bool) const { return reduceOnce(x, twice); }
};

template <>
struct Range<true> : Modulus {
  Vector fourfold, eightfold, ratio;
  explicit Range(const Prime& p)
      : Modulus(p), fourfold(all(4 * p.q)), eightfold(all(8 * p.q)), ratio(all(p.ratio52)) {}
  // [0, 16q) to [0, 8q); three stages later words are below 14q.
  SUBROSA_INLINE Vector first(Vector x) const { return reduceOnce(x, eightfold); }
  SUBROSA_INLINE Vector later(Vector x) const { return x; }
  // Any word below 2^52 to [0, 2q).
  SUBROSA_INLINE Vector reduced(Vector x) const { return without(x, _mm512_madd52hi_epu64(zero, x, ratio)); }
  SUBROSA_INLINE Vector canonical(Vector x) const { return reduceOnce(reduced(x), q); }
  SUBROSA_INLINE Vector above(unsigned bound) const {
    return bound == 2 ? twice : bound == 4 ? fourfold : eightfold;
  }
  SUBROSA_INLINE Vector summed(Vector x, unsigned bound, bool endsPass) const {
    if (!endsPass) return x;
    return bound == 2 ? reduceOnce(x, twice) : reduced(x);
  }
};

// a = u + w b and b = u - w b, where u is a, reduced as the range wants. The sum is formed by the products themselves.
SUBROSA_INLINE void split(Vector& a, Vector& b, Vector u, const Twiddle& t, const Modulus& m) {
  const Vector quotient = _mm512_madd52hi_epu64(m.zero, b, t.wq);
  const Vector sum = m.without(_mm512_madd52lo_epu64(u, b, t.w), quotient);
  b = _mm512_sub_epi64(_mm512_add_epi64(u, _mm512_add_epi64(u, m.twice)), sum);
  a = sum;
}

SUBROSA_INLINE void transposePairs(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector even0 = _mm512_shuffle_i64x2(a, b, 0x88), odd0 = _mm512_shuffle_i64x2(a, b, 0xdd);
  const Vector even1 = _mm512_shuffle_i64x2(c, d, 0x88), odd1 = _mm512_shuffle_i64x2(c, d, 0xdd);
  a = _mm512_shuffle_i64x2(even0, even1, 0x88);
  b = _mm512_shuffle_i64x2(odd0, odd1, 0x88);
  c = _mm512_shuffle_i64x2(even0, even1, 0xdd);
  d = _mm512_shuffle_i64x2(odd0, odd1, 0xdd);
}

SUBROSA_INLINE void transpose(Vector* v) {
  Vector low[4], high[4];
  SUBROSA_UNROLLED
  for (int k = 0; k < 4; k++) {
    low[k] = _mm512_unpacklo_epi64(v[2 * k], v[2 * k + 1]);
    high[k] = _mm512_unpackhi_epi64(v[2 * k], v[2 * k + 1]);
  }
  transposePairs(low[0], low[1], low[2], low[3]);
  transposePairs(high[0], high[1], high[2], high[3]);
  SUBROSA_UNROLLED
  for (int k = 0; k < 4; k++) {
    v[2 * k] = low[k];
    v[2 * k + 1] = high[k];
  }
}

// How a pass reads its input: number i from where `from` starts. Below 4q, but for words of an earlier pass.
struct FromWords {
  static constexpr int together = 2;
  const uint64_t* x;
  SUBROSA_INLINE FromWords from(size_t at) const { return {here(x + at)}; }
  SUBROSA_INLINE Vector operator()(size_t i, const Modulus&) const { return load(x + i); }
};
// Signed numbers of at most 2q in absolute value to [0, 4q).
struct FromNear {
  static constexpr int together = 2;
  const uint64_t* x;
  SUBROSA_INLINE FromNear from(size_t at) const { return {here(x + at)}; }
  SUBROSA_INLINE Vector operator()(size_t i, const Modulus& m) const {
    return _mm512_add_epi64(load(x + i), m.twice);
  }
};
// Signed numbers of at most 2^50 in absolute value to [0, 2q).
struct FromFar {
  static constexpr int together = 1;
  const uint64_t* x;
  uint64_t lift, ratio;
  SUBROSA_INLINE FromFar from(size_t at) const { return {here(x + at), lift, ratio}; }
  SUBROSA_INLINE Vector operator()(size_t i, const Modulus& m) const {
    const Vector v = _mm512_add_epi64(load(x + i), all(lift));
    return m.without(v, _mm512_madd52hi_epu64(m.zero, v, all(ratio)));
  }
};
inline FromFar fromFar(const uint64_t* x, const Prime& p) { return {x, liftOf(p), p.ratio52}; }

// u + w v to [0, 4q).
struct FromCombination {
  static constexpr int together = 1;
  FromFar u;
  const uint64_t* v;
  uint64_t w, wq;
  SUBROSA_INLINE FromCombination from(size_t at) const { return {u.from(at), here(v + at), w, wq}; }
  SUBROSA_INLINE Vector operator()(size_t i, const Modulus& m) const {
    const Vector other = _mm512_add_epi64(load(v + i), all(u.lift));
    return _mm512_add_epi64(u(i, m), multiplyLazy(other, all(w), all(wq), m));
  }
};

// How the last pass writes its output.
struct AsWord {
  template <bool narrow>
  SUBROSA_INLINE Vector operator()(Vector x, const Range<narrow>& m) const {
    return m.canonical(x);
  }
};
struct AsLazy {
  SUBROSA_INLINE Vector operator()(Vector x, const Modulus&) const { return x; }
};
struct AsCentred {
  Vector half;
  explicit AsCentred(const Prime& p) : half(all(p.q / 2)) {}
  SUBROSA_INLINE Vector operator()(Vector x, const Modulus& m) const {
    return centreWord(canonicalWord(x, m), half, m);
  }
};

}  // namespace
}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
