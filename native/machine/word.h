// Arithmetic on single words modulo a prime q < 2^50. Constant time: no branch on a value.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace subrosa {
namespace {

inline uint64_t multiplyHigh(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
}

// x in [0, 2q) to [0, q).
inline uint64_t reduceOnce(uint64_t x, uint64_t q) {
  const uint64_t y = x - q;
  return y + (q & (0 - (y >> 63)));
}

inline uint64_t addMod(uint64_t a, uint64_t b, uint64_t q) { return reduceOnce(a + b, q); }

inline uint64_t subMod(uint64_t a, uint64_t b, uint64_t q) {
  const uint64_t x = a - b;
  return x + (q & (0 - (x >> 63)));
}

// Any x < 2^64 to [0, q); ratio = floor(2^64 / q), so that the quotient is at most one too small.
inline uint64_t reduceWord(uint64_t x, uint64_t q, uint64_t ratio) {
  return reduceOnce(x - multiplyHigh(x, ratio) * q, q);
}

// floor(w 2^64 / q) for w < q (Shoup).
inline uint64_t shoupQuotient(uint64_t w, uint64_t q) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(w) << 64) / q);
}

// x w mod q in [0, 2q) for any x < 2^64, with wq = shoupQuotient(w, q).
inline uint64_t multiplyShoupLazy(uint64_t x, uint64_t w, uint64_t wq, uint64_t q) {
  return x * w - multiplyHigh(x, wq) * q;
}

inline uint64_t multiplyShoup(uint64_t x, uint64_t w, uint64_t wq, uint64_t q) {
  return reduceOnce(multiplyShoupLazy(x, w, wq, q), q);
}

// Signed representative in [-(q-1)/2, (q-1)/2] of x in [0, q).
inline int64_t centre(uint64_t x, uint64_t q) {
  const int64_t v = static_cast<int64_t>(x);
  // (q - 1) / 2 - x is negative exactly when x lies in the upper half.
  const int64_t upper = (static_cast<int64_t>(q >> 1) - v) >> 63;
  return v - (static_cast<int64_t>(q) & upper);
}

}  // namespace
}  // namespace subrosa
