// The arguments that the ring functions of the addon share: a ring, limb lists, batches of polynomials.
#pragma once

#include <memory>
#include <vector>

#include "addon/arguments.h"
#include "ring/keyswitch.h"
#include "ring/ring_tables.h"

namespace subrosa {

// What a JavaScript handle points to. `ring` is null once it was released.
struct RingHandle {
  std::unique_ptr<Ring> ring;
};

constexpr napi_type_tag ringTag = {0x5c1d6f0e9a3b4c27, 0x91e2a7d350684bfc};

class RingArguments : public Arguments {
 public:
  explicit RingArguments(const Napi::CallbackInfo& info) : Arguments(info) {}

  const Ring* ring(size_t index) {
    RingHandle* handle = this->handle<RingHandle>(index, "the ring", ringTag);
    if (!handle) return nullptr;
    if (!require(handle->ring != nullptr, "the ring", "open", "released")) return nullptr;
    return handle->ring.get();
  }

  // Indices into the ring's primes: at least one, none outside.
  std::vector<size_t> limbs(size_t index, const char* what, const Ring* ring) {
    std::vector<size_t> list;
    const Span<uint32_t> span = uint32s(index, what);
    if (!ok()) return list;
    if (!require(span.length > 0 && span.length <= maxRingPrimes, what, "1 to 64 limbs", "not")) return list;
    for (size_t i = 0; i < span.length; i++) {
      if (!require(span.data[i] < ring->primeCount(), what, "limbs of the ring", "an index outside")) return {};
      list.push_back(span.data[i]);
    }
    return list;
  }

  // A non-zero multiple of `unit` words is a batch; the number of units.
  size_t batch(size_t length, size_t unit, const char* what) {
    if (!ok()) return 0;
    if (length % unit == 0) return length / unit;
    char needed[48], got[32];
    snprintf(needed, sizeof needed, "a multiple of %zu words", unit);
    snprintf(got, sizeof got, "%zu", length);
    fail("shape", what, needed, got);
    return 0;
  }

  void requireApart(Span<uint64_t> out, Span<uint64_t> in, const char* what) {
    require(out.data + out.length <= in.data || in.data + in.length <= out.data, "out", "other words than the input",
            what);
  }
  // The same words or no word in common.
  void requireSameOrApart(Span<uint64_t> out, Span<uint64_t> in, const char* what) {
    if (out.data == in.data && out.length == in.length) return;
    requireApart(out, in, what);
  }

  // Two consecutive arguments, q and p: a shape without digits or a key.
  KeyShape extendedBasis(size_t index, const Ring* ring) {
    KeyShape shape;
    shape.q = limbs(index, "the primes of the key switch", ring);
    shape.p = limbs(index + 1, "the special primes", ring);
    for (size_t i = 0; i < shape.limbs(); i++)
      for (size_t j = 0; j < i; j++)
        require(shape.limb(i) != shape.limb(j), "the primes of the key switch", "distinct", "repeated");
    return shape;
  }

  // Four consecutive arguments: q, p, alpha, keyLimbs.
  KeyShape keyShape(size_t index, const Ring* ring) {
    KeyShape shape = extendedBasis(index, ring);
    shape.alpha = static_cast<size_t>(integer(index + 2, "alpha", 1, maxRingPrimes));
    const std::vector<size_t> keyLimbs = limbs(index + 3, "the key limbs", ring);
    if (!ok()) return shape;
    shape.keyLimbs = keyLimbs.size();
    shape.slots = slots(shape, keyLimbs.data(), keyLimbs.size());
    return shape;
  }

  // Where in a list of key limbs those of the shape are.
  template <typename Limb>
  std::vector<size_t> slots(const KeyShape& shape, const Limb* keyLimbs, size_t count) {
    std::vector<size_t> places;
    for (size_t i = 0; i < shape.limbs(); i++) {
      size_t slot = 0;
      while (slot < count && keyLimbs[slot] != shape.limb(i)) slot++;
      require(slot < count, "the key limbs", "a superset of q and p", "not");
      places.push_back(slot);
    }
    return places;
  }

  // A key of at least the digits that the shape uses.
  Span<uint64_t> key(size_t index, const Ring* ring, const KeyShape& shape) {
    const Span<uint64_t> span = words(index, "the key");
    requireDigits(span, shape.keyLimbs, ring, shape);
    return span;
  }

  void requireDigits(Span<uint64_t> key, size_t keyLimbs, const Ring* ring, const KeyShape& shape) {
    if (!ok()) return;
    const size_t have = batch(key.length, 2 * keyLimbs * ring->n(), "the key");
    require(have >= shape.digits(), "the key", "as many digits as the shape", "fewer");
  }

  uint64_t galois(size_t index, const Ring* ring) {
    if (!ok()) return 1;
    const int64_t value = integer(index, "the Galois element", 1, static_cast<int64_t>(2 * ring->n() - 1));
    require(value % 2 == 1, "the Galois element", "odd", "even");
    return static_cast<uint64_t>(value);
  }

  // Three consecutive arguments: Galois elements, their keys, the limbs of each; a key of the element 1 is not looked at.
  std::vector<TransformRotation> rotations(size_t index, const Ring* ring, const KeyShape& shape, Span<uint64_t> out) {
    const Span<uint32_t> elements = uint32s(index, "the Galois elements");
    const std::vector<Span<uint64_t>> keys = wordLists(index + 1, "the keys");
    const std::vector<Span<uint32_t>> limbLists = uint32Lists(index + 2, "the key limbs");
    require(elements.length > 0, "the Galois elements", "at least one", "none");
    requireSize(keys.size(), elements.length, "the keys");
    requireSize(limbLists.size(), elements.length, "the lists of key limbs");
    std::vector<TransformRotation> all;
    for (size_t i = 0; i < elements.length && ok(); i++) {
      TransformRotation rotation;
      const uint32_t element = elements.data[i];
      require(element % 2 == 1 && element < 2 * ring->n(), "every Galois element", "odd and below 2 n", "not");
      if (ok() && element != 1) {
        rotation.keyLimbs = limbLists[i].length;
        require(rotation.keyLimbs > 0 && rotation.keyLimbs <= maxRingPrimes, "the key limbs", "1 to 64", "not");
        rotation.slots = slots(shape, limbLists[i].data, limbLists[i].length);
        requireDigits(keys[i], rotation.keyLimbs, ring, shape);
        requireApart(out, keys[i], "the key");
        rotation.key = keys[i].data;
        if (ok()) rotation.galoisTable = ring->automorphismTable(element);
      }
      all.push_back(rotation);
    }
    return all;
  }
};

void registerKeySwitch(Napi::Env env, Napi::Object exports);
void registerBlindRotation(Napi::Env env, Napi::Object exports);
void registerSlots(Napi::Env env, Napi::Object exports);
void registerSumProducts(Napi::Env env, Napi::Object exports);
void registerSampler(Napi::Env env, Napi::Object exports);
void registerEdwards(Napi::Env env, Napi::Object exports);

}  // namespace subrosa
