#include "ring/ring_convert.h"

#include <cmath>

#include "machine/word.h"

namespace subrosa {

namespace {

void fromSigned(const Prime& p, uint64_t* out, const int8_t* small) {
  // |v| <= 128: a multiple of q of at least 128 makes it non-negative.
  const uint64_t lift = (128 / p.q + 1) * p.q;
  for (size_t i = 0; i < p.n; i++)
    out[i] = reduceWord(static_cast<uint64_t>(static_cast<int64_t>(small[i])) + lift, p.q, p.ratio64);
}

void fromDoubles(const Prime& p, uint64_t* out, const double* values) {
  const double split = 1125899906842624.0;  // 2^50
  const uint64_t lift = ((uint64_t{1} << 51) / p.q + 1) * p.q;
  const uint64_t weight = (uint64_t{1} << 50) % p.q;
  const uint64_t weightQuotient = shoupQuotient(weight, p.q);
  for (size_t i = 0; i < p.n; i++) {
    // v = high 2^50 + low, both below 2^50 in absolute value and exact.
    const int64_t high = static_cast<int64_t>(values[i] / split);
    const int64_t low = static_cast<int64_t>(values[i] - static_cast<double>(high) * split);
    const uint64_t shifted = multiplyShoup(static_cast<uint64_t>(high) + lift, weight, weightQuotient, p.q);
    out[i] = reduceWord(shifted + static_cast<uint64_t>(low) + lift, p.q, p.ratio64);
  }
}

void toDoubles(const MixedRadix& radix, double* out, const uint64_t* a) {
  const size_t n = radix.n, count = radix.count;
  int64_t digit[maxRingPrimes];
  uint64_t lifts[maxRingPrimes];
  for (size_t i = 0; i < count; i++) lifts[i] = ((uint64_t{1} << 50) / radix.primes[i]->q + 1) * radix.primes[i]->q;
  for (size_t c = 0; c < n; c++) {
    for (size_t i = 0; i < count; i++) {
      const uint64_t q = radix.primes[i]->q;
      uint64_t rest = a[i * n + c];
      for (size_t j = 0; j < i; j++) {
        const Factor& w = radix.inverses[i * count + j];
        rest = multiplyShoup(rest + lifts[i] - static_cast<uint64_t>(digit[j]), w.value, w.shoup64, q);
      }
      digit[i] = centre(rest, q);
    }
    double value = 0;
    for (size_t i = count; i-- > 0;) value = value * radix.primes[i]->qDouble + static_cast<double>(digit[i]);
    out[c] = value;
  }
}

}  // namespace

const Conversions scalarConversions = {fromSigned, fromDoubles, toDoubles};

bool areIntegers(const double* values, size_t count) {
  const double limit = std::ldexp(1.0, 100);
  const double whole = 4503599627370496.0;  // 2^52: every double of at least this size is an integer.
  uint64_t good = 1;
  for (size_t i = 0; i < count; i++) {
    const double size = std::fabs(values[i]);
    // Adding and taking away 2^52 rounds to an integer, which changes exactly the values that are none.
    const double rounded = (size + whole) - whole;
    good &= static_cast<uint64_t>(size < limit) & (static_cast<uint64_t>(size >= whole) | (rounded == size));
  }
  return good != 0;
}

void toDoubles(const Ring& ring, double* out, const uint64_t* a, const size_t* mods, size_t count) {
  std::vector<Factor> inverses(count * count);
  const Prime* primes[maxRingPrimes];
  for (size_t i = 0; i < count; i++) {
    primes[i] = &ring.prime(mods[i]);
    for (size_t j = 0; j < i; j++) inverses[i * count + j] = makeFactor(ring.inverse(mods[j], mods[i]), *primes[i]);
  }
  ring.operations().conversions->toDoubles({ring.n(), count, primes, inverses.data()}, out, a);
}

bool areResidues(const Prime& p, const uint64_t* a) {
  uint64_t outside = 0;
  for (size_t i = 0; i < p.n; i++) outside |= static_cast<uint64_t>(a[i] >= p.q);
  return outside == 0;
}

}  // namespace subrosa
