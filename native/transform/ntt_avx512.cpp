// The NTT in 52-bit words: Harvey's butterflies with Shoup quotients. Passes of radix 8, 4 and 2 until runs of 64 words
// are left, whose six stages stay in registers with an 8x8 transposition in the middle.
#include "transform/ntt_avx512.h"

#include "transform/ntt_avx512_words.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

constexpr size_t run = 64;
constexpr size_t blockWords = 2048;  // 16 KiB: half of the smallest first-level cache
constexpr uint64_t narrowLimit = uint64_t{1} << 48;

// The stages of a pass in registers, for `runs` groups of `radix` vectors side by side: one alone waits for its own
// products. Stage s of the block with the root number `node` has the nodes 2^s node and on. `fresh` input is below 4q.
template <int radix, int runs, bool fresh, bool narrow, int groups = 1, typename Roots>
SUBROSA_INLINE void forwardStages(Vector* v, const Roots& roots, const Range<narrow>& m) {
  if constexpr (groups < radix) {
    constexpr int half = radix / 2 / groups;
    SUBROSA_UNROLLED
    for (int g = 0; g < groups; g++) {
      SUBROSA_UNROLLED
      for (int r = 0; r < runs; r++) {
        const Twiddle twiddle = roots.at(groups, g, r);
        SUBROSA_UNROLLED
        for (int k = 0; k < half; k++) {
          Vector& a = v[r * radix + 2 * g * half + k];
          const Vector u = groups == 1 && !(fresh && narrow) ? m.first(a) : m.later(a);
          split(a, v[r * radix + (2 * g + 1) * half + k], u, twiddle, m);
        }
      }
    }
    forwardStages<radix, runs, fresh, narrow, 2 * groups>(v, roots, m);
  }
}

// The bound of word k, in multiples of q, before the stage of distance `half` of an inverse pass whose words were below
// 2q and whose sums are not reduced: every stage that it was the sum of doubled it.
constexpr unsigned sumBound(int k, int half) {
  unsigned bound = 2;
  for (int distance = 1; distance < half; distance *= 2) bound = k & distance ? 2 : 2 * bound;
  return bound;
}

// What follows the last stage of a pass: another pass, or the end of the transform.
struct Between {
  static constexpr bool isLast = false;
};
// The last stage of all carries the factor 1/n: at index 0 for the sums and in the root of index 1.
template <typename Finish>
struct Ending {
  static constexpr bool isLast = true;
  Finish finish;
  uint64_t w, wq;
};

// (a, b) to (a + b, w (a - b)). From [0, 2q) to [0, 2q).
template <int radix, int runs, bool narrow, int half = 1, typename Roots, typename After>
SUBROSA_INLINE void inverseStages(Vector* v, const Roots& roots, const Range<narrow>& m, const After& after) {
  if constexpr (half < radix) {
    constexpr int groups = radix / 2 / half;
    SUBROSA_UNROLLED
    for (int g = 0; g < groups; g++) {
      SUBROSA_UNROLLED
      for (int r = 0; r < runs; r++) {
        const Twiddle twiddle = roots.at(groups, g, r);
        SUBROSA_UNROLLED
        for (int k = 0; k < half; k++) {
          Vector &a = v[r * radix + 2 * g * half + k], &b = v[r * radix + (2 * g + 1) * half + k];
          const unsigned bound = sumBound(k, half);
          const Vector difference = _mm512_add_epi64(_mm512_sub_epi64(a, b), m.above(bound));
          const Vector sum = _mm512_add_epi64(a, b);
          b = multiplyLazy(difference, twiddle.w, twiddle.wq, m);
          if constexpr (After::isLast && 2 * half == radix) {
            a = after.finish(multiplyLazy(sum, all(after.w), all(after.wq), m), m);
            b = after.finish(b, m);
          } else {
            a = m.summed(sum, bound, 2 * half == radix);
          }
          settle(a);
          settle(b);
        }
      }
    }
    inverseStages<radix, runs, narrow, 2 * half>(v, roots, m, after);
  }
}

template <int radix, bool fresh, bool narrow, typename Load>
SUBROSA_APART void forwardPass(const Load& source, uint64_t* out, const Table& table, const Range<narrow>& m, size_t at,
                               size_t node, size_t size) {
  constexpr int runs = Load::together;
  const BlockRoots roots(table, node, radix);
  const size_t stride = size / radix;
  for (size_t i = at; i < at + stride; i += 8 * runs) {
    const Load from = source.from(i);
    uint64_t* to = const_cast<uint64_t*>(here(out + i));
    Vector v[radix * runs];
    SUBROSA_UNROLLED
    for (int k = 0; k < radix * runs; k++) v[k] = from(k % radix * stride + k / radix * 8, m);
    forwardStages<radix, runs, fresh>(v, roots.view(), m);
    SUBROSA_UNROLLED
    for (int k = 0; k < radix * runs; k++) store(to + k % radix * stride + k / radix * 8, v[k]);
  }
}

template <int radix, bool narrow, typename After>
SUBROSA_APART void inversePass(uint64_t* x, const Table& table, const Range<narrow>& m, size_t at, size_t node,
                               size_t size, const After& after) {
  // The ending needs registers of its own.
  constexpr int runs = After::isLast && radix == 8 ? 1 : 2;
  const BlockRoots roots(table, node, radix);
  const size_t stride = size / radix;
  for (size_t i = at; i < at + stride; i += 8 * runs) {
    uint64_t* to = const_cast<uint64_t*>(here(x + i));
    Vector v[radix * runs];
    SUBROSA_UNROLLED
    for (int k = 0; k < radix * runs; k++) v[k] = load(to + k % radix * stride + k / radix * 8);
    inverseStages<radix, runs>(v, roots.view(), m, after);
    SUBROSA_UNROLLED
    for (int k = 0; k < radix * runs; k++) store(to + k % radix * stride + k / radix * 8, v[k]);
  }
}

// `runs` runs of 64 words; the last three stages come after a transposition, when lane i holds sub-block i.
template <int runs, bool fresh, bool narrow, typename Load, typename Finish>
SUBROSA_APART void forwardTail(const Load& source, uint64_t* out, const Finish& finish, const Table& table,
                               const Range<narrow>& m, size_t at, size_t node, size_t size) {
  for (size_t i = at; i < at + size; i += runs * run, node += runs) {
    const Load from = source.from(i);
    const Table t = {here(table.root), here(table.quotient)};
    uint64_t* to = const_cast<uint64_t*>(here(out + i));
    Vector v[8 * runs];
    SUBROSA_UNROLLED
    for (int k = 0; k < 8 * runs; k++) v[k] = from(8 * k, m);
    forwardStages<8, runs, fresh>(v, RunRoots{t, node}, m);
    SUBROSA_UNROLLED
    for (int r = 0; r < runs; r++) transpose(v + 8 * r);
    forwardStages<8, runs, false>(v, LaneRoots{t, node}, m);
    SUBROSA_UNROLLED
    for (int r = 0; r < runs; r++) {
      SUBROSA_UNROLLED
      for (int k = 0; k < 8; k++) v[8 * r + k] = finish(v[8 * r + k], m);
      transpose(v + 8 * r);
    }
    SUBROSA_UNROLLED
    for (int k = 0; k < 8 * runs; k++) store(to + 8 * k, v[k]);
  }
}

template <int runs, bool narrow, typename After>
SUBROSA_APART void inverseTail(const uint64_t* x, uint64_t* out, const Table& table, const Range<narrow>& m, size_t at,
                               size_t node, size_t size, const After& after) {
  for (size_t i = at; i < at + size; i += runs * run, node += runs) {
    const uint64_t* from = here(x + i);
    const Table t = {here(table.root), here(table.quotient)};
    uint64_t* to = const_cast<uint64_t*>(here(out + i));
    Vector v[8 * runs];
    SUBROSA_UNROLLED
    for (int k = 0; k < 8 * runs; k++) v[k] = load(from + 8 * k);
    SUBROSA_UNROLLED
    for (int r = 0; r < runs; r++) transpose(v + 8 * r);
    inverseStages<8, runs>(v, LaneRoots{t, node}, m, Between{});
    SUBROSA_UNROLLED
    for (int r = 0; r < runs; r++) transpose(v + 8 * r);
    inverseStages<8, runs>(v, RunRoots{t, node}, m, after);
    SUBROSA_UNROLLED
    for (int k = 0; k < 8 * runs; k++) store(to + 8 * k, v[k]);
  }
}

// Radices of the passes above the runs: 8 while at least three stages are left, but two times 4 for four.
inline size_t radixOf(size_t size) {
  const unsigned stages = static_cast<unsigned>(__builtin_ctzll(size)) - 6;
  if (stages == 1) return 2;
  return stages == 2 || stages == 4 ? 4 : 8;
}

template <bool fresh, bool narrow, typename Load>
size_t forwardStep(const Load& from, uint64_t* out, const Table& t, const Range<narrow>& m, size_t at, size_t node,
                   size_t size) {
  const size_t radix = radixOf(size);
  if (radix == 8)
    forwardPass<8, fresh>(from, out, t, m, at, node, size);
  else if (radix == 4)
    forwardPass<4, fresh>(from, out, t, m, at, node, size);
  else
    forwardPass<2, fresh>(from, out, t, m, at, node, size);
  return radix;
}

// Everything below the block with the node `node`: pass by pass once the block fits the cache.
template <bool narrow, typename Finish>
void forwardBlock(uint64_t* x, const Finish& finish, const Table& t, const Range<narrow>& m, size_t at, size_t node,
                  size_t size) {
  const FromWords again{x};
  if (size > blockWords) {
    const size_t parts = forwardStep<false>(again, x, t, m, at, node, size);
    for (size_t k = 0; k < parts; k++)
      forwardBlock(x, finish, t, m, at + k * size / parts, parts * node + k, size / parts);
    return;
  }
  size_t blocks = 1, each = size;
  while (each > run) {
    size_t parts = 0;
    for (size_t k = 0; k < blocks; k++)
      parts = forwardStep<false>(again, x, t, m, at + k * each, blocks * node + k, each);
    blocks *= parts;
    each /= parts;
  }
  if (size == run)
    forwardTail<1, false>(again, x, finish, t, m, at, node, size);
  else
    forwardTail<2, false>(again, x, finish, t, m, at, blocks * node, size);
}

template <bool narrow, typename Load, typename Finish>
void forwardIn(const Prime& p, uint64_t* out, const Load& from, const Finish& finish) {
  const Table t = {static_cast<const uint64_t*>(p.root), static_cast<const uint64_t*>(p.rootQuotient)};
  const Range<narrow> m(p);
  if (p.n == run) return forwardTail<1, true>(from, out, finish, t, m, 0, 1, run);
  const size_t parts = forwardStep<true>(from, out, t, m, 0, 1, p.n);
  for (size_t k = 0; k < parts; k++) forwardBlock(out, finish, t, m, k * p.n / parts, parts + k, p.n / parts);
}

template <typename Load, typename Finish>
void forwardAll(const Prime& p, uint64_t* out, const Load& from, const Finish& finish) {
  if (p.q < narrowLimit)
    forwardIn<true>(p, out, from, finish);
  else
    forwardIn<false>(p, out, from, finish);
}

template <bool narrow, typename After>
void inverseStep(uint64_t* x, const Table& t, const Range<narrow>& m, size_t at, size_t node, size_t size,
                 const After& after) {
  const size_t radix = radixOf(size);
  if (radix == 8)
    inversePass<8>(x, t, m, at, node, size, after);
  else if (radix == 4)
    inversePass<4>(x, t, m, at, node, size, after);
  else
    inversePass<2>(x, t, m, at, node, size, after);
}

template <bool narrow>
void inverseBlock(const uint64_t* from, uint64_t* x, const Table& t, const Range<narrow>& m, size_t at, size_t node,
                  size_t size) {
  if (size > blockWords) {
    const size_t parts = radixOf(size);
    for (size_t k = 0; k < parts; k++)
      inverseBlock(from, x, t, m, at + k * size / parts, parts * node + k, size / parts);
    inverseStep(x, t, m, at, node, size, Between{});
    return;
  }
  size_t sizes[8];
  size_t passes = 0;
  for (size_t each = size; each > run; each /= radixOf(each)) sizes[passes++] = each;
  if (size == run)
    inverseTail<1>(from, x, t, m, at, node, size, Between{});
  else
    inverseTail<2>(from, x, t, m, at, size / run * node, size, Between{});
  while (passes-- > 0) {
    const size_t each = sizes[passes];
    for (size_t k = 0; k < size / each; k++)
      inverseStep(x, t, m, at + k * each, size / each * node + k, each, Between{});
  }
}

template <bool narrow, typename Finish>
void inverseIn(const Prime& p, uint64_t* out, const uint64_t* x, const Finish& finish) {
  const Table t = {static_cast<const uint64_t*>(p.inverseRoot), static_cast<const uint64_t*>(p.inverseRootQuotient)};
  const Range<narrow> m(p);
  const Ending<Finish> ending = {finish, t.root[0], t.quotient[0]};
  if (p.n == run) return inverseTail<1>(x, out, t, m, 0, 1, run, ending);
  const size_t parts = radixOf(p.n);
  for (size_t k = 0; k < parts; k++) inverseBlock(x, out, t, m, k * p.n / parts, parts + k, p.n / parts);
  inverseStep(out, t, m, 0, 1, p.n, ending);
}

template <typename Finish>
void inverseAll(const Prime& p, uint64_t* out, const uint64_t* x, const Finish& finish) {
  if (p.q < narrowLimit)
    inverseIn<true>(p, out, x, finish);
  else
    inverseIn<false>(p, out, x, finish);
}

}  // namespace

void forward(const Prime& p, uint64_t* x) { forwardAll(p, x, FromWords{x}, AsWord{}); }

void forwardLazy(const Prime& p, uint64_t* out, const uint64_t* x, double bound) {
  if (bound <= 2 * p.qDouble)
    forwardAll(p, out, FromNear{x}, AsLazy{});
  else
    forwardAll(p, out, fromFar(x, p), AsLazy{});
}

void forwardCombined(const Prime& p, uint64_t* out, const uint64_t* u, const uint64_t* v, const Factor& w) {
  forwardAll(p, out, FromCombination{fromFar(u, p), v, w.value, w.shoup52}, AsLazy{});
}

void inverse(const Prime& p, uint64_t* x) { inverseAll(p, x, x, AsWord{}); }

void inverseCentred(const Prime& p, uint64_t* out, const uint64_t* x) { inverseAll(p, out, x, AsCentred(p)); }

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
