#include "ring/ring_tables.h"

#include <cmath>

#include "machine/memory.h"
#include "machine/word.h"

namespace subrosa {
namespace {

uint64_t mulModVarTime(uint64_t a, uint64_t b, uint64_t q) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b % q);
}

size_t bitReverse(size_t i, unsigned bits) {
  size_t reversed = 0;
  for (unsigned b = 0; b < bits; b++) reversed |= ((i >> b) & 1) << (bits - 1 - b);
  return reversed;
}

// Where the root with index m + i (m roots in its stage) is stored: the stages inside one vector interleave the roots
// of `lanes` neighbouring sub-blocks, so that one load gives every lane its own root.
size_t rootPosition(size_t index, size_t n, size_t lanes) {
  if (lanes == 1 || n < lanes * lanes) return index;
  size_t stage = 1;
  while (stage * 2 <= index) stage *= 2;
  const size_t perLane = stage * lanes / n;
  if (perLane < 2) return index;
  const size_t i = index - stage;
  const size_t group = perLane * lanes;
  const size_t within = i % group;
  return stage + i - within + within % perLane * lanes + within / perLane;
}

// The sum of the products that innerProduct in ring_avx2.cpp adds at once stays below 2^(51 + e).
double sumMagic(uint64_t q) {
  const double prime = static_cast<double>(q);
  const double products = prime < innerNarrowLimit ? 8 * 14 : 4 * 0.51;
  const int e = static_cast<int>(std::ceil(std::log2(products) + 2 * std::log2(prime))) - 51;
  return std::ldexp(1.5, 52 + (e > 0 ? e : 0));
}

void storeRoot(TableFormat format, void* values, void* quotients, size_t at, const Factor& w) {
  if (format == TableFormat::doubles) {
    static_cast<double*>(values)[at] = w.centred;
    static_cast<double*>(quotients)[at] = w.quotient;
    return;
  }
  static_cast<uint64_t*>(values)[at] = w.value;
  static_cast<uint64_t*>(quotients)[at] = format == TableFormat::shoup64 ? w.shoup64 : w.shoup52;
}

Prime makePrime(uint64_t q, size_t n, unsigned logN) {
  Prime p{};
  p.q = q;
  p.n = n;
  p.logN = logN;
  p.ratio64 = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << 64) / q);
  const unsigned __int128 ratio128 = ~static_cast<unsigned __int128>(0) / q;
  p.ratio128Low = static_cast<uint64_t>(ratio128);
  p.ratio128High = static_cast<uint64_t>(ratio128 >> 64);
  p.ratio52 = (uint64_t{1} << 52) / q;
  p.shift = 63 - static_cast<unsigned>(__builtin_clzll(q));
  p.ratioShifted = static_cast<uint64_t>((static_cast<unsigned __int128>(1) << (52 + p.shift)) / q);
  p.qDouble = static_cast<double>(q);
  p.qInverse = 1.0 / p.qDouble;
  p.sumMagic = sumMagic(q);
  return p;
}

}  // namespace

uint64_t powerMod(uint64_t a, uint64_t exponent, uint64_t q) {
  uint64_t result = 1;
  for (uint64_t square = a % q; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result = mulModVarTime(result, square, q);
    square = mulModVarTime(square, square, q);
  }
  return result;
}

Factor makeFactor(uint64_t value, const Prime& prime) {
  const double q = prime.qDouble;
  const double centred = static_cast<double>(value) - (value > prime.q / 2 ? q : 0.0);
  const uint64_t shoup52 = static_cast<uint64_t>((static_cast<unsigned __int128>(value) << 52) / prime.q);
  return {value, shoupQuotient(value, prime.q), shoup52, centred, centred / q};
}

const Operations& operationsOf(Isa isa) {
  switch (isa) {
#ifdef SUBROSA_AVX2
    case Isa::avx2:
      return avx2Operations;
#endif
#ifdef SUBROSA_X86
    case Isa::avx512Ifma:
      return avx512Operations;
#endif
    case Isa::avx512Emulated:
      return emulatedOperations;
    default:
      return scalarOperations;
  }
}

bool Ring::buildTables(Prime& prime, uint64_t psi) {
  const size_t bytes = n_ * 8;
  uint8_t* block = static_cast<uint8_t*>(allocateBlock(4 * bytes));
  if (!block) return false;
  blocks_.push_back(block);
  prime.root = block;
  prime.rootQuotient = block + bytes;
  prime.inverseRoot = block + 2 * bytes;
  prime.inverseRootQuotient = block + 3 * bytes;
  const TableFormat format = operations_->format;
  const uint64_t nInverse = powerMod(n_, prime.q - 2, prime.q);
  uint64_t power = 1;
  std::vector<uint64_t> powers(2 * n_);
  for (uint64_t& slot : powers) {
    slot = power;
    power = mulModVarTime(power, psi, prime.q);
  }
  for (size_t i = 0; i < n_; i++) {
    const size_t exponent = bitReverse(i, prime.logN);
    const size_t at = rootPosition(i, n_, operations_->lanes);
    uint64_t inverse = powers[(2 * n_ - exponent) % (2 * n_)];
    if (i == 0) inverse = nInverse;
    if (i == 1) inverse = mulModVarTime(inverse, nInverse, prime.q);
    storeRoot(format, prime.root, prime.rootQuotient, at, makeFactor(powers[exponent], prime));
    storeRoot(format, prime.inverseRoot, prime.inverseRootQuotient, at, makeFactor(inverse, prime));
  }
  return true;
}

std::unique_ptr<Ring> Ring::open(Isa isa, size_t n, const std::vector<uint64_t>& primes,
                                 const std::vector<uint64_t>& psi) {
  std::unique_ptr<Ring> ring(new Ring);
  ring->n_ = n;
  // Vectors of eight need a few of them to work on; below that the scalar loops are as good.
  ring->operations_ = n < 64 ? &scalarOperations : &operationsOf(isa);
  const unsigned logN = static_cast<unsigned>(__builtin_ctzll(n));
  for (size_t i = 0; i < primes.size(); i++) {
    ring->primes_.push_back(makePrime(primes[i], n, logN));
    if (!ring->buildTables(ring->primes_[i], psi[i])) return nullptr;
  }
  for (const uint64_t from : primes)
    for (const uint64_t to : primes) ring->inverses_.push_back(from == to ? 0 : powerMod(from % to, to - 2, to));
  return ring;
}

Ring::~Ring() {
  for (void* block : blocks_) freeBlock(block, 4 * n_ * 8);
}

const uint32_t* Ring::automorphismTable(uint64_t galois) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<uint32_t[]>& table = automorphisms_[galois];
  if (!table) {
    table.reset(new uint32_t[n_]);
    const unsigned logN = static_cast<unsigned>(__builtin_ctzll(n_));
    for (size_t i = 0; i < n_; i++) {
      const uint64_t exponent = ((2 * bitReverse(i, logN) + 1) * galois) % (2 * n_);
      table[i] = static_cast<uint32_t>(bitReverse((exponent - 1) / 2, logN));
    }
  }
  return table.get();
}

}  // namespace subrosa
