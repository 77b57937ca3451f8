// The ring functions of the addon. Everything is read and checked first; the loops then run without checks.
#include "addon/addon.h"
#include "ring/pack.h"
#include "machine/pool.h"
#include "addon/ring_arguments.h"
#include "ring/ring_convert.h"
#include "ring/ring_selftest.h"

namespace subrosa {
namespace {

// Words from which waking threads pays: about 100 microseconds of the operation.
constexpr size_t parallelTransform = size_t{1} << 16;
constexpr size_t parallelPointwise = size_t{1} << 18;

// openRing(isa, n, primes, psi) -> handle. That the primes are primes is the caller's business.
Napi::Value openRing(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Isa isa = args.isa(0);
  const size_t n = static_cast<size_t>(args.integer(1, "the ring degree", minRingDegree, maxRingDegree));
  const Span<double> primes = args.doubles(2, "the moduli");
  const Span<double> roots = args.doubles(3, "the roots", primes.length);
  args.require((n & (n - 1)) == 0, "the ring degree", "a power of two", "not");
  args.require(primes.length > 0 && primes.length <= maxRingPrimes, "the moduli", "1 to 64 primes", "not");
  if (!args.ok()) return info.Env().Undefined();
  std::vector<uint64_t> q, psi;
  for (size_t i = 0; i < primes.length; i++) {
    const bool whole = primes.data[i] >= 3 && primes.data[i] < 1125899906842624.0 && roots.data[i] >= 1 &&
                       roots.data[i] < primes.data[i];
    if (!args.require(whole, "a modulus", "below 2^50 with a residue as its root", "not"))
      return info.Env().Undefined();
    q.push_back(static_cast<uint64_t>(primes.data[i]));
    psi.push_back(static_cast<uint64_t>(roots.data[i]));
    const bool order = q[i] % (2 * n) == 1 && powerMod(psi[i], n, q[i]) == q[i] - 1;
    if (!args.require(order, "a root", "of order 2n", "not")) return info.Env().Undefined();
  }
  std::unique_ptr<RingHandle> handle(new RingHandle{Ring::open(isa, n, q, psi)});
  if (!args.require(handle->ring != nullptr, "memory", "available", "exhausted", "kernel"))
    return info.Env().Undefined();
  return makeHandle(info.Env(), std::move(handle), ringTag);
}

Napi::Value releaseRing(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  RingHandle* handle = args.handle<RingHandle>(0, "the ring", ringTag);
  if (handle) handle->ring.reset();
  return info.Env().Undefined();
}

Napi::Value testRing(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Isa isa = args.isa(0);
  if (!args.ok()) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), agreesWithScalar(isa));
}

// Calls body(prime, limb's position in mods, offset in words) for each limb of a batch.
template <typename Body>
void forEachLimb(const Ring& ring, const std::vector<size_t>& mods, size_t words, size_t parallelFrom, Body&& body) {
  const size_t n = ring.n();
  parallelFor(words / n, words >= parallelFrom, [&](size_t i) {
    const size_t position = i % mods.size();
    body(ring.prime(mods[position]), position, i * n);
  });
}

// nttForward(ring, x, mods), nttInverse(ring, x, mods)
template <void (*Operations::*Loop)(const Prime&, uint64_t*)>
Napi::Value transform(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> x = args.words(1, "x");
  const std::vector<size_t> mods = args.limbs(2, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  args.batch(x.length, mods.size() * ring->n(), "x");
  if (!args.ok()) return info.Env().Undefined();
  const auto loop = ring->operations().*Loop;
  forEachLimb(*ring, mods, x.length, parallelTransform,
              [&](const Prime& p, size_t, size_t at) { loop(p, x.data + at); });
  return info.Env().Undefined();
}

// add(ring, out, a, b, mods) and its like; b may be one polynomial for all.
template <void (*Operations::*Loop)(const Prime&, uint64_t*, const uint64_t*, const uint64_t*), bool accumulates>
Napi::Value binary(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a", out.length);
  const Span<uint64_t> b = args.words(3, "b");
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t size = mods.size() * ring->n();
  args.batch(out.length, size, "out");
  if (b.length != size) args.requireSize(b.length, out.length, "b");
  if (accumulates) {
    args.requireApart(out, a, "a");
    args.requireApart(out, b, "b");
  } else {
    args.requireSameOrApart(out, a, "overlapping a");
    // A broadcast b that lies in a larger out would be overwritten while it is still needed.
    args.requireSameOrApart(out, b, "overlapping b");
  }
  if (!args.ok()) return info.Env().Undefined();
  const auto loop = ring->operations().*Loop;
  forEachLimb(*ring, mods, out.length, parallelPointwise, [&](const Prime& p, size_t, size_t at) {
    loop(p, out.data + at, a.data + at, b.data + at % b.length);
  });
  return info.Env().Undefined();
}

// negate(ring, out, a, mods)
Napi::Value negate(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a", out.length);
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  args.batch(out.length, mods.size() * ring->n(), "out");
  args.requireSameOrApart(out, a, "overlapping a");
  if (!args.ok()) return info.Env().Undefined();
  forEachLimb(*ring, mods, out.length, parallelPointwise, [&](const Prime& p, size_t, size_t at) {
    ring->operations().negate(p, out.data + at, a.data + at);
  });
  return info.Env().Undefined();
}

// mulScalar(ring, out, a, scalars, mods), addScalar(ring, out, a, scalars, mods)
template <bool multiplies>
Napi::Value scalar(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a", out.length);
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  const Span<double> scalars = args.doubles(3, "the scalars", mods.size());
  if (!args.ok()) return info.Env().Undefined();
  args.batch(out.length, mods.size() * ring->n(), "out");
  args.requireSameOrApart(out, a, "overlapping a");
  std::vector<Factor> factors;
  for (size_t i = 0; i < mods.size(); i++) {
    const Prime& p = ring->prime(mods[i]);
    const double value = scalars.data[i];
    const bool residue = value >= 0 && value < p.qDouble && value == static_cast<double>(static_cast<uint64_t>(value));
    if (!args.require(residue, "a scalar", "a residue of its limb", "not")) return info.Env().Undefined();
    factors.push_back(makeFactor(static_cast<uint64_t>(value), p));
  }
  if (!args.ok()) return info.Env().Undefined();
  const Operations& op = ring->operations();
  forEachLimb(*ring, mods, out.length, parallelPointwise, [&](const Prime& p, size_t position, size_t at) {
    if (multiplies)
      op.mulScalar(p, out.data + at, a.data + at, factors[position]);
    else
      op.addScalar(p, out.data + at, a.data + at, factors[position].value);
  });
  return info.Env().Undefined();
}

// automorphism(ring, out, a, galois, mods)
Napi::Value automorphism(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a", out.length);
  const uint64_t galois = args.galois(3, ring);
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  args.batch(out.length, mods.size() * ring->n(), "out");
  args.requireApart(out, a, "a");
  if (!args.ok()) return info.Env().Undefined();
  const uint32_t* table = ring->automorphismTable(galois);
  forEachLimb(*ring, mods, out.length, parallelPointwise, [&](const Prime& p, size_t, size_t at) {
    ring->operations().permute(p, out.data + at, a.data + at, table);
  });
  return info.Env().Undefined();
}

// tensor(ring, out, a, b, mods): two-part ciphertexts to three-part ones.
Napi::Value tensor(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const Span<uint64_t> b = args.words(3, "b", a.length);
  const std::vector<size_t> mods = args.limbs(4, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n(), size = mods.size() * n;
  const size_t count = args.batch(a.length, 2 * size, "a");
  args.requireSize(out.length, 3 * count * size, "out");
  args.requireApart(out, a, "overlapping a");
  args.requireApart(out, b, "overlapping b");
  if (!args.ok()) return info.Env().Undefined();
  const Operations& op = ring->operations();
  parallelFor(count * mods.size(), out.length >= parallelPointwise, [&](size_t i) {
    const size_t limb = i % mods.size(), ciphertext = i / mods.size();
    const Prime& p = ring->prime(mods[limb]);
    uint64_t* c = out.data + 3 * ciphertext * size + limb * n;
    const uint64_t* x = a.data + 2 * ciphertext * size + limb * n;
    const uint64_t* y = b.data + 2 * ciphertext * size + limb * n;
    op.mul(p, c, x, y);
    op.crossProduct(p, c + size, x, x + size, y, y + size);
    op.mul(p, c + 2 * size, x + size, y + size);
  });
  return info.Env().Undefined();
}

// inRange(ring, a, mods)
Napi::Value inRange(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> a = args.words(1, "a");
  const std::vector<size_t> mods = args.limbs(2, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t count = args.batch(a.length, mods.size() * ring->n(), "a") * mods.size();
  if (!args.ok()) return info.Env().Undefined();
  bool all = true;
  for (size_t i = 0; i < count; i++)
    all &= areResidues(ring->prime(mods[i % mods.size()]), a.data + i * ring->n());
  return Napi::Boolean::New(info.Env(), all);
}

template <bool transforms>
constexpr size_t convertFrom = transforms ? parallelTransform : parallelPointwise;

template <bool transforms, typename Value>
void convertLimb(const Operations& op, const Prime& p, uint64_t* out, const Value* from,
                 void (*convert)(const Prime&, uint64_t*, const Value*),
                 void (*forward)(const Prime&, uint64_t*, const Value*)) {
  if (transforms && forward) return forward(p, out, from);
  convert(p, out, from);
  if (transforms) op.forward(p, out);
}

// fromSigned(ring, out, small, mods), transformSigned(ring, out, small, mods)
template <bool transforms>
Napi::Value convertSigned(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<int8_t> small = args.int8s(2, "the values");
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n();
  args.requireSize(small.length, args.batch(out.length, mods.size() * n, "out") * n, "the values");
  if (!args.ok()) return info.Env().Undefined();
  const Operations& op = ring->operations();
  forEachLimb(*ring, mods, out.length, convertFrom<transforms>, [&](const Prime& p, size_t, size_t at) {
    const int8_t* from = small.data + at / n / mods.size() * n;
    convertLimb<transforms>(op, p, out.data + at, from, op.conversions->fromSigned, op.forwardSigned);
  });
  return info.Env().Undefined();
}

// fromDoubles(ring, out, values, mods), transformDoubles(ring, out, values, mods)
template <bool transforms>
Napi::Value convertDoubles(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<uint64_t> out = args.words(1, "out");
  const Span<double> values = args.doubles(2, "the values");
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n();
  args.requireSize(values.length, args.batch(out.length, mods.size() * n, "out") * n, "the values");
  // A fixed text: the value itself may be a secret.
  args.require(args.ok() && areIntegers(values.data, values.length), "a value", "an integer below 2^100", "not one",
               "range");
  if (!args.ok()) return info.Env().Undefined();
  const Operations& op = ring->operations();
  forEachLimb(*ring, mods, out.length, convertFrom<transforms>, [&](const Prime& p, size_t, size_t at) {
    const double* from = values.data + at / n / mods.size() * n;
    convertLimb<transforms>(op, p, out.data + at, from, op.conversions->fromDoubles, op.forwardDoubles);
  });
  return info.Env().Undefined();
}

// toDoubles(ring, out, a, mods)
Napi::Value convertToDoubles(const Napi::CallbackInfo& info) {
  RingArguments args(info);
  const Ring* ring = args.ring(0);
  const Span<double> out = args.doubles(1, "out");
  const Span<uint64_t> a = args.words(2, "a");
  const std::vector<size_t> mods = args.limbs(3, "the limbs", ring);
  if (!args.ok()) return info.Env().Undefined();
  const size_t n = ring->n(), size = mods.size() * n;
  const size_t count = args.batch(a.length, size, "a");
  args.requireSize(out.length, count * n, "out");
  if (!args.ok()) return info.Env().Undefined();
  parallelFor(count, a.length >= parallelTransform, [&](size_t i) {
    toDoubles(*ring, out.data + i * n, a.data + i * size, mods.data(), mods.size());
  });
  return info.Env().Undefined();
}

constexpr size_t packBlock = size_t{1} << 13;

// packBits(out, a, bits), unpackBits(out, bytes, bits)
template <bool packs>
Napi::Value repack(const Napi::CallbackInfo& info) {
  Arguments args(info);
  const Span<uint64_t> words = args.words(packs ? 1 : 0, packs ? "a" : "out");
  const Span<uint8_t> bytes = args.bytes(packs ? 0 : 1, packs ? "out" : "the bytes");
  const unsigned bits = static_cast<unsigned>(args.integer(2, "bits per word", 1, 64));
  args.requireSize(bytes.length, (words.length * bits + 7) / 8, "the packed bytes");
  if (!args.ok()) return info.Env().Undefined();
  // Blocks of 2^13 words end on a byte.
  const size_t blocks = (words.length + packBlock - 1) / packBlock;
  parallelFor(blocks, words.length >= parallelPointwise, [&](size_t i) {
    const size_t first = i * packBlock;
    const size_t count = words.length - first < packBlock ? words.length - first : packBlock;
    if (packs)
      packWords(bytes.data + first * bits / 8, words.data + first, count, bits);
    else
      unpackWords(words.data + first, count, bytes.data + first * bits / 8, bits);
  });
  return info.Env().Undefined();
}

}  // namespace

void registerRing(Napi::Env env, Napi::Object exports) {
  addFunction(exports, "openRing", openRing);
  addFunction(exports, "releaseRing", releaseRing);
  addFunction(exports, "testRing", testRing);
  addFunction(exports, "nttForward", transform<&Operations::forward>);
  addFunction(exports, "nttInverse", transform<&Operations::inverse>);
  addFunction(exports, "add", binary<&Operations::add, false>);
  addFunction(exports, "sub", binary<&Operations::sub, false>);
  addFunction(exports, "mul", binary<&Operations::mul, false>);
  addFunction(exports, "mulAdd", binary<&Operations::mulAdd, true>);
  addFunction(exports, "negate", negate);
  addFunction(exports, "mulScalar", scalar<true>);
  addFunction(exports, "addScalar", scalar<false>);
  addFunction(exports, "automorphism", automorphism);
  addFunction(exports, "tensor", tensor);
  addFunction(exports, "inRange", inRange);
  addFunction(exports, "fromSigned", convertSigned<false>);
  addFunction(exports, "transformSigned", convertSigned<true>);
  addFunction(exports, "fromDoubles", convertDoubles<false>);
  addFunction(exports, "transformDoubles", convertDoubles<true>);
  addFunction(exports, "toDoubles", convertToDoubles);
  addFunction(exports, "packBits", repack<true>);
  addFunction(exports, "unpackBits", repack<false>);
  registerKeySwitch(env, exports);
  registerSlots(env, exports);
  registerBlindRotation(env, exports);
  registerSumProducts(env, exports);
  registerSampler(env, exports);
  registerEdwards(env, exports);
}

}  // namespace subrosa
