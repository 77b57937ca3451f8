#include "ring/blind_rotation.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "machine/memory.h"
#include "machine/pool.h"

namespace subrosa {
namespace {

// One ciphertext times X^exponent where the key's bit is 1; `work` has room for four polynomials.
void rotateOnce(const Operations& op, const Prime& p, uint64_t* acc, size_t exponent, const uint64_t* key,
                unsigned shift, uint64_t* work) {
  const size_t n = p.n;
  uint64_t *digits = work, *sums = work + 2 * n;
  const double bound = std::ldexp(1.0, 50 - static_cast<int>(shift));
  for (size_t part = 0; part < 2; part++) {
    uint64_t* d = digits + part * n;
    op.rotationDigits(p, d, acc + part * n, exponent, shift);
    op.forwardCentred(p, d, d, bound);
  }
  const InnerTerm terms[2] = {{digits, key, key + n, false}, {digits + n, key + 2 * n, key + 3 * n, false}};
  op.innerProduct(p, sums, sums + n, terms, 2, nullptr, 0, n);
  for (size_t part = 0; part < 2; part++) {
    op.inverse(p, sums + part * n);
    op.add(p, acc + part * n, acc + part * n, sums + part * n);
  }
}

}  // namespace

bool blindRotate(const Ring& ring, uint64_t* acc, size_t count, const uint32_t* exponents, size_t steps,
                 const uint64_t* key, unsigned shift) {
  const Operations& op = ring.operations();
  const Prime& p = ring.prime(0);
  const size_t n = ring.n();
  // Each thread takes a run of ciphertexts, which read every part of the key once together.
  const size_t chunk = std::max<size_t>(1, (count + poolThreads() - 1) / poolThreads());
  std::atomic<bool> exhausted{false};
  parallelFor((count + chunk - 1) / chunk, true, [&](size_t task) {
    uint64_t* work = static_cast<uint64_t*>(threadScratch(0, 4 * n * sizeof(uint64_t)));
    if (!work) {
      exhausted = true;
      return;
    }
    const size_t from = task * chunk, to = std::min(count, from + chunk);
    for (size_t step = 0; step < steps; step++)
      for (size_t c = from; c < to; c++) {
        const size_t exponent = exponents[c * steps + step];
        // The exponents are public, and X^0 - 1 is zero.
        if (exponent != 0) rotateOnce(op, p, acc + 2 * c * n, exponent, key + 4 * step * n, shift, work);
      }
  });
  return !exhausted;
}

}  // namespace subrosa
