// A fuzz target, not part of the addon: bytes of a message through everything in C++ that reads them. libFuzzer calls it when
// clang builds it (SUBROSA_LIBFUZZER); otherwise its own main makes random inputs. scripts/check-native.mjs builds and runs
// it with AddressSanitizer and UndefinedBehaviorSanitizer.
//
// The input: a byte for the width in bits, then packed words. They are unpacked and packed again, which must give the same
// bytes; as residues they must be judged and transformed alike by every instruction set, there and back.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "ring/pack.h"
#include "ring/ring_convert.h"

using namespace subrosa;

namespace {

constexpr size_t degree = 64;
const std::vector<uint64_t> primes = {4398046504961, 1125899906826241};

void require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "wrong: %s\n", what);
  abort();
}

std::vector<std::unique_ptr<Ring>> openRings() {
  std::vector<uint64_t> roots;
  for (const uint64_t q : primes) {
    uint64_t psi = 0;
    for (uint64_t g = 2; psi == 0 || powerMod(psi, degree, q) != q - 1; g++) psi = powerMod(g, (q - 1) / (2 * degree), q);
    roots.push_back(psi);
  }
  std::vector<std::unique_ptr<Ring>> rings;
  for (const Isa isa : {Isa::scalar, Isa::avx512Emulated, Isa::avx2, Isa::avx512Ifma})
    if (isaAvailable(isa)) rings.push_back(Ring::open(isa, degree, primes, roots));
  return rings;
}

// Buffers of exactly the right size, so that a byte too far is seen.
std::unique_ptr<uint64_t[]> unpack(const uint8_t* data, size_t size, unsigned bits, size_t* count) {
  *count = size * 8 / bits;
  const size_t used = (*count * bits + 7) / 8;
  std::unique_ptr<uint8_t[]> bytes(new uint8_t[used]);
  if (used > 0) memcpy(bytes.get(), data, used);
  std::unique_ptr<uint64_t[]> words(new uint64_t[*count]);
  unpackWords(words.get(), *count, bytes.get(), bits);
  std::unique_ptr<uint8_t[]> again(new uint8_t[used]);
  packWords(again.get(), words.get(), *count, bits);
  const unsigned spare = static_cast<unsigned>(used * 8 - *count * bits);
  if (spare > 0) bytes[used - 1] &= static_cast<uint8_t>(0xff >> spare);
  require(memcmp(bytes.get(), again.get(), used) == 0, "what was unpacked packs to other bytes");
  return words;
}

void transform(const uint64_t* words) {
  static const std::vector<std::unique_ptr<Ring>> rings = openRings();
  const size_t mods[] = {0, 1};
  std::vector<uint64_t> expected;
  std::vector<double> numbers;
  for (const auto& ring : rings) {
    std::vector<uint64_t> x(words, words + 2 * degree), all;
    std::vector<double> decoded(degree);
    for (size_t limb = 0; limb < 2; limb++) {
      const Prime& p = ring->prime(limb);
      uint64_t* own = x.data() + limb * degree;
      bool legal = true;
      for (size_t i = 0; i < degree; i++) legal = legal && own[i] < p.q;
      require(areResidues(p, own) == legal, "the range check");
      for (size_t i = 0; i < degree; i++) own[i] %= p.q;
      std::vector<uint64_t> y(own, own + degree);
      ring->operations().forward(p, y.data());
      all.insert(all.end(), y.begin(), y.end());
      ring->operations().inverse(p, y.data());
      require(std::memcmp(y.data(), own, degree * 8) == 0, "the transform there and back");
    }
    toDoubles(*ring, decoded.data(), x.data(), mods, 2);
    if (expected.empty()) {
      expected = all;
      numbers = decoded;
    }
    require(all == expected, "the transforms of two instruction sets");
    require(memcmp(decoded.data(), numbers.data(), degree * sizeof(double)) == 0, "the numbers of two instruction sets");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const unsigned bits = 1 + data[0] % 64;
  size_t count;
  const auto words = unpack(data + 1, size - 1, bits, &count);
  if (count >= 2 * degree) transform(words.get());
  return 0;
}

#ifndef SUBROSA_LIBFUZZER
// Argument: how many inputs.
int main(int argc, char** argv) {
  const long runs = argc > 1 ? atol(argv[1]) : 1000;
  uint64_t state = 1;
  const auto next = [&] {
    state = state * 6364136223846793005 + 1442695040888963407;
    return state >> 33;
  };
  for (long run = 0; run < runs; run++) {
    std::vector<uint8_t> input(next() % 1200);
    const uint64_t fill = next() % 4;
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(fill == 0 ? 0xff : fill == 1 ? 0 : next());
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  printf("%ld inputs\n", runs);
  return 0;
}
#endif
