// The digits of a blind rotation: see Kernel.blindRotate. Plain loops, which each instruction set compiles with its own flags: in a
// namespace without a name, since a linker keeps one of several functions of the same name, made for whichever processor.
#pragma once

#include <string.h>

#include "ring/ring.h"

namespace subrosa {
namespace {

// d as the instruction set holds centred numbers: an int64, or a double whose low bits are set without a conversion.
template <typename Centred>
inline Centred centredNumber(int64_t d);

template <>
inline int64_t centredNumber<int64_t>(int64_t d) {
  return d;
}

template <>
inline double centredNumber<double>(int64_t d) {
  const uint64_t bits = static_cast<uint64_t>(d) + 0x4338000000000000;  // 1.5 2^52 + d, |d| < 2^51
  double value;
  memcpy(&value, &bits, sizeof value);
  return value - 6755399441055744.0;
}

// Digits of sign * x - a, coefficient by coefficient.
template <typename Centred, bool negative>
inline void digitRun(Centred* __restrict out, const uint64_t* x, const uint64_t* a, size_t count, int64_t q, unsigned shift) {
  const int64_t half = (q - 1) / 2, round = int64_t{1} << (shift - 1);
  // Shifts of numbers that are not negative, which AVX2 has: 2^52 is a multiple of 2^shift.
  const int64_t lift = int64_t{1} << 52, lifted = lift >> shift;
  for (size_t i = 0; i < count; i++) {
    int64_t t = (negative ? q - static_cast<int64_t>(x[i]) : static_cast<int64_t>(x[i])) - static_cast<int64_t>(a[i]);
    t -= t > half ? q : 0;
    t += t < -half ? q : 0;
    const uint64_t high = static_cast<uint64_t>(t + round + lift) >> shift;
    out[i] = centredNumber<Centred>(static_cast<int64_t>(high) - lifted);
  }
}

// Operations::rotationDigits.
template <typename Centred>
void rotationDigitsLoop(const Prime& p, uint64_t* out, const uint64_t* a, size_t exponent, unsigned shift) {
  const size_t n = p.n, e = exponent % n;
  const int64_t q = static_cast<int64_t>(p.q);
  Centred* digits = reinterpret_cast<Centred*>(out);
  if (exponent < n) {
    digitRun<Centred, true>(digits, a + n - e, a, e, q, shift);
    digitRun<Centred, false>(digits + e, a, a + e, n - e, q, shift);
  } else {
    digitRun<Centred, false>(digits, a + n - e, a, e, q, shift);
    digitRun<Centred, true>(digits + e, a, a + e, n - e, q, shift);
  }
}

}  // namespace
}  // namespace subrosa
