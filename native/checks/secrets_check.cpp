// A program for valgrind, not part of the addon: runs the loops that see secrets on words marked as undefined, so that
// memcheck reports every branch and every address that depends on one [Langley, ctgrind]. scripts/check-secrets.mjs builds and
// runs it. Argument: the name of one case, or --list. Cases named control-* leak on purpose and must be reported.
// Exit code 3: the instructions of this case are not there, or valgrind hides them.
#include <valgrind/memcheck.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "embedding/embedding.h"
#include "integer/integer_linear.h"
#include "integer/integer_product.h"
#include "ring/keyswitch.h"
#include "ring/pack.h"
#include "machine/pool.h"
#include "ring/ring_convert.h"
#include "sampler/sampler.h"

using namespace subrosa;

namespace {

constexpr size_t degree = 256;
// 1 mod 512: of 42, 48 and twice 50 bits.
const std::vector<uint64_t> primes = {4398046504961, 281474976694273, 1125899906826241, 1125899906822657};

template <typename T>
class Secret {
 public:
  // Filled by `value` first, so that the words are legal; then marked.
  template <typename Value>
  Secret(size_t length, Value&& value) : data_(length) {
    for (size_t i = 0; i < length; i++) data_[i] = value(i);
    mark();
  }
  explicit Secret(size_t length) : data_(length) {}
  void mark() { (void)VALGRIND_MAKE_MEM_UNDEFINED(data_.data(), data_.size() * sizeof(T)); }
  T* data() { return data_.data(); }
  T& operator[](size_t i) { return data_[i]; }

 private:
  std::vector<T> data_;
};

uint64_t scrambled(uint64_t i) {
  uint64_t x = (i + 1) * 0x9e3779b97f4a7c15;
  return (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9 >> 7;
}

Secret<uint64_t> residues(size_t limbs, size_t parts = 1) {
  return Secret<uint64_t>(limbs * parts * degree,
                          [&](size_t i) { return scrambled(i) % primes[i / degree % limbs]; });
}

std::unique_ptr<Ring> openRing(Isa isa) {
  std::vector<uint64_t> roots;
  for (const uint64_t q : primes) {
    uint64_t psi = 0;
    for (uint64_t g = 2; psi == 0 || powerMod(psi, degree, q) != q - 1; g++) psi = powerMod(g, (q - 1) / (2 * degree), q);
    roots.push_back(psi);
  }
  return Ring::open(isa, degree, primes, roots);
}

// Every loop on one limb, each on fresh secrets: what one marks as undefined must not hide what the next does.
void loops(Isa isa) {
  const auto ring = openRing(isa);
  const Operations& op = ring->operations();
  for (size_t limb = 0; limb < primes.size(); limb++) {
    const Prime& p = ring->prime(limb);
    const Factor w = makeFactor(p.q - 2, p);
    const auto fresh = [&] {
      return Secret<uint64_t>(degree, [&](size_t i) { return scrambled(i) % p.q; });
    };
    Secret<uint64_t> a = fresh(), b = fresh(), c = fresh(), d = fresh(), x(degree), y(degree);
    op.forward(p, a.data());
    op.inverse(p, b.data());
    a = fresh(), b = fresh();
    op.add(p, x.data(), a.data(), b.data());
    op.sub(p, x.data(), a.data(), b.data());
    op.negate(p, x.data(), a.data());
    op.mul(p, x.data(), a.data(), b.data());
    op.mulAdd(p, c.data(), a.data(), b.data());
    op.mulScalar(p, x.data(), a.data(), w);
    op.addScalar(p, x.data(), a.data(), p.q - 2);
    op.crossProduct(p, x.data(), a.data(), b.data(), c.data(), d.data());
    op.permute(p, x.data(), a.data(), ring->automorphismTable(5));
    op.inverseCentred(p, x.data(), a.data(), &w);
    op.inverseCentred(p, y.data(), b.data(), nullptr);
    op.combineCentred(p, c.data(), x.data(), 0, 1, &w);
    op.differenceCentred(p, c.data(), x.data(), y.data(), w);
    op.forwardCombined(p, d.data(), x.data(), y.data(), w);
    op.forwardCentred(p, y.data(), x.data(), 0.5 * p.qDouble);
    op.subtractScale(p, x.data(), a.data(), y.data(), w, b.data(), w);
    op.subtractScaleProduct(p, x.data(), a.data(), y.data(), w, a.data(), b.data(), w);
    op.addScaledProduct(p, x.data(), a.data(), b.data(), w);
    const InnerTerm terms[] = {{y.data(), a.data(), b.data(), false}, {a.data(), b.data(), a.data(), true}};
    op.innerProduct(p, c.data(), d.data(), terms, 2, nullptr, 0, p.n);
    op.canonical(p, x.data(), y.data());
    a.mark();
    (void)areResidues(p, a.data());
  }
}

// What encoding and decoding do.
void conversions(Isa isa) {
  const auto ring = openRing(isa);
  const Conversions& convert = *ring->operations().conversions;
  const size_t mods[] = {0, 1, 2, 3};
  Secret<int8_t> small(degree, [](size_t i) { return static_cast<int8_t>(i * 37); });
  Secret<double> values(degree, [](size_t i) { return (static_cast<double>(scrambled(i) >> 12) - 1e15) * 4096; });
  Secret<double> decoded(degree);
  Secret<uint64_t> words = residues(4);
  (void)areIntegers(values.data(), degree);
  for (size_t limb = 0; limb < 4; limb++) {
    Secret<uint64_t> out(degree);
    convert.fromSigned(ring->prime(limb), out.data(), small.data());
    convert.fromDoubles(ring->prime(limb), out.data(), values.data());
  }
  for (size_t count = 1; count <= 4; count++) toDoubles(*ring, decoded.data(), words.data(), mods, count);
  Secret<uint8_t> bytes(degree * 8);
  for (const unsigned bits : {14u, 50u, 64u}) {
    packWords(bytes.data(), words.data(), degree, bits);
    unpackWords(words.data(), degree, bytes.data(), bits);
  }
}

// Key switching, rescaling and the fused product, with ciphertext and key marked.
void switching(Isa isa) {
  const auto ring = openRing(isa);
  for (const size_t alpha : {size_t{1}, size_t{2}}) {
    KeyShape shape;
    shape.alpha = alpha;
    shape.q = alpha == 1 ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{0, 1};
    shape.p = alpha == 1 ? std::vector<size_t>{3} : std::vector<size_t>{2, 3};
    shape.keyLimbs = shape.limbs();
    for (size_t i = 0; i < shape.limbs(); i++) shape.slots.push_back(i);
    const KeySwitch work(*ring, shape, false);
    Secret<uint64_t> key = residues(shape.limbs(), 2 * shape.digits());
    Secret<uint64_t> d = residues(shape.q.size(), 2), out(2 * shape.q.size() * degree);
    std::vector<uint64_t> scratch(work.scratchWords() + 2 * shape.q.size() * degree);
    Secret<uint64_t> digits(shape.digits() * shape.limbs() * degree);
    const uint32_t* table = ring->automorphismTable(5);
    work.decompose(digits.data(), d.data(), scratch.data());
    work.applyKey(out.data(), digits.data(), key.data(), table, scratch.data());
    Secret<uint64_t> weight = residues(shape.limbs(), 1), sum = residues(shape.limbs(), 2);
    work.accumulateKey(sum.data(), digits.data(), key.data(), table, weight.data());
    work.modDown(out.data(), sum.data(), scratch.data());
    TransformRotation rotation;
    rotation.key = key.data();
    rotation.keyLimbs = shape.keyLimbs;
    rotation.slots = shape.slots;
    rotation.galoisTable = table;
    work.linearTransform(out.data(), d.data(), {{rotation, {}}, {{}, rotation}, {weight.data(), nullptr, weight.data(), weight.data()}});
    work.switchKey(out.data(), d.data(), d.data() + shape.q.size() * degree, key.data(), table, scratch.data());
    work.multiplyRelinearizeRescale(out.data(), d.data(), d.data(), key.data(), scratch.data());
    rescale(*ring, out.data(), d.data(), shape.q.data(), shape.q.size(), scratch.data());
  }
}

// Activations and shares of the integer maps; the weights are public to whoever runs them.
void integerMaps(Isa isa) {
  const IntegerShape dense = {true, 40, 1, 1, 9, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};
  const IntegerShape image = {false, 3, 9, 8, 5, 9, 8, 3, 3, 1, 1, 1, 1, 1, 1, 1};
  for (const IntegerShape& shape : {dense, image}) {
    std::vector<int8_t> weights(shape.outChannels * shape.terms());
    for (size_t i = 0; i < weights.size(); i++) weights[i] = static_cast<int8_t>(scrambled(i));
    IntegerWeights* packed = packIntegerWeights(isa, shape, weights.data());
    if (!packed) abort();
    Secret<int32_t> x(2 * shape.inputs(), [](size_t i) { return static_cast<int32_t>(scrambled(i)); });
    Secret<int32_t> out(2 * shape.outputs());
    if (!integerLinear(*packed, x.data(), out.data(), 2)) abort();
    freeIntegerWeights(packed);
  }
  // Function keys from a master secret; the weights are the trainer's.
  Secret<int32_t> wide(3 * degree, [](size_t i) { return static_cast<int32_t>(scrambled(i)); }), keys(2 * degree);
  Secret<int16_t> narrow(3 * degree, [](size_t i) { return static_cast<int16_t>(scrambled(i)); });
  const int32_t before[] = {0, 2, -7, 1, 5, 3}, small[] = {0, 3, -7, -9, 5, 3}, large[] = {0, 2, -7, 1 << 20, 5, 3};
  for (const IntegerRows& rows : {IntegerRows{narrow.data(), nullptr, 3, degree}, IntegerRows{nullptr, wide.data(), 3, degree}})
    for (const int32_t* weights : {before, small, large})
      if (!updateIntegerProduct(isa, keys.data(), rows, weights, weights == before ? nullptr : before, 2)) abort();
}

Secret<uint8_t> secretKey() {
  return Secret<uint8_t>(seedBytes, [](size_t i) { return static_cast<uint8_t>(scrambled(i)); });
}

void smallSamplers(Isa isa) {
  Secret<uint8_t> key = secretKey();
  const auto stream = [&](uint64_t nonce) { return ChaCha20(key.data(), nonce, streamLoops(isa)); };
  std::vector<int8_t> small(1000);
  ChaCha20 first = stream(7), second = stream(8), third = stream(9);
  sampleCentredBinomial(small.data(), small.size(), first);
  sampleTernary(small.data(), small.size(), second);
  std::vector<double> wide(1000);
  sampleUniformSigned(wide.data(), wide.size(), 40, third);
}

void gaussianSampler(Isa isa) {
  Secret<uint8_t> key = secretKey();
  std::vector<double> wide(500);
  for (const uint64_t multiplier : {uint64_t{1}, uint64_t{2413}, (uint64_t{1} << 46) - 1}) {
    ChaCha20 stream(key.data(), 10, streamLoops(isa));
    sampleWideGaussian(wide.data(), wide.size(), multiplier, stream);
  }
}

// The special FFT on slot values, and back.
void embeddings(Isa isa) {
  for (const size_t slots : {size_t{4}, size_t{32}, size_t{64}}) {
    const std::vector<double> cos(slots, 0.6), sin(slots, 0.8);
    const EmbeddingRoots roots = {slots, cos.data(), sin.data()};
    const auto value = [](size_t i) { return static_cast<double>(scrambled(i) >> 40); };
    Secret<double> re(slots, value), im(slots, value), out(2 * slots);
    embeddingLoops(isa).embed(roots, out.data(), 1, re.data(), im.data(), 3.5, 1e30);
    embeddingLoops(isa).unembed(roots, re.data(), im.data(), out.data(), 1, 3.5);
  }
}

// Function keys times fractions of a ciphertext. Results are for whoever asked: their rounding is not checked.
void fractions(Isa isa) {
  const EmbeddingLoops& loops = embeddingLoops(isa);
  for (const size_t slots : {size_t{2}, size_t{32}, size_t{128}}) {
    const std::vector<double> cos(slots, 0.6), sin(slots, 0.8);
    const EmbeddingRoots roots = {slots, cos.data(), sin.data()};
    const SlotLayout layout(slots);
    const size_t im = layout.imaginary;
    Secret<int32_t> keys(2 * slots, [](size_t i) { return static_cast<int32_t>(scrambled(i)); });
    std::vector<double> values(2 * im), other(2 * im, 0.3), factors(4 * slots), sums(4 * im), total(2 * slots);
    loops.unembedIntegers(roots, values.data(), values.data() + im, keys.data());
    for (size_t f = 0; f < 2; f++) loops.placeFactor(layout, 1, 0, 2, f, factors.data(), other.data());
    loops.sumProducts(layout, 1, values.data(), factors.data(), 2, sums.data());
    for (size_t f = 0; f < 2; f++)
      loops.embedFractions[f](roots, total.data(), sums.data() + 2 * f * im, sums.data() + (2 * f + 1) * im, 0.5, 0x1p-8);
  }
}

// Positive controls: the sum keeps the compiler from dropping them.
volatile uint64_t sink;

void leakByBranch() {
  Secret<uint64_t> x = residues(1);
  uint64_t count = 0;
  for (size_t i = 0; i < degree; i++)
    if (x[i] > primes[0] / 2) {
      count++;
      sink = count;
    }
}

void leakByAddress() {
  Secret<uint64_t> x = residues(1);
  static volatile uint64_t table[256];
  uint64_t sum = 0;
  for (size_t i = 0; i < degree; i++) sum += table[x[i] & 255];
  sink = sum;
}

constexpr int cannotRun = 3;

}  // namespace

int main(int argc, char** argv) {
  setPoolThreads(1);
  std::map<std::string, std::function<void()>> available = {
      {"control-branch", leakByBranch},
      {"control-address", leakByAddress},
  };
  // valgrind may hide instructions from the program that the processor has.
  std::map<std::string, std::function<void()>> hidden;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512Emulated, Isa::avx512Ifma}) {
    const std::string name = isaName(isa);
    std::map<std::string, std::function<void()>>& cases = isaAvailable(isa) ? available : hidden;
    cases["loops-" + name] = [isa] { loops(isa); };
    cases["conversions-" + name] = [isa] { conversions(isa); };
    cases["switching-" + name] = [isa] { switching(isa); };
    cases["samplers-" + name] = [isa] { smallSamplers(isa); };
    cases["gaussian-" + name] = [isa] { gaussianSampler(isa); };
    cases["embedding-" + name] = [isa] { embeddings(isa); };
    cases["fractions-" + name] = [isa] { fractions(isa); };
    cases["integer-" + name] = [isa] { integerMaps(isa); };
  }
  const std::string chosen = argc > 1 ? argv[1] : "--list";
  if (chosen == "--list") {
    for (const auto& [name, run] : available) printf("%s\n", name.c_str());
    return 0;
  }
  if (hidden.count(chosen)) return cannotRun;
  const auto found = available.find(chosen);
  if (found == available.end()) return 2;
  found->second();
  return 0;
}
