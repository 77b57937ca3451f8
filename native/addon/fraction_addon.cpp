// Fractions modulo 1 in words of 32 bits, most significant first: residues to fractions, and integers times fractions.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "addon/addon.h"
#include "machine/declassified.h"
#include "embedding/embedding.h"
#include "machine/memory.h"
#include "machine/pool.h"
#include "addon/ring_arguments.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 15;  // Coefficients.
constexpr size_t mostWords = 4;
constexpr int splitBits = 48;  // Of all exact parts.
constexpr int restBits = 48;   // The rest is rounded to so many bits behind the point.

// 2^(32 words + guardBits) / q, rounded down, has `places` words, and so have sums of its multiples: what is over is an integer.
constexpr size_t guardBits = 75;
constexpr size_t guardWords = (guardBits + 31) / 32;
constexpr size_t mostPlaces = mostWords + guardWords;

struct Reciprocal {
  uint32_t places[mostPlaces];  // From the lowest.
};

Reciprocal reciprocalOf(uint64_t q, size_t words) {
  Reciprocal out = {};
  const size_t bits = 32 * words + guardBits;
  uint64_t rest = 0;
  // Long division of 2^bits, bit by bit: the rest stays below q < 2^50.
  for (size_t i = bits + 1; i-- > 0;) {
    rest = 2 * rest + (i == bits);
    const size_t place = i / 32;
    if (rest >= q) {
      rest -= q;
      if (place < mostPlaces) out.places[place] |= uint32_t{1} << (i % 32);
    }
  }
  return out;
}

// sum += y * factor, what is over the last place forgotten.
void addMultiple(uint32_t* sum, size_t places, uint64_t y, const Reciprocal& factor) {
  for (size_t half = 0; half < 2; half++) {
    const uint64_t digit = static_cast<uint32_t>(y >> (32 * half));
    uint64_t over = 0;
    for (size_t k = 0; k + half < places; k++) {
      over += digit * factor.places[k] + sum[k + half];
      sum[k + half] = static_cast<uint32_t>(over);
      over >>= 32;
    }
  }
}

void sumFractions(uint32_t* to, const uint64_t* residues, size_t n, const std::vector<Reciprocal>& factors, size_t words) {
  const size_t places = words + guardWords;
  uint32_t sum[mostPlaces] = {};
  sum[(guardBits - 1) / 32] = uint32_t{1} << ((guardBits - 1) % 32);
  for (size_t l = 0; l < factors.size(); l++) addMultiple(sum, places, residues[l * n], factors[l]);
  for (size_t w = 0; w < words; w++) {
    const size_t at = guardBits / 32 + w;
    const uint64_t two = sum[at] | static_cast<uint64_t>(sum[at + 1]) << 32;
    to[words - 1 - w] = static_cast<uint32_t>(two >> (guardBits % 32));
  }
}

#ifdef __SIZEOF_INT128__
// The same for two words: bits 75 to 138 of the sum, of which 64-bit halves are multiplied.
void sumShortFractions(uint32_t* to, const uint64_t* residues, size_t n, const std::vector<Reciprocal>& factors) {
  using Double = unsigned __int128;
  Double low = 0;
  uint64_t high = 0;
  const auto add = [&](Double value) {
    low += value;
    high += low < value;
  };
  add(Double{1} << (guardBits - 1));
  for (size_t l = 0; l < factors.size(); l++) {
    const uint32_t* f = factors[l].places;
    const uint64_t y = residues[l * n];
    add(Double{y} * (f[0] | static_cast<uint64_t>(f[1]) << 32));
    const Double upper = Double{y} * (f[2] | static_cast<uint64_t>(f[3]) << 32);
    high += static_cast<uint64_t>(upper >> 64);
    add(upper << 64);
  }
  constexpr unsigned shift = guardBits - 64;
  const uint64_t fraction = static_cast<uint64_t>(low >> 64) >> shift | high << (64 - shift);
  to[0] = static_cast<uint32_t>(fraction >> 32);
  to[1] = static_cast<uint32_t>(fraction);
}
#else
void sumShortFractions(uint32_t* to, const uint64_t* residues, size_t n, const std::vector<Reciprocal>& factors) {
  sumFractions(to, residues, n, factors, 2);
}
#endif

// fractionSums(ring, out, a, words, mods)
Napi::Value fractionSums(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint32_t> out = args.uint32s(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const size_t words = static_cast<size_t>(args.integer(3, "the words of a fraction", 2, mostWords));
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n(), limbs = mods.size(), count = args.batch(a.length, limbs * n, "a");
  args.requireSize(out.length, count * n * words, "out");
  if (!args.ok()) return info.Env().Undefined();
  std::vector<Reciprocal> factors;
  for (size_t limb : mods) factors.push_back(reciprocalOf(ring->prime(limb).q, words));
  parallelFor(count, count * n >= parallelFrom, [&](size_t polynomial) {
    const uint64_t* from = a.data + polynomial * limbs * n;
    uint32_t* to = out.data + polynomial * n * words;
    for (size_t i = 0; i < n; i++) {
      if (words == 2)
        sumShortFractions(to + 2 * i, from + i, n, factors);
      else
        sumFractions(to + words * i, from + i, n, factors, words);
    }
  });
  return info.Env().Undefined();
}

struct FractionParts {
  int bits, exact;

  // Part `index` of `count` fractions, as integers; the rest, behind the exact ones, in units of 2^-64.
  void split(double* out, const uint32_t* b, size_t words, size_t count, int index) const {
    uint64_t offset = 0;
    for (int i = 0; i <= exact; i++) offset += uint64_t{1} << (63 - bits * i);
    const bool isRest = index == exact;
    const int below = isRest ? 0 : 64 - bits * (index + 1), width = isRest ? 64 - bits * exact : bits;
    const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
    const double half = std::ldexp(1.0, width - 1);
    for (size_t i = 0; i < count; i++, b += words) {
      const uint64_t field = (((static_cast<uint64_t>(b[0]) << 32 | b[1]) + offset) >> below) & mask;
      const double high = static_cast<double>(static_cast<uint32_t>(field >> 32)) * 4294967296.0;
      const double value = high + static_cast<double>(static_cast<uint32_t>(field)) - half;
      out[i] = isRest && words > 2 ? value + static_cast<double>(b[2]) * 0x1p-32 : value;
    }
  }
};

// That a key is zero may show: its weights are zero, which are known. Others show in their first values that they are not.
bool areZero(const int32_t* values, size_t count) {
  constexpr size_t block = 16;
  for (size_t start = 0; start < count; start += block) {
    int32_t any = 0;
    for (size_t i = start; i < std::min(start + block, count); i++) any |= values[i];
    if (declassified(any != 0)) return false;
  }
  return true;
}

// fractionDot(isa, cos, sin, out, values, b, words, bits, exact)
Napi::Value fractionDot(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const EmbeddingLoops& loops = embeddingLoops(args.isa(0));
  const Span<double> cos = args.doubles(1, "the cosines");
  const Span<double> sin = args.doubles(2, "the sines", cos.length);
  const Span<double> out = args.doubles(3, "out");
  const Span<int32_t> integers = args.int32s(4, "the values");
  const Span<uint32_t> b = args.uint32s(5, "b");
  const size_t words = static_cast<size_t>(args.integer(6, "the words of a fraction", 2, mostWords));
  const int bits = static_cast<int>(args.integer(7, "the bits of a part", 1, splitBits));
  const int exact = static_cast<int>(args.integer(8, "the exact parts", 0, splitBits));
  if (!args.ok()) return info.Env().Undefined();
  const size_t slots = cos.length, n = 2 * slots;
  args.require(slots > 0 && (slots & (slots - 1)) == 0, "the number of slots", "a power of two", "not");
  args.require(bits * exact <= splitBits, "the parts of fractions", "of at most 48 bits together", "of more");
  if (!args.ok()) return info.Env().Undefined();
  const size_t rows = out.length / n, terms = b.length / (n * words);
  args.require(terms > 0, "b", "at least one polynomial", "empty");
  args.requireSize(b.length, terms * n * words, "b");
  args.requireSize(out.length, rows * n, "out");
  args.requireSize(integers.length, rows * terms * n, "the values");
  if (!args.ok()) return info.Env().Undefined();

  const EmbeddingRoots roots = {slots, cos.data, sin.data};
  const FractionParts parts = {bits, exact};
  const SlotLayout layout(slots);
  const size_t im = layout.imaginary, polynomial = 2 * im, spectrum = terms * polynomial;
  const size_t partCount = static_cast<size_t>(exact) + 1;
  // The caller's scratch: slot values of all parts of b, a part of b, slot values of one polynomial. A thread's: those of a row, and sums for all parts.
  double* spectra = static_cast<double*>(threadScratch(0, (partCount * terms * n + terms * n + polynomial) * sizeof(double)));
  std::atomic<bool> exhausted{spectra == nullptr};
  if (spectra) {
    double *part = spectra + partCount * terms * n, *values = part + terms * n;
    for (size_t p = 0; p < partCount; p++) {
      parts.split(part, b.data, words, terms * n, static_cast<int>(p));
      for (size_t t = 0; t < terms; t++) {
        loops.unembed(roots, values, values + im, part + t * n, 1, 1);
        loops.placeFactor(layout, terms, t, partCount, p, spectra, values);
      }
    }
    parallelFor(rows, rows * spectrum >= parallelFrom, [&](size_t row) {
      double* own = static_cast<double*>(threadScratch(1, (spectrum + partCount * polynomial) * sizeof(double)));
      if (!own) {
        exhausted = true;
        return;
      }
      double *sums = own + spectrum, *total = out.data + row * n;
      const int32_t* value = integers.data + row * terms * n;
      for (size_t i = 0; i < n; i++) total[i] = 0;
      if (areZero(value, terms * n)) return;
      for (size_t t = 0; t < terms; t++) {
        double* to = own + t * polynomial;
        loops.unembedIntegers(roots, to, to + im, value + t * n);
      }
      loops.sumProducts(layout, terms, own, spectra, partCount, sums);
      for (size_t p = 0; p < partCount; p++) {
        const bool isRest = p + 1 == partCount;
        double* sum = sums + p * polynomial;
        const double factor = (isRest ? std::ldexp(1.0, restBits - 64) : 1.0) / static_cast<double>(slots);
        const double unit = std::ldexp(1.0, -(isRest ? restBits : bits * (static_cast<int>(p) + 1)));
        loops.embedFractions[isRest](roots, total, sum, sum + im, factor, unit);
      }
    });
  }
  args.require(!exhausted, "memory", "available", "exhausted", "kernel");
  return info.Env().Undefined();
}

// roundFractions(isa, out, distances, digits, masks, n, digitBits, results)
Napi::Value roundFractions(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const EmbeddingLoops& loops = embeddingLoops(args.isa(0));
  const Span<double> out = args.doubles(1, "out");
  const Span<double> distances = args.doubles(2, "the distances");
  const Span<int32_t> digits = args.int32s(3, "the digits");
  const Span<double> masks = args.doubles(4, "the masks");
  const size_t n = static_cast<size_t>(args.integer(5, "the length of a row", 4, int64_t{1} << 26));
  const int digitBits = static_cast<int>(args.integer(6, "the bits of a digit", 0, 32));
  const double results = args.number(7, "the number of results");
  if (!args.ok()) return info.Env().Undefined();
  const size_t rows = distances.length, size = rows * n;
  args.require(rows > 0 && n % 4 == 0, "the rows", "of a multiple of four", "not");
  args.requireSize(masks.length, size, "the masks");
  if (!args.ok()) return info.Env().Undefined();
  const size_t steps = digits.length / size, count = out.length / rows;
  args.require(steps > 1 && digits.length == steps * size, "the digits", "two or more for each value", "not");
  args.require(count <= n && out.length == count * rows, "out", "rows of at most n", "not");
  if (!args.ok()) return info.Env().Undefined();
  const FractionRounding how = {steps - 2, std::ldexp(1.0, -digitBits), results, count};
  parallelFor(rows, size >= parallelFrom, [&](size_t row) {
    loops.roundFractions(how, out.data + row * count, distances.data + row, digits.data + row * steps * n,
                         masks.data + row * n, n);
  });
  return info.Env().Undefined();
}

// squaredNorms(isa, out, values, bound) -> whether all values are within
Napi::Value squaredNorms(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const EmbeddingLoops& loops = embeddingLoops(args.isa(0));
  const Span<double> out = args.doubles(1, "out");
  const Span<int32_t> values = args.int32s(2, "the values");
  const int32_t bound = static_cast<int32_t>(args.integer(3, "the bound", 0, INT32_MAX));
  if (!args.ok()) return info.Env().Undefined();
  args.require(out.length > 0, "out", "at least one row", "empty");
  if (!args.ok()) return info.Env().Undefined();
  const size_t length = values.length / out.length;
  args.requireSize(values.length, length * out.length, "the values");
  args.require(static_cast<double>(length) * bound * bound <= 9007199254740992.0, "the bound", "of squares that add up to 2^53 at most",
               "larger");
  if (!args.ok()) return info.Env().Undefined();
  bool isWithin = true;
  for (size_t row = 0; row < out.length; row++) {
    out.data[row] = loops.squaredNorm(values.data + row * length, length, bound);
    isWithin &= out.data[row] >= 0;
  }
  return Napi::Boolean::New(info.Env(), isWithin);
}

}  // namespace

void registerFractions(Napi::Env, Napi::Object exports) {
  addFunction(exports, "fractionSums", fractionSums);
  addFunction(exports, "fractionDot", fractionDot);
  addFunction(exports, "roundFractions", roundFractions);
  addFunction(exports, "squaredNorms", squaredNorms);
}

}  // namespace subrosa
