// Integers at their places in a transform, to polynomials and back; see Kernel.encodeSlots. Nothing branches on a value.
#include <cstring>

#include "addon/addon.h"
#include "addon/ring_arguments.h"
#include "machine/memory.h"

namespace subrosa {
namespace {

// Whether all values are integers below q in size; their residues go to the places modulo n.
template <typename Value>
bool place(uint64_t* out, Span<Value> values, const uint32_t* places, const Ring& ring) {
  const int64_t q = static_cast<int64_t>(ring.prime(0).q);
  const size_t mask = ring.n() - 1;
  bool fits = true;
  for (size_t i = 0; i < values.length; i++) {
    // What is far outside or no number is not converted.
    const double value = static_cast<double>(values.data[i]);
    const bool near = value > -1e15 && value < 1e15;
    const int64_t word = static_cast<int64_t>(near ? value : 0.5);
    fits &= near & (static_cast<double>(word) == value) & (word < q) & (-word < q);
    out[places[i] & mask] = static_cast<uint64_t>(word + (q & (word >> 63)));
  }
  return fits;
}

// encodeSlots(ring, out, values, places) -> whether all values fit
Napi::Value encodeSlots(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const size_t n = ring ? ring->n() : 0;
  const Span<uint64_t> out = args.words(1, "the polynomial", n);
  const bool integers = args.holds(2, napi_int32_array);
  const Span<int32_t> whole = integers ? args.int32s(2, "the values") : Span<int32_t>();
  const Span<double> doubles = integers ? Span<double>() : args.doubles(2, "the values");
  const Span<uint32_t> places = args.uint32s(3, "the places", n);
  args.require(whole.length <= n && doubles.length <= n, "the values", "at most n", "more");
  if (!args.ok()) return info.Env().Undefined();
  memset(out.data, 0, n * sizeof(uint64_t));
  const bool fits =
      integers ? place(out.data, whole, places.data, *ring) : place(out.data, doubles, places.data, *ring);
  if (fits) ring->operations().inverse(ring->prime(0), out.data);
  return Napi::Boolean::New(info.Env(), fits);
}

// decodeSlots(ring, out, a, places)
Napi::Value decodeSlots(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const size_t n = ring ? ring->n() : 0;
  const Span<double> out = args.doubles(1, "out", n);
  const Span<uint64_t> a = args.words(2, "the polynomial", n);
  const Span<uint32_t> places = args.uint32s(3, "the places", n);
  if (!args.ok()) return info.Env().Undefined();
  const size_t bytes = n * sizeof(uint64_t);
  uint64_t* values = static_cast<uint64_t*>(threadScratch(0, bytes));
  if (!args.require(values != nullptr, "memory", "available", "exhausted", "kernel")) return info.Env().Undefined();
  memcpy(values, a.data, bytes);
  ring->operations().forward(ring->prime(0), values);
  const int64_t q = static_cast<int64_t>(ring->prime(0).q), half = q / 2;
  for (size_t i = 0; i < n; i++) {
    const int64_t word = static_cast<int64_t>(values[places.data[i] & (n - 1)]);
    out.data[i] = static_cast<double>(word - (q & ((half - word) >> 63)));
  }
  wipeBlock(values, bytes);
  return info.Env().Undefined();
}

}  // namespace

void registerSlots(Napi::Env, Napi::Object exports) {
  addFunction(exports, "encodeSlots", encodeSlots);
  addFunction(exports, "decodeSlots", decodeSlots);
}

}  // namespace subrosa
