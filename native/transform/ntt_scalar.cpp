// The NTT in 64-bit words: Harvey's butterflies with Shoup quotients, values in [0, 4q) between stages.
#include "transform/ntt.h"
#include "machine/word.h"

namespace subrosa {

// Algorithm 2 of Harvey, Faster arithmetic for number-theoretic transforms (2014); order of Longa and Naehrig (2016).
void forwardScalar(const Prime& p, uint64_t* x) {
  const uint64_t q = p.q, twoQ = 2 * q;
  const uint64_t* root = static_cast<const uint64_t*>(p.root);
  const uint64_t* quotient = static_cast<const uint64_t*>(p.rootQuotient);
  for (size_t groups = 1, half = p.n / 2; half >= 1; groups *= 2, half /= 2) {
    for (size_t g = 0; g < groups; g++) {
      const uint64_t w = root[groups + g], wq = quotient[groups + g];
      uint64_t* low = x + 2 * g * half;
      uint64_t* high = low + half;
      for (size_t j = 0; j < half; j++) {
        const uint64_t u = reduceOnce(low[j], twoQ);
        const uint64_t v = multiplyShoupLazy(high[j], w, wq, q);
        low[j] = u + v;
        high[j] = u + twoQ - v;
      }
    }
  }
}

void inverseScalar(const Prime& p, uint64_t* x) {
  const uint64_t q = p.q, twoQ = 2 * q;
  const uint64_t* root = static_cast<const uint64_t*>(p.inverseRoot);
  const uint64_t* quotient = static_cast<const uint64_t*>(p.inverseRootQuotient);
  // Values stay in [0, 2q).
  for (size_t groups = p.n / 2, half = 1; groups > 1; groups /= 2, half *= 2) {
    for (size_t g = 0; g < groups; g++) {
      const uint64_t w = root[groups + g], wq = quotient[groups + g];
      uint64_t* low = x + 2 * g * half;
      uint64_t* high = low + half;
      for (size_t j = 0; j < half; j++) {
        const uint64_t u = low[j], v = high[j];
        low[j] = reduceOnce(u + v, twoQ);
        high[j] = multiplyShoupLazy(u + twoQ - v, w, wq, q);
      }
    }
  }
  // The last stage carries the factor 1/n and reduces.
  const size_t half = p.n / 2;
  for (size_t j = 0; j < half; j++) {
    const uint64_t u = x[j], v = x[j + half];
    x[j] = multiplyShoup(u + v, root[0], quotient[0], q);
    x[j + half] = multiplyShoup(u + twoQ - v, root[1], quotient[1], q);
  }
}

}  // namespace subrosa
