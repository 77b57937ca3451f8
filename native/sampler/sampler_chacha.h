// Eight successive blocks of the stream of RFC 8439 side by side, lane by lane.
#pragma once

#include <stdint.h>

namespace subrosa {
namespace {

typedef uint32_t EightWords __attribute__((vector_size(32)));

template <unsigned by>
inline EightWords rotateEight(EightWords x) {
  return (x << by) | (x >> (32 - by));
}

inline void quarterRoundEight(EightWords& a, EightWords& b, EightWords& c, EightWords& d) {
  a += b;
  d = rotateEight<16>(d ^ a);
  c += d;
  b = rotateEight<12>(b ^ c);
  a += b;
  d = rotateEight<8>(d ^ a);
  c += d;
  b = rotateEight<7>(b ^ c);
}

// The blocks number state[12] .. state[12] + 7 to 512 bytes at out.
inline void eightChachaBlocks(uint8_t* out, const uint32_t* state) {
  const EightWords counters = {0, 1, 2, 3, 4, 5, 6, 7};
  EightWords initial[16], x[16];
  for (int i = 0; i < 16; i++) initial[i] = EightWords{} + state[i];
  initial[12] += counters;
  for (int i = 0; i < 16; i++) x[i] = initial[i];
  for (int round = 0; round < 10; round++) {
    quarterRoundEight(x[0], x[4], x[8], x[12]);
    quarterRoundEight(x[1], x[5], x[9], x[13]);
    quarterRoundEight(x[2], x[6], x[10], x[14]);
    quarterRoundEight(x[3], x[7], x[11], x[15]);
    quarterRoundEight(x[0], x[5], x[10], x[15]);
    quarterRoundEight(x[1], x[6], x[11], x[12]);
    quarterRoundEight(x[2], x[7], x[8], x[13]);
    quarterRoundEight(x[3], x[4], x[9], x[14]);
  }
  for (int i = 0; i < 16; i++) {
    const EightWords word = x[i] + initial[i];
    for (int block = 0; block < 8; block++) {
      const uint32_t value = word[block];
      __builtin_memcpy(out + 64 * block + 4 * i, &value, 4);
    }
  }
}

}  // namespace
}  // namespace subrosa
