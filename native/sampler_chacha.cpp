#include <cstring>

#include "declassified.h"
#include "memory.h"
#include "sampler.h"

namespace subrosa {
namespace {

inline uint32_t rotate(uint32_t x, unsigned by) { return (x << by) | (x >> (32 - by)); }

inline void quarterRound(uint32_t* x, int a, int b, int c, int d) {
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 7);
}

inline int popcount21(uint32_t x) {
  x -= (x >> 1) & 0x55555555;
  x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
  x = (x + (x >> 4)) & 0x0f0f0f0f;
  return static_cast<int>((x * 0x01010101) >> 24);
}

// The stream in pieces of `bytes`, which must divide 192 = 3 blocks.
template <typename Take>
void forEachPiece(size_t count, size_t bytes, const uint8_t* key, uint64_t nonce, Take&& take) {
  ChaCha20 stream(key, nonce);
  uint8_t buffer[192 + 8];
  memset(buffer + 192, 0, 8);
  size_t position = 192;
  for (size_t i = 0; i < count; i++, position += bytes) {
    if (position == 192) {
      for (size_t block = 0; block < 192; block += 64) stream.block(buffer + block);
      position = 0;
    }
    uint64_t piece;
    memcpy(&piece, buffer + position, 8);
    take(i, piece);
  }
  wipeBlock(buffer, sizeof buffer);
}

}  // namespace

ChaCha20::ChaCha20(const uint8_t* key, uint64_t nonce) {
  const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  memcpy(state_, constants, 16);
  memcpy(state_ + 4, key, 32);
  state_[12] = 0;
  state_[13] = static_cast<uint32_t>(nonce);
  state_[14] = static_cast<uint32_t>(nonce >> 32);
  state_[15] = 0;
}

ChaCha20::~ChaCha20() { wipeBlock(state_, sizeof state_); }

void ChaCha20::block(uint8_t* out) {
  uint32_t x[16];
  memcpy(x, state_, sizeof x);
  for (int round = 0; round < 10; round++) {
    quarterRound(x, 0, 4, 8, 12);
    quarterRound(x, 1, 5, 9, 13);
    quarterRound(x, 2, 6, 10, 14);
    quarterRound(x, 3, 7, 11, 15);
    quarterRound(x, 0, 5, 10, 15);
    quarterRound(x, 1, 6, 11, 12);
    quarterRound(x, 2, 7, 8, 13);
    quarterRound(x, 3, 4, 9, 14);
  }
  for (int i = 0; i < 16; i++) x[i] += state_[i];
  memcpy(out, x, sizeof x);
  state_[12]++;
}

void sampleCentredBinomial(int8_t* out, size_t count, const uint8_t* key, uint64_t nonce) {
  const uint32_t mask = (1u << 21) - 1;
  forEachPiece(count, 6, key, nonce, [&](size_t i, uint64_t v) {
    const uint32_t low = static_cast<uint32_t>(v) & mask, high = static_cast<uint32_t>(v >> 21) & mask;
    out[i] = static_cast<int8_t>(popcount21(low) - popcount21(high));
  });
}

// Writes every candidate and advances past the accepted ones: only their number shows.
void sampleTernary(int8_t* out, size_t count, const uint8_t* key, uint64_t nonce) {
  ChaCha20 stream(key, nonce);
  uint8_t buffer[64];
  for (size_t i = 0; i < count;) {
    stream.block(buffer);
    for (size_t c = 0; c < 256 && i < count; c++) {
      const int bits = (buffer[c / 4] >> (2 * (c % 4))) & 3;
      out[i] = static_cast<int8_t>(bits - 1);
      // 1 unless bits == 3.
      i += declassified(static_cast<size_t>(1 ^ (bits & (bits >> 1))));
    }
  }
  wipeBlock(buffer, sizeof buffer);
}

void sampleUniformSigned(double* out, size_t count, unsigned bits, const uint8_t* key, uint64_t nonce) {
  const uint64_t mask = (uint64_t{2} << bits) - 1;
  const int64_t offset = int64_t{1} << bits;
  forEachPiece(count, 8, key, nonce, [&](size_t i, uint64_t v) {
    out[i] = static_cast<double>(static_cast<int64_t>(v & mask) - offset);
  });
}

}  // namespace subrosa
