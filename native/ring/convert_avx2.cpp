// Conversions between residues and ordinary numbers on doubles, with AVX2 and FMA; see word_avx2.h for the ranges.
#include "machine/avx2.h"

#include "ring/ring.h"
#include "machine/word_avx2.h"

namespace subrosa {
namespace {

void fromSigned(const Prime& p, uint64_t* out, const int8_t* small) {
  const Modulus m(p.qDouble, p.qInverse);
  for (size_t i = 0; i < p.n; i += 4) storeWords(out + i, reduceToPositive(loadSmall(small + i), m));
}

void fromDoubles(const Prime& p, uint64_t* out, const double* values) {
  const Modulus m(p.qDouble, p.qInverse);
  const IntegerSplit split(makeFactor((uint64_t{1} << 50) % p.q, p));
  for (size_t i = 0; i < p.n; i += 4)
    storeWords(out + i, makePositive(split.residue(loadDoubles(values + i), m), m));
}

// Two vectors of coefficients at a time. Digit j leaves every later limb at once, so that the limbs, not the steps of one
// of them, follow each other in the pipeline. A rest is below q in absolute value, a digit at most 2^49: their difference
// is below 2^51, and the product with the inverse below q again.
void toDoubles(const MixedRadix& radix, double* out, const uint64_t* a) {
  constexpr size_t width = 2;
  const size_t n = radix.n, count = radix.count;
  Vector rest[maxRingPrimes][width];
  for (size_t c = 0; c < n; c += 4 * width) {
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < width; k++) rest[i][k] = loadWords(a + i * n + c + 4 * k);
    for (size_t j = 0; j < count; j++) {
      const Modulus own(radix.primes[j]->qDouble, radix.primes[j]->qInverse);
      Vector digit[width];
      for (size_t k = 0; k < width; k++) rest[j][k] = digit[k] = reduceCentred(rest[j][k], own);
      for (size_t i = j + 1; i < count; i++) {
        const Modulus m(radix.primes[i]->qDouble, radix.primes[i]->qInverse);
        const Factor& inverse = radix.inverses[i * count + j];
        const Vector w = all(inverse.centred), wq = all(inverse.quotient);
        for (size_t k = 0; k < width; k++) rest[i][k] = multiply(_mm256_sub_pd(rest[i][k], digit[k]), w, wq, m);
      }
    }
    for (size_t k = 0; k < width; k++) {
      Vector value = _mm256_setzero_pd();
      for (size_t i = count; i-- > 0;) {
        // The interface rounds product and sum apart.
        value = _mm256_add_pd(_mm256_mul_pd(value, all(radix.primes[i]->qDouble)), rest[i][k]);
      }
      storeDoubles(out + c + 4 * k, value);
    }
  }
}

}  // namespace

const Conversions avx2Conversions = {fromSigned, fromDoubles, toDoubles};

}  // namespace subrosa
