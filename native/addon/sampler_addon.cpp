// The samplers as functions of the addon.
#include <algorithm>

#include "sampler/sampler.h"

#include "addon/addon.h"
#include "machine/pool.h"
#include "addon/ring_arguments.h"

namespace subrosa {
namespace {

constexpr int64_t nonceLimit = int64_t{1} << 53;

// The last two arguments of every secret sampler: key, nonce.
struct StreamArguments {
  Span<uint8_t> key;
  int64_t nonce;
  StreamArguments(Arguments& args, size_t index)
      : key(args.bytes(index, "the length of the key", seedBytes)),
        nonce(args.integer(index + 1, "a nonce", 0, nonceLimit - 1)) {}
  ChaCha20 open(Isa isa) const { return ChaCha20(key.data, static_cast<uint64_t>(nonce), streamLoops(isa)); }
};

// uniform(ring, out, seed, mods, first)
Napi::Value uniform(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint8_t> seed = args.bytes(2, "the length of the seed", seedBytes);
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  const auto first = static_cast<uint32_t>(args.integer(4, "the first polynomial", 0, (int64_t{1} << 31) - 1));
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n();
  const size_t count = args.batch(out.length, mods.size() * n, "out") * mods.size();
  if (!args.ok()) return info.Env().Undefined();
  const auto limb = [&](size_t i) {
    return UniformLimb{out.data + i * n, first + static_cast<uint32_t>(i / mods.size()), ring->prime(mods[i % mods.size()]).q};
  };
  const KeccakLanes* keccak = ring->operations().keccak;
  const size_t lanes = keccak ? keccak->lanes : 1, rest = count % lanes;
  // Several limbs that are left take all lanes with the last one repeated, which writes the same words again.
  const size_t groups = lanes > 1 ? count / lanes + (rest >= 2) : 0;
  const size_t singles = lanes > 1 ? (rest == 1) : count;
  parallelFor(groups + singles, count * n >= 8192, [&](size_t turn) {
    if (turn >= groups) return sampleUniform(limb(count - singles + turn - groups), n, seed.data);
    UniformLimb limbs[mostKeccakLanes];
    for (size_t k = 0; k < lanes; k++) limbs[k] = limb(std::min(lanes * turn + k, count - 1));
    sampleUniformLanes(limbs, n, seed.data, *keccak);
  });
  return info.Env().Undefined();
}

// centredBinomial(isa, out, key, nonce), ternary(isa, out, key, nonce)
template <void (*Sample)(int8_t*, size_t, ChaCha20&)>
Napi::Value small(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const Span<int8_t> out = args.int8s(1, "out");
  const StreamArguments source(args, 2);
  if (!args.ok()) return info.Env().Undefined();
  ChaCha20 stream = source.open(isa);
  Sample(out.data, out.length, stream);
  return info.Env().Undefined();
}

// uniformSigned(isa, out, bits, key, nonce)
Napi::Value uniformSigned(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const Span<double> out = args.doubles(1, "out");
  const unsigned bits = static_cast<unsigned>(args.integer(2, "bits", 0, 51));
  const StreamArguments source(args, 3);
  if (!args.ok()) return info.Env().Undefined();
  ChaCha20 stream = source.open(isa);
  sampleUniformSigned(out.data, out.length, bits, stream);
  return info.Env().Undefined();
}

// wideGaussian(isa, out, multiplier, key, nonce)
Napi::Value wideGaussian(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Isa isa = args.isa(0);
  const Span<double> out = args.doubles(1, "out");
  const int64_t multiplier = args.integer(2, "the multiplier of a Gaussian", 1, (int64_t{1} << 46) - 1);
  const StreamArguments source(args, 3);
  if (!args.ok()) return info.Env().Undefined();
  ChaCha20 stream = source.open(isa);
  sampleWideGaussian(out.data, out.length, static_cast<uint64_t>(multiplier), stream);
  return info.Env().Undefined();
}

// The bare streams, for known answers: shake128(out, message), chacha20(isa, out, key, nonce).
Napi::Value shake128(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Span<uint8_t> out = args.bytes(0, "out");
  const Span<uint8_t> message = args.bytes(1, "the message");
  args.require(message.length < 168, "the message", "at most 167 bytes", "longer");
  if (args.ok()) Shake128(message.data, message.length).squeeze(out.data, out.length);
  return info.Env().Undefined();
}

Napi::Value chacha20(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Isa isa = args.isa(0);
  const Span<uint8_t> out = args.bytes(1, "out");
  const StreamArguments source(args, 2);
  args.batch(out.length, 64, "out");
  if (!args.ok()) return info.Env().Undefined();
  source.open(isa).blocks(out.data, out.length / 64);
  return info.Env().Undefined();
}

}  // namespace

void registerSampler(Napi::Env, Napi::Object exports) {
  addFunction(exports, "uniform", uniform);
  addFunction(exports, "centredBinomial", small<sampleCentredBinomial>);
  addFunction(exports, "ternary", small<sampleTernary>);
  addFunction(exports, "uniformSigned", uniformSigned);
  addFunction(exports, "wideGaussian", wideGaussian);
  addFunction(exports, "shake128", shake128);
  addFunction(exports, "chacha20", chacha20);
}

}  // namespace subrosa
