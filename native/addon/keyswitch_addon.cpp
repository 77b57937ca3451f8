// Rescaling and key switching as functions of the addon: batches, one polynomial or ciphertext per turn of the pool.
#include <atomic>

#include "addon/addon.h"
#include "machine/memory.h"
#include "machine/pool.h"
#include "addon/ring_arguments.h"

namespace subrosa {
namespace {

// Runs body(i, scratch) for the batch with scratch memory of each thread; false when memory is exhausted.
template <typename Body>
bool forEachInBatch(size_t count, size_t scratchWords, Body&& body) {
  std::atomic<bool> exhausted{false};
  parallelFor(count, [&](size_t i) {
    uint64_t* scratch = static_cast<uint64_t*>(threadScratch(0, scratchWords * sizeof(uint64_t)));
    if (scratch)
      body(i, scratch);
    else
      exhausted = true;
  });
  return !exhausted;
}

// A batch smaller than the pool shares its limbs instead, when they are worth waking threads for.
bool spreads(const Ring& ring, const KeyShape& shape, size_t count) {
  return count < poolThreads() && shape.digits() * shape.limbs() * ring.n() >= size_t{1} << 16;
}

// Batches of key switches: body(i, scratch) for each member.
template <typename Body>
bool forEachSwitch(const KeySwitch& keySwitch, size_t count, bool spread, Body&& body) {
  if (!spread) return forEachInBatch(count, keySwitch.scratchWords(), body) && !keySwitch.exhausted();
  for (size_t i = 0; i < count; i++) {
    uint64_t* scratch = static_cast<uint64_t*>(threadScratch(0, keySwitch.scratchWords() * sizeof(uint64_t)));
    if (!scratch) return false;
    body(i, scratch);
  }
  return !keySwitch.exhausted();
}

Napi::Value finish(RingArguments& args, bool succeeded) {
  args.require(succeeded, "memory", "available", "exhausted", "kernel");
  return args.env().Undefined();
}

// rescale(ring, out, a, mods)
Napi::Value rescaleBatch(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n(), limbs = mods.size();
  args.require(limbs >= 2, "the number of limbs to rescale", "at least 2", "1");
  for (size_t j = 0; j + 1 < limbs; j++) args.require(mods[j] != mods[limbs - 1], "the limbs", "distinct", "repeated");
  const size_t count = args.batch(a.length, limbs * n, "a");
  args.requireSize(out.length, count * (limbs - 1) * n, "out");
  args.requireApart(out, a, "a");
  if (!args.ok()) return info.Env().Undefined();
  return finish(args, forEachInBatch(count, 2 * n, [&](size_t i, uint64_t* scratch) {
    rescale(*ring, out.data + i * (limbs - 1) * n, a.data + i * limbs * n, mods.data(), limbs, scratch);
  }));
}

// decompose(ring, out, d, q, p, alpha, keyLimbs)
Napi::Value decompose(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> d = args.words(2, "d");
  const KeyShape shape = args.keyShape(3, ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t in = shape.q.size() * ring->n(), digits = shape.digits() * shape.limbs() * ring->n();
  const size_t count = args.batch(d.length, in, "d");
  args.requireSize(out.length, count * digits, "out");
  args.requireApart(out, d, "d");
  if (!args.ok()) return info.Env().Undefined();
  const bool spread = spreads(*ring, shape, count);
  const KeySwitch keySwitch(*ring, shape, spread);
  return finish(args, forEachSwitch(keySwitch, count, spread, [&](size_t i, uint64_t* scratch) {
    keySwitch.decompose(out.data + i * digits, d.data + i * in, scratch);
  }));
}

// applyKey(ring, out, digits, key, galois, q, p, alpha, keyLimbs) and keySwitch(ring, out, d, key, galois, ...)
template <bool decomposed>
Napi::Value switchBatch(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> d = args.words(2, decomposed ? "the digits" : "d");
  const uint64_t galois = args.galois(4, ring);
  const KeyShape shape = args.keyShape(5, ring);
  const Span<uint64_t> key = args.key(3, ring, shape);
  if (!args.ok()) return info.Env().Undefined();
  const size_t poly = shape.q.size() * ring->n();
  const size_t in = decomposed ? shape.digits() * shape.limbs() * ring->n() : poly;
  const size_t count = args.batch(d.length, in, decomposed ? "the digits" : "d");
  args.requireSize(out.length, 2 * count * poly, "out");
  args.requireApart(out, d, "an input");
  args.requireApart(out, key, "the key");
  if (!args.ok()) return info.Env().Undefined();
  const bool spread = spreads(*ring, shape, count);
  const KeySwitch keySwitch(*ring, shape, spread);
  const uint32_t* table = galois == 1 ? nullptr : ring->automorphismTable(galois);
  return finish(args, forEachSwitch(keySwitch, count, spread, [&](size_t i, uint64_t* scratch) {
    if (decomposed)
      keySwitch.applyKey(out.data + 2 * i * poly, d.data + i * in, key.data, table, scratch);
    else
      keySwitch.switchKey(out.data + 2 * i * poly, d.data + i * in, nullptr, key.data, table, scratch);
  }));
}

// accumulateKey(ring, sum, digits, key, galois, q, p, alpha, keyLimbs, weight); a weight of no words is none
Napi::Value accumulateKey(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> sum = args.words(1, "the sum");
  const Span<uint64_t> digits = args.words(2, "the digits");
  const uint64_t galois = args.galois(4, ring);
  const KeyShape shape = args.keyShape(5, ring);
  const Span<uint64_t> key = args.key(3, ring, shape);
  const Span<uint64_t> weight = args.words(9, "the weight");
  if (!args.ok()) return info.Env().Undefined();
  const size_t poly = shape.limbs() * ring->n();
  args.requireSize(sum.length, 2 * poly, "the sum");
  args.requireSize(digits.length, shape.digits() * poly, "the digits");
  if (weight.length > 0) args.requireSize(weight.length, poly, "the weight");
  args.requireApart(sum, digits, "the digits");
  args.requireApart(sum, key, "the key");
  args.requireApart(sum, weight, "the weight");
  if (!args.ok()) return info.Env().Undefined();
  const KeySwitch keySwitch(*ring, shape, spreads(*ring, shape, 1));
  const uint32_t* table = galois == 1 ? nullptr : ring->automorphismTable(galois);
  keySwitch.accumulateKey(sum.data, digits.data, key.data, table, weight.length > 0 ? weight.data : nullptr);
  return finish(args, !keySwitch.exhausted());
}

// modDown(ring, out, a, q, p)
Napi::Value modDown(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const KeyShape shape = args.extendedBasis(3, ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t in = shape.limbs() * ring->n(), result = shape.q.size() * ring->n();
  const size_t count = args.batch(a.length, in, "a");
  args.requireSize(out.length, count * result, "out");
  args.requireApart(out, a, "a");
  if (!args.ok()) return info.Env().Undefined();
  const bool spread = spreads(*ring, shape, count);
  const KeySwitch keySwitch(*ring, shape, spread);
  return finish(args, forEachSwitch(keySwitch, count, spread, [&](size_t i, uint64_t* scratch) {
    keySwitch.modDown(out.data + i * result, a.data + i * in, scratch);
  }));
}

// linearTransform(ring, out, a, q, p, alpha, babies, their keys, their limbs, giants, their keys, their limbs, weights, terms): in
// `terms`, for each giant and each baby which weight, or -1 for none
Napi::Value linearTransform(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  KeyShape shape = args.extendedBasis(3, ring);
  shape.alpha = static_cast<size_t>(args.integer(5, "alpha", 1, maxRingPrimes));
  if (!args.ok()) return info.Env().Undefined();
  TransformPlan plan;
  plan.babies = args.rotations(6, ring, shape, out);
  plan.giants = args.rotations(9, ring, shape, out);
  const std::vector<Span<uint64_t>> weights = args.wordLists(12, "the weights");
  const Span<int32_t> terms = args.int32s(13, "the terms", plan.babies.size() * plan.giants.size());
  args.requireSize(a.length, 2 * shape.q.size() * ring->n(), "a");
  args.requireSize(out.length, a.length, "out");
  args.requireApart(out, a, "a");
  for (const Span<uint64_t>& weight : weights) {
    args.requireSize(weight.length, shape.limbs() * ring->n(), "a weight");
    args.requireApart(out, weight, "a weight");
  }
  for (size_t i = 0; i < terms.length && args.ok(); i++) {
    const int32_t weight = terms.data[i];
    args.require(weight >= -1 && weight < static_cast<int64_t>(weights.size()), "a term", "-1 or a weight", "beyond");
    if (args.ok()) plan.weights.push_back(weight < 0 ? nullptr : weights[static_cast<size_t>(weight)].data);
  }
  if (!args.ok()) return info.Env().Undefined();
  const KeySwitch keySwitch(*ring, shape, spreads(*ring, shape, 1));
  keySwitch.linearTransform(out.data, a.data, plan);
  return finish(args, !keySwitch.exhausted());
}

// rotate(ring, out, a, key, galois, q, p, alpha, keyLimbs)
Napi::Value rotate(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a", out.length);
  const uint64_t galois = args.galois(4, ring);
  const KeyShape shape = args.keyShape(5, ring);
  const Span<uint64_t> key = args.key(3, ring, shape);
  if (!args.ok()) return info.Env().Undefined();
  const size_t poly = shape.q.size() * ring->n();
  const size_t count = args.batch(a.length, 2 * poly, "a");
  args.requireApart(out, a, "a");
  args.requireApart(out, key, "the key");
  if (!args.ok()) return info.Env().Undefined();
  const bool spread = spreads(*ring, shape, count);
  const KeySwitch keySwitch(*ring, shape, spread);
  const uint32_t* table = galois == 1 ? nullptr : ring->automorphismTable(galois);
  return finish(args, forEachSwitch(keySwitch, count, spread, [&](size_t i, uint64_t* scratch) {
    const uint64_t* c0 = a.data + 2 * i * poly;
    keySwitch.switchKey(out.data + 2 * i * poly, c0 + poly, c0, key.data, table, scratch);
  }));
}

// multiplyRelinearizeRescale(ring, out, a, b, key, q, p, alpha, keyLimbs)
Napi::Value multiplyBatch(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const Span<uint64_t> b = args.words(3, "b", a.length);
  const KeyShape shape = args.keyShape(5, ring);
  const Span<uint64_t> key = args.key(4, ring, shape);
  if (!args.ok()) return info.Env().Undefined();
  const size_t in = 2 * shape.q.size() * ring->n();
  const size_t result = in - 2 * ring->n();
  args.require(shape.q.size() >= 2, "the number of limbs to rescale", "at least 2", "1");
  const size_t count = args.batch(a.length, in, "a");
  args.requireSize(out.length, count * result, "out");
  args.requireApart(out, a, "a");
  args.requireApart(out, b, "b");
  args.requireApart(out, key, "the key");
  if (!args.ok()) return info.Env().Undefined();
  const bool spread = spreads(*ring, shape, count);
  const KeySwitch keySwitch(*ring, shape, spread);
  return finish(args, forEachSwitch(keySwitch, count, spread, [&](size_t i, uint64_t* scratch) {
    keySwitch.multiplyRelinearizeRescale(out.data + i * result, a.data + i * in, b.data + i * in, key.data, scratch);
  }));
}

}  // namespace

void registerKeySwitch(Napi::Env, Napi::Object exports) {
  addFunction(exports, "rescale", rescaleBatch);
  addFunction(exports, "decompose", decompose);
  addFunction(exports, "applyKey", switchBatch<true>);
  addFunction(exports, "keySwitch", switchBatch<false>);
  addFunction(exports, "accumulateKey", accumulateKey);
  addFunction(exports, "modDown", modDown);
  addFunction(exports, "linearTransform", linearTransform);
  addFunction(exports, "rotate", rotate);
  addFunction(exports, "multiplyRelinearizeRescale", multiplyBatch);
}

}  // namespace subrosa
