// The NTT in 52-bit words: Harvey's butterflies with Shoup quotients. The forward transform keeps [0, 4q) between
// stages, the inverse [0, 2q). Passes of radix 8, 4 and 2 until runs of 64 words are left, whose six stages stay in
// registers with an 8x8 transposition in the middle.
#include "ntt_avx512.h"

#include "word_avx512.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

constexpr size_t run = 64;
constexpr size_t blockWords = 2048;  // 16 KiB: half of the smallest first-level cache

struct Table {
  const uint64_t* root;
  const uint64_t* quotient;
};

struct Twiddle {
  Vector w, wq;
  Twiddle(const Table& t, size_t at) : w(all(t.root[at])), wq(all(t.quotient[at])) {}
};

// One root for each lane.
struct LaneTwiddle {
  Vector w, wq;
  LaneTwiddle(const Table& t, size_t at) : w(load(t.root + at)), wq(load(t.quotient + at)) {}
};

template <typename T>
inline void split(Vector& a, Vector& b, const T& t, const Modulus& m) {
  const Vector u = reduceOnce(a, m.twice);
  const Vector v = multiplyLazy(b, t.w, t.wq, m);
  a = _mm512_add_epi64(u, v);
  b = _mm512_sub_epi64(_mm512_add_epi64(u, m.twice), v);
}

template <typename T>
inline void merge(Vector& a, Vector& b, const T& t, const Modulus& m) {
  const Vector difference = _mm512_sub_epi64(_mm512_add_epi64(a, m.twice), b);
  a = reduceOnce(_mm512_add_epi64(a, b), m.twice);
  b = multiplyLazy(difference, t.w, t.wq, m);
}

inline void transposePairs(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector even0 = _mm512_shuffle_i64x2(a, b, 0x88), odd0 = _mm512_shuffle_i64x2(a, b, 0xdd);
  const Vector even1 = _mm512_shuffle_i64x2(c, d, 0x88), odd1 = _mm512_shuffle_i64x2(c, d, 0xdd);
  a = _mm512_shuffle_i64x2(even0, even1, 0x88);
  b = _mm512_shuffle_i64x2(odd0, odd1, 0x88);
  c = _mm512_shuffle_i64x2(even0, even1, 0xdd);
  d = _mm512_shuffle_i64x2(odd0, odd1, 0xdd);
}

inline void transpose(Vector* v) {
  Vector low[4], high[4];
  for (int k = 0; k < 4; k++) {
    low[k] = _mm512_unpacklo_epi64(v[2 * k], v[2 * k + 1]);
    high[k] = _mm512_unpackhi_epi64(v[2 * k], v[2 * k + 1]);
  }
  transposePairs(low[0], low[1], low[2], low[3]);
  transposePairs(high[0], high[1], high[2], high[3]);
  for (int k = 0; k < 4; k++) {
    v[2 * k] = low[k];
    v[2 * k + 1] = high[k];
  }
}

// How a pass reads its input.
struct FromWords {
  const uint64_t* x;
  Vector operator()(size_t i, const Modulus&) const { return load(x + i); }
};
// Signed numbers of at most 2q in absolute value to [0, 4q).
struct FromNear {
  const uint64_t* x;
  Vector operator()(size_t i, const Modulus& m) const { return _mm512_add_epi64(load(x + i), m.twice); }
};
// Signed numbers of at most 2^50 in absolute value to [0, 2q).
struct FromFar {
  const uint64_t* x;
  Vector lift;
  Reducer reducer;
  FromFar(const uint64_t* from, const Prime& p) : x(from), lift(all(liftOf(p))), reducer(p) {}
  Vector operator()(size_t i, const Modulus& m) const {
    return reducer.lazy(_mm512_add_epi64(load(x + i), lift), m);
  }
};

// u + w v to [0, 4q).
struct FromCombination {
  const uint64_t* u;
  const uint64_t* v;
  Vector lift;
  Reducer reducer;
  Multiplier factor;
  FromCombination(const uint64_t* a, const uint64_t* b, const Factor& w, const Prime& p)
      : u(a), v(b), lift(all(liftOf(p))), reducer(p), factor(w) {}
  Vector operator()(size_t i, const Modulus& m) const {
    return _mm512_add_epi64(reducer.lazy(_mm512_add_epi64(load(u + i), lift), m),
                            factor.lazy(_mm512_add_epi64(load(v + i), lift), m));
  }
};

// How the last pass writes its output.
struct AsWord {
  Vector operator()(Vector x, const Modulus& m) const { return canonicalWord(x, m); }
};
struct AsLazy {
  Vector operator()(Vector x, const Modulus&) const { return x; }
};
struct AsCentred {
  Vector half;
  explicit AsCentred(const Prime& p) : half(all(p.q / 2)) {}
  Vector operator()(Vector x, const Modulus& m) const { return centreWord(canonicalWord(x, m), half, m); }
};

// The stages of a pass in registers. Stage s of the block with the root number `node` has the nodes 2^s node and on.
template <int radix, typename T>
inline void forwardStages(Vector* v, const Table& t, const Modulus& m, size_t node) {
  for (int groups = 1, half = radix / 2; half >= 1; groups *= 2, half /= 2)
    for (int g = 0; g < groups; g++) {
      const T twiddle(t, groups * node + g);
      for (int k = 0; k < half; k++) split(v[2 * g * half + k], v[(2 * g + 1) * half + k], twiddle, m);
    }
}

template <int radix, typename T>
inline void inverseStages(Vector* v, const Table& t, const Modulus& m, size_t node) {
  for (int groups = radix / 2, half = 1; groups >= 1; groups /= 2, half *= 2)
    for (int g = 0; g < groups; g++) {
      const T twiddle(t, groups * node + g);
      for (int k = 0; k < half; k++) merge(v[2 * g * half + k], v[(2 * g + 1) * half + k], twiddle, m);
    }
}

// The last three stages, after the transposition: lane i holds sub-block i, whose roots lie interleaved
// (rootPosition in ring_tables.cpp).
inline void forwardLanes(Vector* v, const Table& t, const Modulus& m, size_t node) {
  for (int groups = 1, half = 4; half >= 1; groups *= 2, half /= 2)
    for (int g = 0; g < groups; g++) {
      const LaneTwiddle twiddle(t, 8 * (groups * node + g));
      for (int k = 0; k < half; k++) split(v[2 * g * half + k], v[(2 * g + 1) * half + k], twiddle, m);
    }
}

inline void inverseLanes(Vector* v, const Table& t, const Modulus& m, size_t node) {
  for (int groups = 4, half = 1; groups >= 1; groups /= 2, half *= 2)
    for (int g = 0; g < groups; g++) {
      const LaneTwiddle twiddle(t, 8 * (groups * node + g));
      for (int k = 0; k < half; k++) merge(v[2 * g * half + k], v[(2 * g + 1) * half + k], twiddle, m);
    }
}

template <int radix, typename Load>
void forwardPass(const Load& from, uint64_t* out, const Table& t, const Modulus& m, size_t at, size_t node,
                 size_t size) {
  const size_t stride = size / radix;
  for (size_t i = at; i < at + stride; i += 8) {
    Vector v[radix];
    for (int k = 0; k < radix; k++) v[k] = from(i + k * stride, m);
    forwardStages<radix, Twiddle>(v, t, m, node);
    for (int k = 0; k < radix; k++) store(out + i + k * stride, v[k]);
  }
}

template <int radix>
void inversePass(uint64_t* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t stride = size / radix;
  for (size_t i = at; i < at + stride; i += 8) {
    Vector v[radix];
    for (int k = 0; k < radix; k++) v[k] = load(x + i + k * stride);
    inverseStages<radix, Twiddle>(v, t, m, node);
    for (int k = 0; k < radix; k++) store(x + i + k * stride, v[k]);
  }
}

template <typename Load, typename Finish>
void forwardTail(const Load& from, uint64_t* out, const Finish& finish, const Table& t, const Modulus& m, size_t at,
                 size_t node, size_t size) {
  for (size_t i = at; i < at + size; i += run, node++) {
    Vector v[8];
    for (int k = 0; k < 8; k++) v[k] = from(i + 8 * k, m);
    forwardStages<8, Twiddle>(v, t, m, node);
    transpose(v);
    forwardLanes(v, t, m, node);
    for (int k = 0; k < 8; k++) v[k] = finish(v[k], m);
    transpose(v);
    for (int k = 0; k < 8; k++) store(out + i + 8 * k, v[k]);
  }
}

void inverseTail(const uint64_t* x, uint64_t* out, const Table& t, const Modulus& m, size_t at, size_t node,
                 size_t size) {
  for (size_t i = at; i < at + size; i += run, node++) {
    Vector v[8];
    for (int k = 0; k < 8; k++) v[k] = load(x + i + 8 * k);
    transpose(v);
    inverseLanes(v, t, m, node);
    transpose(v);
    inverseStages<8, Twiddle>(v, t, m, node);
    for (int k = 0; k < 8; k++) store(out + i + 8 * k, v[k]);
  }
}

// Radices of the passes above the runs: 8 while at least three stages are left, but two times 4 for four.
inline size_t radixOf(size_t size) {
  const unsigned stages = static_cast<unsigned>(__builtin_ctzll(size)) - 6;
  if (stages == 1) return 2;
  return stages == 2 || stages == 4 ? 4 : 8;
}

template <typename Load>
size_t forwardStep(const Load& from, uint64_t* out, const Table& t, const Modulus& m, size_t at, size_t node,
                   size_t size) {
  const size_t radix = radixOf(size);
  if (radix == 8)
    forwardPass<8>(from, out, t, m, at, node, size);
  else if (radix == 4)
    forwardPass<4>(from, out, t, m, at, node, size);
  else
    forwardPass<2>(from, out, t, m, at, node, size);
  return radix;
}

// Everything below the block with the node `node`: pass by pass once the block fits the cache.
template <typename Finish>
void forwardBlock(uint64_t* x, const Finish& finish, const Table& t, const Modulus& m, size_t at, size_t node,
                  size_t size) {
  const FromWords again{x};
  if (size > blockWords) {
    const size_t parts = forwardStep(again, x, t, m, at, node, size);
    for (size_t k = 0; k < parts; k++)
      forwardBlock(x, finish, t, m, at + k * size / parts, parts * node + k, size / parts);
    return;
  }
  size_t blocks = 1, each = size;
  while (each > run) {
    size_t parts = 0;
    for (size_t k = 0; k < blocks; k++) parts = forwardStep(again, x, t, m, at + k * each, blocks * node + k, each);
    blocks *= parts;
    each /= parts;
  }
  forwardTail(again, x, finish, t, m, at, blocks * node, size);
}

template <typename Load, typename Finish>
void forwardAll(const Prime& p, uint64_t* out, const Load& from, const Finish& finish) {
  const Table t = {static_cast<const uint64_t*>(p.root), static_cast<const uint64_t*>(p.rootQuotient)};
  const Modulus m(p);
  if (p.n == run) return forwardTail(from, out, finish, t, m, 0, 1, run);
  const size_t parts = forwardStep(from, out, t, m, 0, 1, p.n);
  for (size_t k = 0; k < parts; k++) forwardBlock(out, finish, t, m, k * p.n / parts, parts + k, p.n / parts);
}

void inverseStep(uint64_t* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t radix = radixOf(size);
  if (radix == 8)
    inversePass<8>(x, t, m, at, node, size);
  else if (radix == 4)
    inversePass<4>(x, t, m, at, node, size);
  else
    inversePass<2>(x, t, m, at, node, size);
}

void inverseBlock(const uint64_t* from, uint64_t* x, const Table& t, const Modulus& m, size_t at, size_t node,
                  size_t size) {
  if (size > blockWords) {
    const size_t parts = radixOf(size);
    for (size_t k = 0; k < parts; k++)
      inverseBlock(from, x, t, m, at + k * size / parts, parts * node + k, size / parts);
    inverseStep(x, t, m, at, node, size);
    return;
  }
  size_t sizes[8];
  size_t passes = 0;
  for (size_t each = size; each > run; each /= radixOf(each)) sizes[passes++] = each;
  inverseTail(from, x, t, m, at, size / run * node, size);
  while (passes-- > 0) {
    const size_t each = sizes[passes];
    for (size_t k = 0; k < size / each; k++) inverseStep(x, t, m, at + k * each, size / each * node + k, each);
  }
}

// The last stage of all carries the factor 1/n, at index 0 for the sums and in the root of index 1.
template <typename Finish>
void inverseAll(const Prime& p, uint64_t* out, const uint64_t* x, const Finish& finish) {
  const Table t = {static_cast<const uint64_t*>(p.inverseRoot), static_cast<const uint64_t*>(p.inverseRootQuotient)};
  const Modulus m(p);
  const size_t half = p.n / 2;
  if (half < run) {
    // A single run has its last stage inside: undo its sum's lack of 1/n here.
    inverseTail(x, out, t, m, 0, 1, run);
    const Twiddle sum(t, 0);
    for (size_t i = 0; i < half; i += 8) {
      store(out + i, finish(multiplyLazy(load(out + i), sum.w, sum.wq, m), m));
      store(out + half + i, finish(load(out + half + i), m));
    }
    return;
  }
  inverseBlock(x, out, t, m, 0, 2, half);
  inverseBlock(x, out, t, m, half, 3, half);
  const Twiddle sum(t, 0), difference(t, 1);
  for (size_t i = 0; i < half; i += 8) {
    const Vector a = load(out + i), b = load(out + half + i);
    const Vector apart = _mm512_sub_epi64(_mm512_add_epi64(a, m.twice), b);
    store(out + i, finish(multiplyLazy(_mm512_add_epi64(a, b), sum.w, sum.wq, m), m));
    store(out + half + i, finish(multiplyLazy(apart, difference.w, difference.wq, m), m));
  }
}

}  // namespace

void forward(const Prime& p, uint64_t* x) { forwardAll(p, x, FromWords{x}, AsWord{}); }

void forwardLazy(const Prime& p, uint64_t* out, const uint64_t* x, double bound) {
  if (bound <= 2 * p.qDouble)
    forwardAll(p, out, FromNear{x}, AsLazy{});
  else
    forwardAll(p, out, FromFar(x, p), AsLazy{});
}

void forwardCombined(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  forwardAll(p, out, FromCombination(u, v, w, p), AsLazy{});
}

void inverse(const Prime& p, uint64_t* x) { inverseAll(p, x, x, AsWord{}); }

void inverseCentred(const Prime& p, uint64_t* out, const uint64_t* x) { inverseAll(p, out, x, AsCentred(p)); }

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
