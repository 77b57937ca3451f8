// Inner products of polynomials in the NTT domain, and of such that are still integers.
#include <algorithm>
#include <atomic>

#include "addon.h"
#include "memory.h"
#include "pool.h"
#include "ring_arguments.h"
#include "ring_convert.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 16;  // Words transformed.

void residues(const Operations& op, const Prime& p, uint64_t* out, const double* values) {
  op.conversions->fromDoubles(p, out, values);
}

void residues(const Operations&, const Prime& p, uint64_t* out, const int32_t* values) {
  const int64_t q = static_cast<int64_t>(p.q);
  if (p.q > uint64_t{1} << 31) {
    for (size_t i = 0; i < p.n; i++) {
      const int64_t value = values[i];
      out[i] = static_cast<uint64_t>(value + (q & (value >> 63)));
    }
    return;
  }
  for (size_t i = 0; i < p.n; i++) {
    const int64_t value = values[i] % q;
    out[i] = static_cast<uint64_t>(value + (q & (value >> 63)));
  }
}

constexpr size_t mostTerms = 64;  // Of Operations::innerProduct.

// The sums of any number of terms; `spare` has room for two.
void sumTerms(const Operations& op, const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
              uint64_t* spare) {
  op.innerProduct(p, out0, out1, terms, std::min(count, mostTerms), nullptr);
  for (size_t t = mostTerms; t < count; t += mostTerms) {
    op.innerProduct(p, spare, spare + p.n, terms + t, std::min(count - t, mostTerms), nullptr);
    op.add(p, out0, out0, spare);
    op.add(p, out1, out1, spare + p.n);
  }
}

// out[row] = sum over its terms of NTT(values[row, term]) b[term], limb by limb, two rows at a time, which share the loads of b;
// false when memory is exhausted.
template <typename Value>
bool transformDot(const Ring& ring, const std::vector<size_t>& mods, Span<uint64_t> out, const Value* values,
                  Span<uint64_t> b) {
  const size_t n = ring.n(), size = mods.size() * n, terms = b.length / size, rows = out.length / size;
  const Operations& op = ring.operations();
  std::atomic<bool> exhausted{false};
  parallelFor((rows + 1) / 2 * mods.size(), terms * out.length >= parallelFrom, [&](size_t task) {
    const size_t position = task % mods.size(), row = task / mods.size() * 2;
    const bool pair = row + 1 < rows;
    // The transforms of both rows, a place for the sum of a row that is not there, two spare ones, the terms.
    const size_t words = (2 * terms + 3) * n;
    uint64_t* work = static_cast<uint64_t*>(threadScratch(0, words * sizeof(uint64_t) + terms * sizeof(InnerTerm)));
    if (!work) {
      exhausted = true;
      return;
    }
    InnerTerm* list = reinterpret_cast<InnerTerm*>(work + words);
    const Prime& p = ring.prime(mods[position]);
    const Value* from = values + row * terms * n;
    for (size_t t = 0; t < (pair ? 2 : 1) * terms; t++) {
      residues(op, p, work + t * n, from + t * n);
      op.forward(p, work + t * n);
    }
    for (size_t t = 0; t < terms; t++) {
      const uint64_t* own = work + t * n;
      list[t] = {b.data + t * size + position * n, own, pair ? own + terms * n : own, true};
    }
    uint64_t* to = out.data + row * size + position * n;
    uint64_t* unused = work + 2 * terms * n;
    sumTerms(op, p, to, pair ? to + size : unused, list, terms, unused + n);
  });
  return !exhausted;
}

// transformDot(ring, out, integers, b, mods), transformDotDoubles(ring, out, doubles, b, mods)
template <bool doubles>
Napi::Value transformDotCall(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<double> reals = doubles ? args.doubles(2, "the values") : Span<double>{};
  const Span<int32_t> integers = doubles ? Span<int32_t>{} : args.int32s(2, "the values");
  const Span<uint64_t> b = args.words(3, "b");
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t size = mods.size() * ring->n();
  const size_t rows = args.batch(out.length, size, "out"), terms = args.batch(b.length, size, "b");
  args.require(terms > 0, "b", "at least one polynomial", "empty");
  args.requireSize(doubles ? reals.length : integers.length, rows * terms * ring->n(), "the values");
  args.requireApart(out, b, "b");
  // A fixed text: the value itself may be a secret.
  args.require(args.ok() && areIntegers(reals.data, reals.length), "a value", "an integer below 2^100", "not one",
               "range");
  if (!args.ok()) return info.Env().Undefined();
  const bool done = doubles ? transformDot(*ring, mods, out, reals.data, b)
                            : transformDot(*ring, mods, out, integers.data, b);
  args.require(done, "memory", "available", "exhausted", "kernel");
  return info.Env().Undefined();
}

// sumProducts(ring, out, a, b, mods): a holds [terms, rows] polynomials, b [terms], out [rows].
Napi::Value sumProductsCall(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const Span<uint64_t> b = args.words(3, "b");
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n(), size = mods.size() * n;
  const size_t rows = args.batch(out.length, size, "out"), terms = args.batch(b.length, size, "b");
  args.require(terms > 0, "b", "at least one polynomial", "empty");
  args.requireSize(a.length, rows * terms * size, "a");
  args.requireApart(out, a, "a");
  args.requireApart(out, b, "b");
  if (!args.ok()) return info.Env().Undefined();
  const Operations& op = ring->operations();
  std::atomic<bool> exhausted{false};
  // Two rows share the loads of b.
  parallelFor((rows + 1) / 2 * mods.size(), a.length >= parallelFrom, [&](size_t task) {
    const size_t position = task % mods.size(), row = task / mods.size() * 2;
    const bool pair = row + 1 < rows;
    uint64_t* unused = static_cast<uint64_t*>(threadScratch(0, 3 * n * sizeof(uint64_t) + terms * sizeof(InnerTerm)));
    if (!unused) {
      exhausted = true;
      return;
    }
    InnerTerm* list = reinterpret_cast<InnerTerm*>(unused + 3 * n);
    for (size_t t = 0; t < terms; t++) {
      const uint64_t* key = a.data + (t * rows + row) * size + position * n;
      list[t] = {b.data + t * size + position * n, key, pair ? key + size : key, true};
    }
    uint64_t* to = out.data + row * size + position * n;
    sumTerms(op, ring->prime(mods[position]), to, pair ? to + size : unused, list, terms, unused + n);
  });
  args.require(!exhausted, "memory", "available", "exhausted", "kernel");
  return info.Env().Undefined();
}

}  // namespace

void registerTransformDot(Napi::Env, Napi::Object exports) {
  addFunction(exports, "transformDot", transformDotCall<false>);
  addFunction(exports, "sumProducts", sumProductsCall);
  addFunction(exports, "transformDotDoubles", transformDotCall<true>);
}

}  // namespace subrosa
