#include "ring/ring_selftest.h"

#include <cstring>
#include <vector>

#include "ring/ring_tables.h"

namespace subrosa {
namespace {

constexpr size_t degree = 256;
// 42, 48 and 50 bits, each 1 mod 512: the three regimes of the floating-point loops.
const uint64_t testPrimes[] = {4398046504961, 281474976694273, 1125899906826241};

uint64_t rootOfOrder(size_t order, uint64_t q) {
  for (uint64_t g = 2;; g++) {
    const uint64_t psi = powerMod(g, (q - 1) / order, q);
    if (powerMod(psi, order / 2, q) == q - 1) return psi;
  }
}

using Words = std::vector<uint64_t>;

Words pattern(uint64_t q, uint64_t seed) {
  Words x(degree);
  for (uint64_t& word : x) {
    seed = seed * 6364136223846793005 + 1442695040888963407;
    word = (seed >> 12) % q;
  }
  x[0] = x[5] = q - 1;
  x[1] = 0;
  x[2] = q / 2;
  x[3] = q / 2 + 1;
  return x;
}

// Everything that key switching does, with the outputs one after the other.
Words run(const Operations& op, const Prime& p) {
  const Words a = pattern(p.q, 1), b = pattern(p.q, 2), c = pattern(p.q, 3);
  const Factor w = makeFactor(p.q - 2, p);
  Words x(degree), y(degree), lazy(degree), all;
  const auto keep = [&](const Words& result) { all.insert(all.end(), result.begin(), result.end()); };
  x = a;
  op.forward(p, x.data());
  keep(x);
  op.inverse(p, x.data());
  keep(x);
  op.mul(p, x.data(), a.data(), b.data());
  keep(x);
  op.mulAdd(p, x.data(), b.data(), c.data());
  keep(x);
  op.inverseCentred(p, x.data(), a.data(), &w);
  op.inverseCentred(p, y.data(), b.data(), nullptr);
  op.combineCentred(p, y.data(), x.data(), 0, 1, &w);
  op.differenceCentred(p, y.data(), y.data(), x.data(), w);
  op.forwardCentred(p, lazy.data(), y.data(), p.qDouble);
  op.subtractScale(p, x.data(), a.data(), lazy.data(), w, b.data(), w);
  keep(x);
  const InnerTerm terms[] = {{lazy.data(), a.data(), b.data(), false}, {c.data(), b.data(), c.data(), true}};
  op.innerProduct(p, x.data(), y.data(), terms, 2, nullptr, 0, p.n);
  keep(x);
  keep(y);
  // The reverse order, which an automorphism makes, too.
  std::vector<uint32_t> table(degree);
  for (size_t i = 0; i < degree; i++) table[i] = static_cast<uint32_t>(degree - 1 - i);
  const InnerTerm permuted[] = {{c.data(), a.data(), b.data(), true}};
  op.innerProduct(p, x.data(), y.data(), permuted, 1, table.data(), 0, p.n);
  keep(x);
  keep(y);
  return all;
}

}  // namespace

bool agreesWithScalar(Isa isa) {
  std::vector<uint64_t> primes, roots;
  for (const uint64_t q : testPrimes) {
    primes.push_back(q);
    roots.push_back(rootOfOrder(2 * degree, q));
  }
  const auto ring = Ring::open(isa, degree, primes, roots);
  const auto scalar = Ring::open(Isa::scalar, degree, primes, roots);
  if (!ring || !scalar) return false;
  for (size_t i = 0; i < primes.size(); i++) {
    const Words expected = run(scalar->operations(), scalar->prime(i));
    if (run(ring->operations(), ring->prime(i)) != expected) return false;
    // Known answer: the transform of X is psi, psi^(2 bitrev(1) + 1), ...
    Words x(degree);
    x[1] = 1;
    ring->operations().forward(ring->prime(i), x.data());
    if (x[0] != roots[i] || x[1] != powerMod(roots[i], degree + 1, primes[i])) return false;
  }
  return true;
}

}  // namespace subrosa
