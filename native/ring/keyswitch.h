// Key switching and rescaling of polynomials in the NTT domain, composed of the loops in ring.h.
//
// Hybrid key switching (Han and Ki, 2020) with digits of `alpha` primes. The key-switched sum is divided by the special
// primes, and by the last prime of a product that is rescaled, as if one at a time, each division rounding to nearest
// through the centred remainder.
#pragma once

#include <atomic>
#include <vector>

#include "machine/memory.h"
#include "machine/pool.h"
#include "ring/ring_tables.h"

namespace subrosa {

// The limbs as indices of the ring; see KeySwitchShape in src/kernel/kernel.ts.
struct KeyShape {
  std::vector<size_t> q;
  std::vector<size_t> p;
  size_t alpha = 1;
  size_t keyLimbs = 0;
  // Position in a key polynomial of each limb of q, then p.
  std::vector<size_t> slots;

  size_t digits() const { return (q.size() + alpha - 1) / alpha; }
  size_t limbs() const { return q.size() + p.size(); }
  size_t limb(size_t position) const { return position < q.size() ? q[position] : p[position - q.size()]; }
};

// A rotation of a linear transform. key null: none, as its Galois element is 1.
struct TransformRotation {
  const uint64_t* key = nullptr;
  size_t keyLimbs = 0;
  std::vector<size_t> slots;
  const uint32_t* galoisTable = nullptr;
};

// Giant g rotates the sum of the babies' rotations times their weights, at g * babies.size() + b: polynomials over q and p, or
// null for none. At least one giant.
struct TransformPlan {
  std::vector<TransformRotation> babies, giants;
  std::vector<const uint64_t*> weights;
};

// Constants of one shape; made once per call, then shared by the threads that work on the batch.
class KeySwitch {
 public:
  // `spread` shares the limbs of one polynomial between threads, for batches with fewer members than threads.
  KeySwitch(const Ring& ring, const KeyShape& shape, bool spread);

  // Words of scratch that one thread needs for any of the methods.
  size_t scratchWords() const;
  // Whether a method could not get the memory for its limbs; what it wrote is worth nothing then.
  bool exhausted() const { return exhausted_; }

  // One polynomial over q to its digits over q and p, reduced.
  void decompose(uint64_t* out, const uint64_t* d, uint64_t* scratch) const;
  // Two parts over q from digits. galoisTable may be null: no automorphism.
  void applyKey(uint64_t* out, const uint64_t* digits, const uint64_t* key, const uint32_t* galoisTable,
                uint64_t* scratch) const;
  // sum += weight times the inner product of digits and key, two parts over q and p; weight, when not null, one polynomial
  // over q and p. `sum` apart from the inputs.
  void accumulateKey(uint64_t* sum, const uint64_t* digits, const uint64_t* key, const uint32_t* galoisTable,
                     const uint64_t* weight) const;
  // The two-part ciphertext a over q to the sum over the plan, over q; see linear_transform.cpp. Sets exhausted().
  void linearTransform(uint64_t* out, const uint64_t* a, const TransformPlan& plan) const;
  // One polynomial over q and p divided by the special primes: over q. `out` is a or apart from it.
  void modDown(uint64_t* out, const uint64_t* a, uint64_t* scratch) const;
  // Two parts over q from a polynomial over q; c0, when not null, is a polynomial over q whose automorphic image is
  // added to part 0. `out` apart from the inputs.
  void switchKey(uint64_t* out, const uint64_t* d, const uint64_t* c0, const uint64_t* key, const uint32_t* galoisTable,
                 uint64_t* scratch) const;
  // Two-part ciphertexts over q to their product over q without the last; a may be b. `out` apart from the inputs.
  void multiplyRelinearizeRescale(uint64_t* out, const uint64_t* a, const uint64_t* b, const uint64_t* key,
                                  uint64_t* scratch) const;

 private:
  // The digits that an inner product reads: prepared ones, or those of the polynomial d made limb by limb.
  struct Source {
    const uint64_t* key;
    const uint64_t* d;
    const uint64_t* coefficients;
    const uint64_t* digits;
    const uint32_t* galoisTable;
  };
  // Two-part ciphertexts over q.
  struct Factors {
    const uint64_t* a;
    const uint64_t* b;
  };
  struct TransformMemory;
  void weightedSums(const uint64_t* a, const TransformPlan& plan, const TransformMemory& memory) const;
  void sumChunks(const uint64_t* a, const TransformPlan& plan, const TransformMemory& memory, size_t j,
                 uint64_t* buffer) const;
  void rotateSums(const TransformPlan& plan, const TransformMemory& memory) const;
  size_t digitTerms(InnerTerm* terms, const uint64_t* d, const uint64_t* coefficients, const TransformRotation& by,
                    size_t position, uint64_t* buffer) const;
  const Prime& primeAt(size_t position) const { return ring_.prime(shape_.limb(position)); }
  bool inDigit(size_t digit, size_t position) const {
    return position < shape_.q.size() && position / shape_.alpha == digit;
  }
  template <typename Body>
  void forEachLimb(size_t count, Body&& body) const;
  void coefficients(uint64_t* out, const uint64_t* d, size_t i) const;
  void digitLimb(uint64_t* out, const uint64_t* coefficients, size_t digit, size_t position) const;
  void product(uint64_t* out0, uint64_t* out1, const Source& source, size_t position, uint64_t* buffer) const;
  void divideBySpecials(uint64_t* out, const Source& source, const uint64_t* c0, const uint32_t* galoisTable,
                        uint64_t* r) const;
  size_t chainLimb(size_t t) const;
  Factor chainProduct(size_t length, size_t limb, bool inverted) const;
  void remainder(uint64_t* r, size_t length, const Source& source, const Factors* factors, size_t t,
                 uint64_t* buffer) const;
  void addTensor(uint64_t* out, const Factors& factors, size_t part, size_t position, uint64_t scale) const;
  void joinRemainders(uint64_t* own, size_t length) const;
  template <typename Divide>
  void sumAndDivide(uint64_t* out, size_t limbs, const Source& source, const Factors* factors, size_t length,
                    uint64_t* r, Divide&& divide) const;
  void transformRemainder(uint64_t* out, const uint64_t* r, size_t length, size_t limb) const;

  const Ring& ring_;
  const KeyShape& shape_;
  const Operations& op_;
  size_t n_;
  // Words from one scratch limb to the next: more than n, so that equal places of several limbs do not compete for the
  // same lines of the caches.
  size_t step_;
  // [(D/d_i)^-1]_{d_i} per limb of q, and, for each limb of q and p, D/d_i modulo it per limb of q; D the product of the digit.
  std::vector<Factor> scale_;
  std::vector<Factor> cofactor_;
  bool spread_;
  mutable std::atomic<bool> exhausted_{false};
};

// Calls body(i, buffer) for each i < count, with a buffer of four limbs and one per digit for the calling thread.
template <typename Body>
void KeySwitch::forEachLimb(size_t count, Body&& body) const {
  parallelFor(count, spread_, [&](size_t i) {
    void* buffer = threadScratch(1, (shape_.digits() + 4) * step_ * sizeof(uint64_t));
    if (buffer)
      body(i, static_cast<uint64_t*>(buffer));
    else
      exhausted_ = true;
  });
}

// Divides by the last of `mods` and rounds; `out` over the others. Scratch: 2 n words.
void rescale(const Ring& ring, uint64_t* out, const uint64_t* a, const size_t* mods, size_t count, uint64_t* scratch);

}  // namespace subrosa
