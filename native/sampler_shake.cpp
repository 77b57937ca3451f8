#include <cstring>

#include "sampler.h"

namespace subrosa {
namespace {

constexpr size_t rate = 168;

const uint64_t roundConstants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

inline uint64_t rotate(uint64_t x, unsigned by) { return (x << by) | (x >> ((64 - by) & 63)); }

// Keccak-f[1600], FIPS 202 section 3. Lane (x, y) is a[x + 5 y].
void permute(uint64_t* a) {
  static const unsigned offsets[24] = {1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44};
  static const unsigned lanes[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};
  for (int round = 0; round < 24; round++) {
    uint64_t c[5], d;
    for (int x = 0; x < 5; x++) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
#pragma GCC unroll 5
    for (int x = 0; x < 5; x++) {
      d = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1);
      for (int y = 0; y < 25; y += 5) a[x + y] ^= d;
    }
    uint64_t moving = a[1];
#pragma GCC unroll 24
    for (int i = 0; i < 24; i++) {
      const uint64_t next = a[lanes[i]];
      a[lanes[i]] = rotate(moving, offsets[i]);
      moving = next;
    }
#pragma GCC unroll 5
    for (int y = 0; y < 25; y += 5) {
      for (int x = 0; x < 5; x++) c[x] = a[x + y];
      for (int x = 0; x < 5; x++) a[x + y] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5]);
    }
    a[0] ^= roundConstants[round];
  }
}

}  // namespace

Shake128::Shake128(const uint8_t* message, size_t length) : position_(0) {
  uint8_t block[rate] = {};
  memcpy(block, message, length < rate ? length : rate - 1);
  block[length < rate ? length : rate - 1] ^= 0x1f;
  block[rate - 1] ^= 0x80;
  memset(state_, 0, sizeof state_);
  memcpy(state_, block, rate);
  permute(state_);
}

void Shake128::squeeze(uint8_t* out, size_t length) {
  while (length > 0) {
    if (position_ == rate) {
      permute(state_);
      position_ = 0;
    }
    const size_t part = length < rate - position_ ? length : rate - position_;
    memcpy(out, reinterpret_cast<const uint8_t*>(state_) + position_, part);
    position_ += part;
    out += part;
    length -= part;
  }
}

// Rejection depends on the public seed only.
void sampleUniform(uint64_t* out, size_t count, const uint8_t* seed, uint32_t polynomial, uint64_t q) {
  uint8_t message[seedBytes + 4 + 8];
  memcpy(message, seed, seedBytes);
  memcpy(message + seedBytes, &polynomial, 4);
  memcpy(message + seedBytes + 4, &q, 8);
  Shake128 stream(message, sizeof message);
  const unsigned bits = 64 - static_cast<unsigned>(__builtin_clzll(q));
  const size_t bytes = (bits + 7) / 8;
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  // A candidate may be split between two buffers, whose size is no multiple of `bytes`: so fetch whole candidates.
  constexpr size_t candidates = 128;
  uint8_t buffer[candidates * 8 + 8];
  for (size_t i = 0; i < count;) {
    stream.squeeze(buffer, candidates * bytes);
    for (size_t c = 0; c < candidates && i < count; c++) {
      uint64_t candidate;
      memcpy(&candidate, buffer + c * bytes, 8);
      candidate &= mask;
      out[i] = candidate;
      i += candidate < q;
    }
  }
}

}  // namespace subrosa
