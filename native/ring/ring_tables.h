// A ring: its primes, the inverses between them and the permutations of its automorphisms.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "machine/cpu.h"
#include "ring/ring.h"

namespace subrosa {

constexpr size_t minRingDegree = 8;
constexpr size_t maxRingDegree = size_t{1} << 17;

// a^exponent mod q. The time depends on the exponent, which is public everywhere.
uint64_t powerMod(uint64_t a, uint64_t exponent, uint64_t q);

class Ring {
 public:
  // psi[i] has order 2n modulo primes[i]; checked by `valid`. Null when memory is exhausted.
  static std::unique_ptr<Ring> open(Isa isa, size_t n, const std::vector<uint64_t>& primes,
                                    const std::vector<uint64_t>& psi);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  size_t n() const { return n_; }
  size_t primeCount() const { return primes_.size(); }
  const Prime& prime(size_t i) const { return primes_[i]; }
  const Operations& operations() const { return *operations_; }
  // q_i^-1 mod q_j for i != j.
  uint64_t inverse(size_t i, size_t j) const { return inverses_[i * primes_.size() + j]; }
  // Index table of X -> X^galois in the NTT domain: out[i] = in[table[i]]. Aligned runs of eight stay together.
  // Kept for the life of the ring; safe to call from several threads.
  const uint32_t* automorphismTable(uint64_t galois) const;

 private:
  Ring() = default;
  bool buildTables(Prime& prime, uint64_t psi);

  size_t n_ = 0;
  const Operations* operations_ = nullptr;
  std::vector<Prime> primes_;
  std::vector<uint64_t> inverses_;
  std::vector<void*> blocks_;
  mutable std::mutex mutex_;
  mutable std::map<uint64_t, std::unique_ptr<uint32_t[]>> automorphisms_;
};

const Operations& operationsOf(Isa isa);

}  // namespace subrosa
