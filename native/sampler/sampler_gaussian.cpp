// Integers from a discrete Gaussian of any width: candidate and acceptance as in kernel.ts, in integer arithmetic of 64 and 128
// bits. All candidates take the same steps; the number of rejections does not depend on the values accepted.
#include <cstring>

#include "machine/declassified.h"
#include "machine/memory.h"
#include "sampler/sampler.h"

namespace subrosa {
namespace {

using u128 = unsigned __int128;

constexpr size_t candidateBytes = 48;
constexpr size_t bufferBytes = 1536;  // 32 candidates in 24 blocks.

struct Words128 {
  uint64_t high, low;
};

// floor(2^128 * P(X >= j)), j = 1 .. 11, for P(X = j) proportional to 2^(-j^2), j >= 0.
constexpr Words128 baseThresholds[] = {
    {0x5c5dbb936a4a4ff6, 0x7a244a9b386e0074},
    {0x0a8c995d1f6f77f1, 0xb7366fe8d4a500af},
    {0x0052751656141cf1, 0x1ed8b492882be0b6},
    {0x0000a3f41fc94219, 0x1a15c6b7d5c817b6},
    {0x00000051db5cac63, 0x6a0c40dc20635024},
    {0x000000000a3a7618, 0x8f343c1932889dc1},
    {0x00000000000051d1, 0xc5d8e1189a2ae26a},
    {0x0000000000000000, 0xa3a2963dc2261f7c},
    {0x0000000000000000, 0x000051d12c706f73},
    {0x0000000000000000, 0x000000000a3a2498},
    {0x0000000000000000, 0x0000000000000051}};

// floor(2^63 * ln(2)^j / j!), j = 0 .. 20: the series of 2^-z for z in [0, 1), cut below 2^-72.
constexpr uint64_t exponentialSeries[] = {
    0x8000000000000000,
    0x58b90bfbe8e7bcd5,
    0x1ebfbdff82c58ea8,
    0x071ac235c1282fe2,
    0x013b2ab6fba4e772,
    0x002bb0ffcf14ce62,
    0x00050c244be1b1e1,
    0x00007ff2ff1622c3,
    0x00000b160111d2e4,
    0x000000da929e9caf,
    0x0000000f267a8ac5,
    0x00000000f465639a,
    0x000000000e1deb28,
    0x0000000000c0b0c9,
    0x0000000000098a4b,
    0x00000000000070db,
    0x00000000000004e3,
    0x0000000000000033,
    0x0000000000000001,
    0x0000000000000000,
    0x0000000000000000};
constexpr int lastTerm = sizeof exponentialSeries / sizeof *exponentialSeries - 1;

inline uint64_t mulHigh(uint64_t a, uint64_t b) { return static_cast<uint64_t>((static_cast<u128>(a) * b) >> 64); }

inline uint64_t baseSample(uint64_t high, uint64_t low) {
  uint64_t value = 0;
  for (const Words128& t : baseThresholds)
    value += static_cast<uint64_t>(high < t.high) | (static_cast<uint64_t>(high == t.high) & (low < t.low));
  return value;
}

// 2^63 * 2^(-z / 2^64).
inline uint64_t powerOfHalf(uint64_t z) {
  uint64_t p = exponentialSeries[lastTerm];
  for (int j = lastTerm - 1; j >= 0; j--) p = exponentialSeries[j] - mulHigh(z, p);
  return p;
}

struct Candidate {
  int64_t value;
  uint64_t accepted;
};

struct Width {
  uint64_t multiplier, reciprocal;
  unsigned shift;
};

Width widthOf(uint64_t multiplier) {
  unsigned bits = 0;
  while (multiplier >> bits) bits++;
  const u128 quotient = (u128{1} << (63 + bits)) / multiplier;
  const u128 largest = ~uint64_t{0};
  return {multiplier, static_cast<uint64_t>(quotient < largest ? quotient : largest), 64 - bits};
}

inline Candidate candidate(const Width& width, const uint64_t* w) {
  const uint64_t k = width.multiplier;
  const uint64_t base = baseSample(w[1], w[0]);
  const u128 product = static_cast<u128>(k) * w[3] + mulHigh(k, w[2]);
  const uint64_t offset = static_cast<uint64_t>(product >> 64);  // Uniform in [0, k), biased by less than 2^-82.
  // offset / k in units of 2^-64; then the exponent f^2 + 2 base f as whole + fraction.
  const uint64_t f = mulHigh(offset << width.shift, width.reciprocal) << 1;
  const u128 exponent = static_cast<u128>(2 * base) * f + mulHigh(f, f);
  const uint64_t whole = static_cast<uint64_t>(exponent >> 64);
  const uint64_t threshold = powerOfHalf(static_cast<uint64_t>(exponent)) >> whole;
  const uint64_t magnitude = base * k + offset;
  const uint64_t sign = w[5] & 1;
  const int64_t value = static_cast<int64_t>((magnitude ^ (0 - sign)) + sign);
  const uint64_t isSecondZero = static_cast<uint64_t>(magnitude == 0) & sign;
  return {value, static_cast<uint64_t>((w[4] >> 1) < threshold) & (isSecondZero ^ 1)};
}

}  // namespace

void sampleWideGaussian(double* out, size_t count, uint64_t multiplier, ChaCha20& stream) {
  const Width width = widthOf(multiplier);
  uint8_t buffer[bufferBytes];
  uint64_t words[candidateBytes / 8];
  for (size_t i = 0; i < count;) {
    stream.blocks(buffer, bufferBytes / 64);
    // Every candidate is written; only the accepted ones are kept.
    for (size_t at = 0; at < bufferBytes && i < count; at += candidateBytes) {
      memcpy(words, buffer + at, candidateBytes);
      const Candidate next = candidate(width, words);
      out[i] = static_cast<double>(next.value);
      i += declassified(static_cast<size_t>(next.accepted));
    }
  }
  wipeBlock(buffer, sizeof buffer);
  wipeBlock(words, sizeof words);
}

}  // namespace subrosa
