// The loops of embedding.h on vectors of four doubles, for each instruction set to compile. Two or three stages at a time go over
// the arrays; the stages with distances 2 and 1, the bit reversal and the rounding are one pass over 4 x 4 tiles: places
// h slots/4 + 4 m + k with h, k < 4, which the reversal maps to tiles again.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "embedding/embedding.h"
#include "embedding/four_doubles.h"

namespace subrosa {
namespace {

inline bool hasOddStages(size_t slots) { return __builtin_ctzll(slots) % 2 == 1; }

// The stages with the distances 2 half and half: in this order, or with `rising` the other way.
template <bool rising, typename Step>
inline void twoStages(const EmbeddingRoots& roots, const Arrays& x, size_t half, const Step& step) {
  const double *cos = roots.cos + half, *sin = roots.sin + half;
  for (size_t start = 0; start < roots.slots; start += 4 * half) {
    for (size_t j = 0; j < half; j += 4) {
      Complex<Four> v[4];
      for (size_t k = 0; k < 4; k++) v[k] = x.load(start + j + k * half);
      const Four c = loadFour(cos + j), s = loadFour(sin + j);
      if (rising) {
        step(v[0], v[1], c, s);
        step(v[2], v[3], c, s);
      }
      step(v[0], v[2], loadFour(cos + half + j), loadFour(sin + half + j));
      step(v[1], v[3], loadFour(cos + 2 * half + j), loadFour(sin + 2 * half + j));
      if (!rising) {
        step(v[0], v[1], c, s);
        step(v[2], v[3], c, s);
      }
      for (size_t k = 0; k < 4; k++) x.store(start + j + k * half, v[k]);
    }
  }
}

// Steps between neighbours of eight at the distance `apart`, whose roots lie `half` apart.
template <size_t apart, typename Step>
inline void eightSteps(Complex<Four>* v, const double* cos, const double* sin, size_t half, const Step& step) {
#pragma GCC unroll 4
  for (size_t k = 0; k < apart; k++) {
    const Four c = loadFour(cos + (apart - 1 + k) * half), s = loadFour(sin + (apart - 1 + k) * half);
#pragma GCC unroll 4
    for (size_t i = k; i < 8; i += 2 * apart) step(v[i], v[i + apart], c, s);
  }
}

// The stages with the distances 4 half, 2 half and half, or the other way: vectors in excess of the registers take less than a
// stage of its own.
template <bool rising, typename Step>
inline void threeStages(const EmbeddingRoots& roots, const Arrays& x, size_t half, const Step& step) {
  for (size_t start = 0; start < roots.slots; start += 8 * half) {
    for (size_t j = 0; j < half; j += 4) {
      const double *cos = roots.cos + half + j, *sin = roots.sin + half + j;
      Complex<Four> v[8];
#pragma GCC unroll 8
      for (size_t k = 0; k < 8; k++) v[k] = x.load(start + j + k * half);
      if (rising) {
        eightSteps<1>(v, cos, sin, half, step);
        eightSteps<2>(v, cos, sin, half, step);
        eightSteps<4>(v, cos, sin, half, step);
      } else {
        eightSteps<4>(v, cos, sin, half, step);
        eightSteps<2>(v, cos, sin, half, step);
        eightSteps<1>(v, cos, sin, half, step);
      }
#pragma GCC unroll 8
      for (size_t k = 0; k < 8; k++) x.store(start + j + k * half, v[k]);
    }
  }
}

// Calls tile(m, reversed m) for each m < slots / 16. What is read in order comes ahead of time, and writing in any order waits for
// nothing.
template <typename Tile>
inline void forEachTile(size_t slots, const Tile& tile) {
  const size_t tiles = slots / 16;
  for (size_t m = 0, reversed = 0; m < tiles; m++) {
    tile(m, reversed);
    size_t bit = tiles / 2;
    for (; bit > 0 && (reversed & bit); bit /= 2) reversed ^= bit;
    reversed |= bit;
  }
}

// Scales, rounds and writes coefficients, and remembers whether they fit.
class Rounding {
 public:
  Rounding(double* out, size_t gap, double factor, double bound)
      : out_(out), gap_(gap), factor_(factor), bound_(bound) {}

  void write(size_t k, double x) {
    const double rounded = roundTies(x * factor_);
    fits_ &= isWithin(rounded, bound_);
    out_[k * gap_] = rounded;
  }
  void write(size_t k, Four x) {
    const Four rounded = roundTies(x * factor_);
    fourFit_ &= isWithin(rounded, bound_);
    if (gap_ == 1) return storeFour(out_ + k, rounded);
    for (size_t lane = 0; lane < 4; lane++) out_[(k + lane) * gap_] = rounded[lane];
  }
  bool fits() const { return (fits_ & fourFit_[0] & fourFit_[1] & fourFit_[2] & fourFit_[3]) != 0; }

 private:
  double* out_;
  size_t gap_;
  double factor_, bound_;
  int64_t fits_ = -1;
  FourBits fourFit_ = {-1, -1, -1, -1};
};

// Scales and rounds coefficients, and adds what they are modulo 1 in units of `unit` to a total, which the last ones reduce, too.
template <bool last>
struct AddingFractions {
  double* total;
  double factor, unit;

  void write(size_t k, double x) const { total[k] = added(total[k], x); }
  void write(size_t k, Four x) const { storeFour(total + k, added(loadFour(total + k), x)); }

  template <typename V>
  V added(V sum, V x) const {
    const V all = sum + fraction(roundTies(x * factor) * unit);
    return last ? fraction(all) : all;
  }
};

// Coefficients divided by a scale, at equal distances.
struct ScaledCoefficients {
  const double* in;
  size_t gap;
  double scale;

  double one(size_t k) const { return in[k * gap] / scale; }
  Four four(size_t k) const {
    const double* at = in + k * gap;
    return (gap == 1 ? loadFour(at) : Four{at[0], at[gap], at[2 * gap], at[3 * gap]}) / allFour(scale);
  }
};

struct IntegerCoefficients {
  const int32_t* in;

  double one(size_t k) const { return in[k]; }
  Four four(size_t k) const {
    FourIntegers v;
    __builtin_memcpy(&v, in + k, sizeof v);
    return fourOf(v);
  }
};

// Rows of n integers one after another, of which the next is fetched meanwhile: the order of reading hides it from the processor. Behind
// the last row that is a hint about addresses of nobody, which cannot fail.
struct IntegerRows {
  IntegerCoefficients row;
  size_t n;

  double one(size_t k) const { return row.one(k); }
  Four four(size_t k) const {
    __builtin_prefetch(row.in + n + k);
    return row.four(k);
  }
};

inline size_t reverseBits(size_t i, size_t count) {
  size_t reversed = 0;
  for (size_t bit = 1; bit < count; bit *= 2) reversed = 2 * reversed | ((i & bit) != 0);
  return reversed;
}

// Below 16 slots: value by value.
template <typename Writer>
inline void embedFew(const EmbeddingRoots& roots, double* re, double* im, Writer& to) {
  const size_t slots = roots.slots;
  for (size_t half = slots / 2; half >= 1; half /= 2)
    for (size_t i = 0; i < slots; i++) {
      if (i & half) continue;
      Complex<double> a = {re[i], im[i]}, b = {re[i + half], im[i + half]};
      const size_t root = half + i % half;
      embedStep(a, b, roots.cos[root], roots.sin[root]);
      re[i] = a.re, im[i] = a.im;
      re[i + half] = b.re, im[i + half] = b.im;
    }
  for (size_t i = 0; i < slots; i++) {
    to.write(reverseBits(i, slots), re[i]);
    to.write(slots + reverseBits(i, slots), im[i]);
  }
}

template <typename Reader>
inline void unembedFew(const EmbeddingRoots& roots, double* re, double* im, const Reader& from) {
  const size_t slots = roots.slots;
  for (size_t i = 0; i < slots; i++) {
    const size_t at = reverseBits(i, slots);
    re[i] = from.one(at);
    im[i] = from.one(at + slots);
  }
  for (size_t half = 1; half < slots; half *= 2)
    for (size_t i = 0; i < slots; i++) {
      if (i & half) continue;
      Complex<double> a = {re[i], im[i]}, b = {re[i + half], im[i + half]};
      const size_t root = half + i % half;
      unembedStep(a, b, roots.cos[root], roots.sin[root]);
      re[i] = a.re, im[i] = a.im;
      re[i + half] = b.re, im[i + half] = b.im;
    }
}

template <typename Writer>
inline void embedInto(const EmbeddingRoots& roots, double* re, double* im, Writer& to) {
  const size_t slots = roots.slots;
  if (slots < 16) return embedFew(roots, re, im, to);
  const Arrays x = {re, im};
  const auto step = [](Complex<Four>& a, Complex<Four>& b, const Four& c, const Four& s) { embedStep(a, b, c, s); };
  const bool isOdd = hasOddStages(slots);
  for (size_t half = slots / 2; half > (isOdd ? 16 : 4); half /= 4) twoStages<false>(roots, x, half / 2, step);
  if (isOdd) threeStages<false>(roots, x, 4, step);
  forEachTile(slots, [&](size_t m, size_t reversed) {
    Complex<Four> v[4];
    for (size_t h = 0; h < 4; h++) v[h] = x.load(reversedPair[h] * slots / 4 + 4 * m);
    transposeTile(v);
    step(v[0], v[2], allFour(roots.cos[2]), allFour(roots.sin[2]));
    step(v[1], v[3], allFour(roots.cos[3]), allFour(roots.sin[3]));
    step(v[0], v[1], allFour(roots.cos[1]), allFour(roots.sin[1]));
    step(v[2], v[3], allFour(roots.cos[1]), allFour(roots.sin[1]));
    for (size_t k = 0; k < 4; k++) {
      const size_t at = reversedPair[k] * slots / 4 + 4 * reversed;
      to.write(at, v[k].re);
      to.write(slots + at, v[k].im);
    }
  });
}

template <typename Reader>
inline void unembedFrom(const EmbeddingRoots& roots, double* re, double* im, const Reader& from) {
  const size_t slots = roots.slots;
  if (slots < 16) return unembedFew(roots, re, im, from);
  const Arrays x = {re, im};
  const auto step = [](Complex<Four>& a, Complex<Four>& b, const Four& c, const Four& s) { unembedStep(a, b, c, s); };
  forEachTile(slots, [&](size_t m, size_t reversed) {
    Complex<Four> v[4];
    for (size_t k = 0; k < 4; k++) {
      const size_t at = reversedPair[k] * slots / 4 + 4 * m;
      v[k] = {from.four(at), from.four(slots + at)};
    }
    step(v[0], v[1], allFour(roots.cos[1]), allFour(roots.sin[1]));
    step(v[2], v[3], allFour(roots.cos[1]), allFour(roots.sin[1]));
    step(v[0], v[2], allFour(roots.cos[2]), allFour(roots.sin[2]));
    step(v[1], v[3], allFour(roots.cos[3]), allFour(roots.sin[3]));
    transposeTile(v);
    for (size_t h = 0; h < 4; h++) x.store(reversedPair[h] * slots / 4 + 4 * reversed, v[h]);
  });
  size_t half = 4;
  if (hasOddStages(slots)) {
    threeStages<true>(roots, x, half, step);
    half *= 8;
  }
  for (; 4 * half <= slots; half *= 4) twoStages<true>(roots, x, half, step);
}

// How many slots stand side by side in the other operands of EmbeddingLoops::sumProducts.
constexpr size_t sideBySide(size_t slots) { return slots < 4 ? 1 : 4; }

// At the slots from j on: several operands at once, whose sums do not wait for each other.
template <size_t count, typename V, typename Load, typename Store>
inline void sumOfProducts(const SlotLayout& layout, size_t terms, const double* a, const double* b, size_t factors,
                          double* out, const Load& load, const Store& store) {
  constexpr size_t width = sizeof(V) / sizeof(double);
  const size_t im = layout.imaginary;
  Complex<V> sums[count] = {};
  for (size_t t = 0; t < terms; t++, a += 2 * im, b += factors * 2 * width) {
    const V x = load(a), y = load(a + im);
#pragma GCC unroll 4
    for (size_t f = 0; f < count; f++) {
      const V c = load(b + f * 2 * width), s = load(b + f * 2 * width + width);
      sums[f].re = sums[f].re + x * c - y * s;
      sums[f].im = sums[f].im + x * s + y * c;
    }
  }
  for (size_t f = 0; f < count; f++) {
    store(out + f * 2 * im, sums[f].re);
    store(out + f * 2 * im + im, sums[f].im);
  }
}

template <size_t count>
inline void sumProductsBy(const SlotLayout& layout, size_t terms, const double* a, const double* b, size_t factors,
                          double* out) {
  const size_t perSlot = terms * factors * 2;
  if (sideBySide(layout.slots) == 1) {
    for (size_t j = 0; j < layout.slots; j++)
      sumOfProducts<count, double>(
          layout, terms, a + j, b + j * perSlot, factors, out + j, [](const double* x) { return *x; },
          [](double* to, double x) { *to = x; });
    return;
  }
  for (size_t j = 0; j < layout.slots; j += 4)
    sumOfProducts<count, Four>(layout, terms, a + j, b + j * perSlot, factors, out + j, loadFour, storeFour);
}

inline void sumProductsAll(const SlotLayout& layout, size_t terms, const double* a, const double* b, size_t factors,
                           double* out) {
  size_t done = 0;
  const size_t width = sideBySide(layout.slots);
  const auto at = [&](auto by) {
    by(layout, terms, a, b + done * 2 * width, factors, out + done * 2 * layout.imaginary);
  };
  for (; done + 4 <= factors; done += 4) at(sumProductsBy<4>);
  if (factors - done == 3) at(sumProductsBy<3>);
  if (factors - done == 2) at(sumProductsBy<2>);
  if (factors - done == 1) at(sumProductsBy<1>);
}

// The slot values of one polynomial, number t, to their places among the other operands, as number f.
inline void placeFactorAll(const SlotLayout& layout, size_t terms, size_t t, size_t factors, size_t f, double* b,
                           const double* values) {
  const size_t width = sideBySide(layout.slots);
  for (size_t j = 0; j < layout.slots; j += width) {
    double* to = b + ((j / width * terms + t) * factors + f) * 2 * width;
    __builtin_memcpy(to, values + j, width * sizeof(double));
    __builtin_memcpy(to + width, values + layout.imaginary + j, width * sizeof(double));
  }
}

inline bool embedAll(const EmbeddingRoots& roots, double* out, size_t gap, double* re, double* im, double factor,
                     double bound) {
  Rounding to(out, gap, factor, bound);
  embedInto(roots, re, im, to);
  return to.fits();
}

template <bool last>
inline void embedFractionsAll(const EmbeddingRoots& roots, double* total, double* re, double* im, double factor,
                              double unit) {
  const AddingFractions<last> to = {total, factor, unit};
  embedInto(roots, re, im, to);
}

inline void unembedAll(const EmbeddingRoots& roots, double* re, double* im, const double* in, size_t gap,
                       double scale) {
  unembedFrom(roots, re, im, ScaledCoefficients{in, gap, scale});
}

inline void unembedIntegersAll(const EmbeddingRoots& roots, double* re, double* im, const int32_t* in) {
  unembedFrom(roots, re, im, IntegerRows{{in}, 2 * roots.slots});
}

inline void roundFractionsAll(const FractionRounding& how, double* out, double* distances, const int32_t* digits,
                              const double* masks, size_t n) {
  typedef uint32_t FourWords __attribute__((vector_size(16)));
  const size_t count = how.count;
  const Four results = allFour(how.results);
  Four farthest = {};
  const auto valueAt = [&](size_t j) {
    FourWords high, low;
    __builtin_memcpy(&high, digits + j, sizeof high);
    __builtin_memcpy(&low, digits + n + j, sizeof low);
    const FourIntegers word = reinterpret_cast<FourIntegers>((high << 16) + low);
    Four value = fourOf(word) * 0x1p-32 - loadFour(masks + j);
    double unit = 0x1p-32;
    for (size_t d = 0; d < how.lowDigits; d++) {
      unit *= how.digitUnit;
      value = value + IntegerCoefficients{digits + (d + 2) * n}.four(j) * unit;
    }
    return fraction(value) * results;
  };
  for (size_t j = 0; j < n; j += 4) {
    const Four value = valueAt(j);
    const Four distance = fraction(value);
    const FourBits size = bitsOf(distance) & ~signBit;
    farthest = valueOf(size > bitsOf(farthest) ? size : bitsOf(farthest));
    const Four rounded = value - distance + 0.0;
    if (j + 4 <= count)
      storeFour(out + j, rounded);
    else
      for (size_t lane = 0; j + lane < count; lane++) out[j + lane] = rounded[lane];
  }
  double largest = 0;
  for (size_t lane = 0; lane < 4; lane++) largest = farthest[lane] > largest ? farthest[lane] : largest;
  *distances = largest;
}

inline double squaredNormAll(const int32_t* values, size_t count, int32_t bound) {
  Four sums = {};
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const Four four = IntegerCoefficients{values}.four(i);
    sums = sums + four * four;
  }
  double sum = sums[0] + sums[1] + sums[2] + sums[3];
  for (; i < count; i++) sum += static_cast<double>(values[i]) * values[i];
  const uint32_t highest = static_cast<uint32_t>(bound);
  uint32_t beyond = 0;
  // One of the two is negative when the value is beyond.
  for (i = 0; i < count; i++) beyond |= (highest - static_cast<uint32_t>(values[i])) | (highest + static_cast<uint32_t>(values[i]));
  return beyond >> 31 ? -1.0 : sum;
}

}  // namespace
}  // namespace subrosa
