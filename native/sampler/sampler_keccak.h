// Keccak-f[1600], FIPS 202 section 3, on one state or several side by side: Lane is a 64-bit word or a vector of them.
// Lane (x, y) is a[x + 5 y].
#pragma once

#include <stdint.h>

namespace subrosa {
namespace {

const uint64_t keccakConstants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

// Rotation and destination of the lanes, along the one cycle that rho and pi make of all but lane 0.
constexpr unsigned keccakOffsets[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                        27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
constexpr unsigned keccakLanes[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                      15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

template <typename Lane>
inline void permuteKeccak(Lane* state) {
  Lane a[25];
#pragma GCC unroll 25
  for (int i = 0; i < 25; i++) a[i] = state[i];
  for (int round = 0; round < 24; round++) {
    Lane c[5];
#pragma GCC unroll 5
    for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
    for (int x = 0; x < 5; x++) {
      const Lane next = c[(x + 1) % 5];
      const Lane d = c[(x + 4) % 5] ^ ((next << 1) | (next >> 63));
#pragma GCC unroll 5
      for (int y = 0; y < 25; y += 5) a[x + y] ^= d;
    }
    Lane moving = a[1];
#pragma GCC unroll 24
    for (int i = 0; i < 24; i++) {
      const Lane next = a[keccakLanes[i]];
      a[keccakLanes[i]] = (moving << keccakOffsets[i]) | (moving >> (64 - keccakOffsets[i]));
      moving = next;
    }
#pragma GCC unroll 5
    for (int y = 0; y < 25; y += 5) {
#pragma GCC unroll 5
      for (int x = 0; x < 5; x++) c[x] = a[x + y];
#pragma GCC unroll 5
      for (int x = 0; x < 5; x++) a[x + y] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5]);
    }
    a[0] ^= keccakConstants[round];
  }
#pragma GCC unroll 25
  for (int i = 0; i < 25; i++) state[i] = a[i];
}

// The same on states whose words are interleaved in memory, as many as a vector has lanes.
template <typename Vector>
void permuteInterleaved(uint64_t* states) {
  Vector lanes[25];
  __builtin_memcpy(lanes, states, sizeof lanes);
  permuteKeccak(lanes);
  __builtin_memcpy(states, lanes, sizeof lanes);
}

}  // namespace
}  // namespace subrosa
