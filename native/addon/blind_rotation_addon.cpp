// Blind rotation: see Kernel.blindRotate.
#include <algorithm>

#include "addon/addon.h"
#include "addon/ring_arguments.h"
#include "ring/blind_rotation.h"

namespace subrosa {
namespace {

// blindRotate(ring, acc, exponents, key, shift)
Napi::Value blindRotateCall(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const size_t n = ring ? ring->n() : 1;
  const Span<uint64_t> acc = args.words(1, "acc");
  const Span<uint32_t> exponents = args.uint32s(2, "the exponents");
  const Span<uint64_t> key = args.words(3, "the key");
  const int64_t shift = args.integer(4, "the shift of digits", 1, 49);
  const size_t count = args.batch(acc.length, 2 * n, "acc"), steps = args.batch(key.length, 4 * n, "the key");
  args.require(steps > 0, "the key", "at least one step", "none");
  args.requireSize(exponents.length, count * steps, "the exponents");
  args.requireApart(acc, key, "the key");
  if (!args.ok()) return info.Env().Undefined();
  const uint32_t* first = exponents.data;
  const bool fit = std::all_of(first, first + exponents.length, [n](uint32_t exponent) { return exponent < 2 * n; });
  if (!args.require(fit, "every exponent", "below 2 n", "not")) return info.Env().Undefined();
  const bool done =
      blindRotate(*ring, acc.data, count, exponents.data, steps, key.data, static_cast<unsigned>(shift));
  args.require(done, "memory", "available", "exhausted", "kernel");
  return info.Env().Undefined();
}

}  // namespace

void registerBlindRotation(Napi::Env, Napi::Object exports) { addFunction(exports, "blindRotate", blindRotateCall); }

}  // namespace subrosa
