// The NTT on doubles. Passes of radix 4 go over the whole array until blocks fit the first-level cache; each block is
// then finished alone, with passes of radix 8 and 4. The last four stages (the first four of the inverse) stay in
// registers, with a 4x4 transposition in the middle.
//
// Ranges. A product is below q in absolute value, in practice 0.6 q. "Narrow" primes, below 2^48: 16 q <= 2^52, so the
// forward transform, which grows by one product per stage from at most 2 q, never reduces; the inverse doubles per
// stage and reduces the lanes that only ever added. Wide primes, below 2^50: everything is reduced when a pass loads
// it.
#include "machine/avx2.h"

// The butterflies are long chains of dependent operations: without scheduling before register allocation the order of
// the source decides, and the loops run a quarter slower.
#pragma GCC optimize("schedule-insns", "sched-pressure")

#include "transform/ntt_avx2.h"
#include "machine/word_avx2.h"

namespace subrosa {
namespace {

constexpr double narrowLimit = 281474976710656.0;  // 2^48
constexpr size_t blockWords = 2048;                // 16 KiB: half of the first-level cache

struct Table {
  const double* root;
  const double* quotient;
};

struct Twiddle {
  Vector w, wq;
  Twiddle(const Table& t, size_t at) : w(all(t.root[at])), wq(all(t.quotient[at])) {}
};

// One root for each lane.
struct LaneTwiddle {
  Vector w, wq;
  LaneTwiddle(const Table& t, size_t at) : w(loadDoubles(t.root + at)), wq(loadDoubles(t.quotient + at)) {}
};

template <typename T>
inline void split(Vector& a, Vector& b, const T& t, const Modulus& m) {
  const Vector v = multiply(b, t.w, t.wq, m);
  b = _mm256_sub_pd(a, v);
  a = _mm256_add_pd(a, v);
}

template <typename T>
inline void merge(Vector& a, Vector& b, const T& t, const Modulus& m) {
  const Vector difference = _mm256_sub_pd(a, b);
  a = _mm256_add_pd(a, b);
  b = multiply(difference, t.w, t.wq, m);
}

// std::conditional without its header: no standard header in files with their own instruction set.
template <bool first, typename A, typename B>
struct Choice {
  typedef A Type;
};
template <typename A, typename B>
struct Choice<false, A, B> {
  typedef B Type;
};

// How a pass reads its input.
struct FromWords {
  const uint64_t* x;
  Vector operator()(size_t i, const Modulus&) const { return loadWords(x + i); }
};
struct FromDoubles {
  const double* x;
  Vector operator()(size_t i, const Modulus&) const { return loadDoubles(x + i); }
};
struct FromUnreduced {
  const double* x;
  Vector operator()(size_t i, const Modulus& m) const { return reduceCentred(loadDoubles(x + i), m); }
};
struct FromCombination {
  const double* u;
  const double* v;
  Vector w, wq;
  Vector operator()(size_t i, const Modulus& m) const {
    return reduceCentred(_mm256_add_pd(loadDoubles(u + i), multiply(loadDoubles(v + i), w, wq, m)), m);
  }
};
struct FromSmall {
  const int8_t* x;
  Vector operator()(size_t i, const Modulus& m) const { return reduceCentred(loadSmall(x + i), m); }
};
struct FromIntegers {
  const double* x;
  IntegerSplit split;
  Vector operator()(size_t i, const Modulus& m) const { return split.residue(loadDoubles(x + i), m); }
};
// What a pass stored for the next one.
template <bool wide>
using Again = typename Choice<wide, FromUnreduced, FromDoubles>::Type;

// How the last pass writes its output.
struct ToWords {
  uint64_t* out;
  Vector finish(Vector x, const Modulus& m) const { return reduceToPositive(x, m); }
  void operator()(size_t i, Vector x) const { storeWords(out + i, x); }
};
struct ToLazy {
  double* out;
  Vector finish(Vector x, const Modulus&) const { return x; }
  void operator()(size_t i, Vector x) const { storeDoubles(out + i, x); }
};
struct ToCentred {
  double* out;
  Vector finish(Vector x, const Modulus& m) const { return reduceCentred(x, m); }
  void operator()(size_t i, Vector x) const { storeDoubles(out + i, x); }
};

// Passes work on the block of `size` words at `at`, whose first stage uses the root number `node`; the halves of a
// block have the nodes 2 node and 2 node + 1.
template <typename Load>
void forward8(const Load& load, double* out, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t stride = size / 8;
  for (size_t i = at; i < at + stride; i += 4) {
    Vector v[8];
    for (int k = 0; k < 8; k++) v[k] = load(i + k * stride, m);
    const Twiddle first(t, node);
    for (int k = 0; k < 4; k++) split(v[k], v[k + 4], first, m);
    for (int h = 0; h < 2; h++) {
      const Twiddle second(t, 2 * node + h);
      for (int k = 0; k < 2; k++) split(v[4 * h + k], v[4 * h + k + 2], second, m);
    }
    for (int h = 0; h < 4; h++) split(v[2 * h], v[2 * h + 1], Twiddle(t, 4 * node + h), m);
    for (int k = 0; k < 8; k++) storeDoubles(out + i + k * stride, v[k]);
  }
}

template <typename Load>
void forward4(const Load& load, double* out, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t stride = size / 4;
  const Twiddle first(t, node), left(t, 2 * node), right(t, 2 * node + 1);
  for (size_t i = at; i < at + stride; i += 4) {
    Vector v[4];
    for (int k = 0; k < 4; k++) v[k] = load(i + k * stride, m);
    split(v[0], v[2], first, m);
    split(v[1], v[3], first, m);
    split(v[0], v[1], left, m);
    split(v[2], v[3], right, m);
    for (int k = 0; k < 4; k++) storeDoubles(out + i + k * stride, v[k]);
  }
}

// Four stages on `runs` neighbouring runs of 16 words, the first with the node `node`. Two runs side by side fill each
// other's waiting times.
template <int runs, typename Load, typename Store>
inline void forwardRuns(const Load& load, const Store& store, const Table& t, const Modulus& m, size_t at,
                        size_t node) {
  Vector v[runs][4];
  for (int r = 0; r < runs; r++) {
    for (int k = 0; k < 4; k++) v[r][k] = load(at + 16 * r + 4 * k, m);
    const Twiddle first(t, node + r);
    split(v[r][0], v[r][2], first, m);
    split(v[r][1], v[r][3], first, m);
  }
  for (int r = 0; r < runs; r++) {
    split(v[r][0], v[r][1], Twiddle(t, 2 * (node + r)), m);
    split(v[r][2], v[r][3], Twiddle(t, 2 * (node + r) + 1), m);
  }
  for (int r = 0; r < runs; r++) {
    transpose(v[r][0], v[r][1], v[r][2], v[r][3]);
    const LaneTwiddle third(t, 4 * (node + r));
    split(v[r][0], v[r][2], third, m);
    split(v[r][1], v[r][3], third, m);
  }
  for (int r = 0; r < runs; r++) {
    split(v[r][0], v[r][1], LaneTwiddle(t, 8 * (node + r)), m);
    split(v[r][2], v[r][3], LaneTwiddle(t, 8 * (node + r) + 4), m);
  }
  for (int r = 0; r < runs; r++) {
    for (int k = 0; k < 4; k++) v[r][k] = store.finish(v[r][k], m);
    transpose(v[r][0], v[r][1], v[r][2], v[r][3]);
    for (int k = 0; k < 4; k++) store(at + 16 * r + 4 * k, v[r][k]);
  }
}

template <typename Load, typename Store>
void forwardTail(const Load& load, const Store& store, const Table& t, const Modulus& m, size_t at, size_t node,
                 size_t size) {
  if (size == 16) return forwardRuns<1>(load, store, t, m, at, node);
  for (size_t i = at; i < at + size; i += 32, node += 2) forwardRuns<2>(load, store, t, m, i, node);
}

// Radix 8 makes the number of stages left even. Above the first-level cache its eight streams would fall on the same
// lines.
inline bool takesEight(size_t size) {
  const unsigned stages = static_cast<unsigned>(__builtin_ctzll(size)) - 4;
  return stages >= 3 && stages % 2 == 1 && size <= blockWords;
}

template <typename Load>
size_t forwardPass(const Load& load, double* out, const Table& t, const Modulus& m, size_t at, size_t node,
                   size_t size) {
  if (takesEight(size)) {
    forward8(load, out, t, m, at, node, size);
    return 8;
  }
  forward4(load, out, t, m, at, node, size);
  return 4;
}

// Everything below the block with the node `node`.
template <bool wide, typename Store>
void forwardBlock(double* x, const Store& store, const Table& t, const Modulus& m, size_t at, size_t node,
                  size_t size) {
  const Again<wide> again{x};
  if (size > blockWords) {
    const size_t parts = forwardPass(again, x, t, m, at, node, size);
    for (size_t k = 0; k < parts; k++)
      forwardBlock<wide>(x, store, t, m, at + k * size / parts, parts * node + k, size / parts);
    return;
  }
  size_t blocks = 1, each = size;
  while (each > 16) {
    size_t parts = 0;
    for (size_t k = 0; k < blocks; k++)
      parts = forwardPass(again, x, t, m, at + k * each, blocks * node + k, each);
    blocks *= parts;
    each /= parts;
  }
  forwardTail(again, store, t, m, at, blocks * node, size);
}

template <bool wide, typename Load, typename Store>
void forwardAll(const Prime& p, double* work, const Load& load, const Store& store) {
  const Table t = {static_cast<const double*>(p.root), static_cast<const double*>(p.rootQuotient)};
  const Modulus m(p.qDouble, p.qInverse);
  const size_t parts = forwardPass(load, work, t, m, 0, 1, p.n);
  for (size_t k = 0; k < parts; k++)
    forwardBlock<wide>(work, store, t, m, k * p.n / parts, parts + k, p.n / parts);
}

template <bool wide, int runs, typename Load>
inline void inverseRuns(const Load& load, double* out, const Table& t, const Modulus& m, size_t at, size_t node) {
  Vector v[runs][4];
  for (int r = 0; r < runs; r++) {
    for (int k = 0; k < 4; k++) v[r][k] = load(at + 16 * r + 4 * k, m);
    transpose(v[r][0], v[r][1], v[r][2], v[r][3]);
    merge(v[r][0], v[r][1], LaneTwiddle(t, 8 * (node + r)), m);
    merge(v[r][2], v[r][3], LaneTwiddle(t, 8 * (node + r) + 4), m);
  }
  for (int r = 0; r < runs; r++) {
    const LaneTwiddle second(t, 4 * (node + r));
    merge(v[r][0], v[r][2], second, m);
    merge(v[r][1], v[r][3], second, m);
    // Up to 4 q so far: the sums of four, or everything when the next 8 q would be too large.
    for (int k = 0; k < (wide ? 4 : 1); k++) v[r][k] = reduceCentred(v[r][k], m);
    transpose(v[r][0], v[r][1], v[r][2], v[r][3]);
  }
  for (int r = 0; r < runs; r++) {
    merge(v[r][0], v[r][1], Twiddle(t, 2 * (node + r)), m);
    merge(v[r][2], v[r][3], Twiddle(t, 2 * (node + r) + 1), m);
  }
  for (int r = 0; r < runs; r++) {
    const Twiddle last(t, node + r);
    merge(v[r][0], v[r][2], last, m);
    merge(v[r][1], v[r][3], last, m);
    if (!wide) v[r][0] = reduceCentred(v[r][0], m);
    for (int k = 0; k < 4; k++) storeDoubles(out + at + 16 * r + 4 * k, v[r][k]);
  }
}

template <bool wide, typename Load>
void inverseTail(const Load& load, double* out, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  if (size == 16) return inverseRuns<wide, 1>(load, out, t, m, at, node);
  for (size_t i = at; i < at + size; i += 32, node += 2) inverseRuns<wide, 2>(load, out, t, m, i, node);
}

// The last stage of all: both outputs carry the factor 1/n.
inline void mergeLast(Vector& a, Vector& b, const Twiddle& sum, const Twiddle& difference, const Modulus& m) {
  const Vector d = _mm256_sub_pd(a, b);
  a = multiply(_mm256_add_pd(a, b), sum.w, sum.wq, m);
  b = multiply(d, difference.w, difference.wq, m);
}

// Inputs of at most 2 q grow to 16 q, 4 q, 2 q ...: the first two are reduced.
template <bool wide>
void inverse8(double* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t stride = size / 8;
  const Again<wide> load{x};
  for (size_t i = at; i < at + stride; i += 4) {
    Vector v[8];
    for (int k = 0; k < 8; k++) v[k] = load(i + k * stride, m);
    for (int h = 0; h < 4; h++) merge(v[2 * h], v[2 * h + 1], Twiddle(t, 4 * node + h), m);
    for (int h = 0; h < 2; h++) {
      const Twiddle second(t, 2 * node + h);
      for (int k = 0; k < 2; k++) merge(v[4 * h + k], v[4 * h + k + 2], second, m);
    }
    const Twiddle last(t, node);
    for (int k = 0; k < 4; k++) merge(v[k], v[k + 4], last, m);
    for (int k = 0; k < (wide ? 0 : 2); k++) v[k] = reduceCentred(v[k], m);
    for (int k = 0; k < 8; k++) storeDoubles(x + i + k * stride, v[k]);
  }
}

// Inputs of at most 2 q grow to 8 q and 2 q.
template <bool wide>
void inverse4(double* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  const size_t stride = size / 4;
  const Again<wide> load{x};
  const Twiddle last(t, node), left(t, 2 * node), right(t, 2 * node + 1);
  for (size_t i = at; i < at + stride; i += 4) {
    Vector v[4];
    for (int k = 0; k < 4; k++) v[k] = load(i + k * stride, m);
    merge(v[0], v[1], left, m);
    merge(v[2], v[3], right, m);
    merge(v[0], v[2], last, m);
    merge(v[1], v[3], last, m);
    if (!wide) v[0] = reduceCentred(v[0], m);
    for (int k = 0; k < 4; k++) storeDoubles(x + i + k * stride, v[k]);
  }
}

template <bool wide, typename Store>
void inverseLast8(double* x, const Store& store, const Table& t, const Modulus& m, size_t size) {
  const size_t stride = size / 8;
  const Again<wide> load{x};
  for (size_t i = 0; i < stride; i += 4) {
    Vector v[8];
    for (int k = 0; k < 8; k++) v[k] = load(i + k * stride, m);
    for (int h = 0; h < 4; h++) merge(v[2 * h], v[2 * h + 1], Twiddle(t, 4 + h), m);
    for (int h = 0; h < 2; h++) {
      const Twiddle second(t, 2 + h);
      for (int k = 0; k < 2; k++) merge(v[4 * h + k], v[4 * h + k + 2], second, m);
    }
    const Twiddle sum(t, 0), difference(t, 1);
    for (int k = 0; k < 4; k++) mergeLast(v[k], v[k + 4], sum, difference, m);
    for (int k = 0; k < 8; k++) store(i + k * stride, store.finish(v[k], m));
  }
}

template <bool wide, typename Store>
void inverseLast4(double* x, const Store& store, const Table& t, const Modulus& m, size_t size) {
  const size_t stride = size / 4;
  const Again<wide> load{x};
  const Twiddle sum(t, 0), difference(t, 1), left(t, 2), right(t, 3);
  for (size_t i = 0; i < stride; i += 4) {
    Vector v[4];
    for (int k = 0; k < 4; k++) v[k] = load(i + k * stride, m);
    merge(v[0], v[1], left, m);
    merge(v[2], v[3], right, m);
    mergeLast(v[0], v[2], sum, difference, m);
    mergeLast(v[1], v[3], sum, difference, m);
    for (int k = 0; k < 4; k++) store(i + k * stride, store.finish(v[k], m));
  }
}

template <bool wide>
void inversePass(double* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  if (takesEight(size))
    inverse8<wide>(x, t, m, at, node, size);
  else
    inverse4<wide>(x, t, m, at, node, size);
}

// The passes of a block, mirrored from forwardBlock.
template <bool wide, typename Load>
void inverseBlock(const Load& load, double* x, const Table& t, const Modulus& m, size_t at, size_t node, size_t size) {
  if (size > blockWords) {
    const size_t parts = takesEight(size) ? 8 : 4;
    for (size_t k = 0; k < parts; k++)
      inverseBlock<wide>(load, x, t, m, at + k * size / parts, parts * node + k, size / parts);
    inversePass<wide>(x, t, m, at, node, size);
    return;
  }
  size_t sizes[8];
  size_t passes = 0;
  for (size_t each = size; each > 16; each /= takesEight(each) ? 8 : 4) sizes[passes++] = each;
  inverseTail<wide>(load, x, t, m, at, size / 16 * node, size);
  while (passes-- > 0) {
    const size_t each = sizes[passes];
    for (size_t k = 0; k < size / each; k++)
      inversePass<wide>(x, t, m, at + k * each, size / each * node + k, each);
  }
}

template <bool wide, typename Store>
void inverseAll(const Prime& p, double* work, const uint64_t* x, const Store& store) {
  const Table t = {static_cast<const double*>(p.inverseRoot), static_cast<const double*>(p.inverseRootQuotient)};
  const Modulus m(p.qDouble, p.qInverse);
  const size_t parts = takesEight(p.n) ? 8 : 4;
  const FromWords load{x};
  for (size_t k = 0; k < parts; k++)
    inverseBlock<wide>(load, work, t, m, k * p.n / parts, parts + k, p.n / parts);
  if (parts == 8)
    inverseLast8<wide>(work, store, t, m, p.n);
  else
    inverseLast4<wide>(work, store, t, m, p.n);
}

inline bool isWide(const Prime& p) { return p.qDouble >= narrowLimit; }

}  // namespace

// The array holds words and doubles by turns; both are eight bytes that only vector loads and stores touch.
void forwardAvx2(const Prime& p, uint64_t* x) {
  double* work = reinterpret_cast<double*>(x);
  if (isWide(p))
    forwardAll<true>(p, work, FromWords{x}, ToWords{x});
  else
    forwardAll<false>(p, work, FromWords{x}, ToWords{x});
}

void forwardLazyAvx2(const Prime& p, double* out, const double* x, double bound) {
  const ToLazy store{out};
  if (isWide(p))
    forwardAll<true>(p, out, FromUnreduced{x}, store);
  else if (bound > 2 * p.qDouble)
    forwardAll<false>(p, out, FromUnreduced{x}, store);
  else
    forwardAll<false>(p, out, FromDoubles{x}, store);
}

void forwardCombinedAvx2(const Prime& p, double* out, const double* u, const double* v, const Factor& w) {
  const FromCombination load{u, v, all(w.centred), all(w.quotient)};
  if (isWide(p))
    forwardAll<true>(p, out, load, ToLazy{out});
  else
    forwardAll<false>(p, out, load, ToLazy{out});
}

void forwardSignedAvx2(const Prime& p, uint64_t* out, const int8_t* small) {
  double* work = reinterpret_cast<double*>(out);
  if (isWide(p))
    forwardAll<true>(p, work, FromSmall{small}, ToWords{out});
  else
    forwardAll<false>(p, work, FromSmall{small}, ToWords{out});
}

void forwardDoublesAvx2(const Prime& p, uint64_t* out, const double* values) {
  const FromIntegers load{values, IntegerSplit(makeFactor((uint64_t{1} << 50) % p.q, p))};
  double* work = reinterpret_cast<double*>(out);
  if (isWide(p))
    forwardAll<true>(p, work, load, ToWords{out});
  else
    forwardAll<false>(p, work, load, ToWords{out});
}

void inverseAvx2(const Prime& p, uint64_t* x) {
  double* work = reinterpret_cast<double*>(x);
  if (isWide(p))
    inverseAll<true>(p, work, x, ToWords{x});
  else
    inverseAll<false>(p, work, x, ToWords{x});
}

void inverseCentredAvx2(const Prime& p, double* out, const uint64_t* x) {
  const ToCentred store{out};
  if (isWide(p))
    inverseAll<true>(p, out, x, store);
  else
    inverseAll<false>(p, out, x, store);
}

}  // namespace subrosa
