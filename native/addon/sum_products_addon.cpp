// Inner products of polynomials in the NTT domain.
#include <algorithm>
#include <atomic>

#include "addon/addon.h"
#include "machine/memory.h"
#include "machine/pool.h"
#include "addon/ring_arguments.h"

namespace subrosa {
namespace {

constexpr size_t parallelFrom = size_t{1} << 16;  // Words of a.

constexpr size_t mostTerms = 64;  // Of Operations::innerProduct.

// The sums of any number of terms; `spare` has room for two.
void sumTerms(const Operations& op, const Prime& p, uint64_t* out0, uint64_t* out1, const InnerTerm* terms, size_t count,
              uint64_t* spare) {
  op.innerProduct(p, out0, out1, terms, std::min(count, mostTerms), nullptr, 0, p.n);
  for (size_t t = mostTerms; t < count; t += mostTerms) {
    op.innerProduct(p, spare, spare + p.n, terms + t, std::min(count - t, mostTerms), nullptr, 0, p.n);
    op.add(p, out0, out0, spare);
    op.add(p, out1, out1, spare + p.n);
  }
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

void registerSumProducts(Napi::Env, Napi::Object exports) {
  addFunction(exports, "sumProducts", sumProductsCall);
}

}  // namespace subrosa
