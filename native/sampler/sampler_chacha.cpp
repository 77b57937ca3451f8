#include <cstring>

#include "machine/declassified.h"
#include "machine/memory.h"
#include "sampler/sampler.h"

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

constexpr size_t bufferBlocks = 24;
constexpr size_t bufferBytes = 64 * bufferBlocks;

// Calls take(first, buffer, size) for runs of the stream that hold `bytes` for each of up to `size` values; `bytes` divides
// the 1536 of the buffer.
template <typename Take>
void forEachRun(size_t count, size_t bytes, ChaCha20& stream, Take&& take) {
  uint8_t buffer[bufferBytes + 8];
  memset(buffer + bufferBytes, 0, 8);
  const size_t most = bufferBytes / bytes;
  for (size_t first = 0; first < count; first += most) {
    const size_t size = count - first < most ? count - first : most;
    stream.blocks(buffer, (size * bytes + 63) / 64);
    take(first, buffer, size);
  }
  wipeBlock(buffer, sizeof buffer);
}

inline uint64_t wordAt(const uint8_t* buffer) {
  uint64_t word;
  memcpy(&word, buffer, 8);
  return word;
}

}  // namespace

const StreamLoops& streamLoops(Isa isa) {
  static const StreamLoops scalarStream = {nullptr, nullptr};
#ifdef SUBROSA_AVX2
  if (isa == Isa::avx2 || isa == Isa::avx512Ifma) return avx2Stream;
#endif
  return scalarStream;
}

ChaCha20::ChaCha20(const uint8_t* key, uint64_t nonce, const StreamLoops& loops) : loops_(loops) {
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

void ChaCha20::blocks(uint8_t* out, size_t count) {
  if (loops_.eightBlocks) {
    for (; count >= 8; count -= 8, out += 8 * 64, state_[12] += 8) loops_.eightBlocks(out, state_);
  }
  for (; count > 0; count--, out += 64) block(out);
}

void sampleCentredBinomial(int8_t* out, size_t count, ChaCha20& stream) {
  const uint32_t mask = (1u << 21) - 1;
  const auto vectors = stream.loops().binomials;
  forEachRun(count, 6, stream, [&](size_t first, const uint8_t* buffer, size_t size) {
    const size_t fast = vectors ? size / 16 * 16 : 0;
    if (fast > 0) vectors(out + first, buffer, fast);
    for (size_t i = fast; i < size; i++) {
      const uint64_t v = wordAt(buffer + 6 * i);
      const uint32_t low = static_cast<uint32_t>(v) & mask, high = static_cast<uint32_t>(v >> 21) & mask;
      out[first + i] = static_cast<int8_t>(popcount21(low) - popcount21(high));
    }
  });
}

// Writes every candidate and advances past the accepted ones: only their number shows.
void sampleTernary(int8_t* out, size_t count, ChaCha20& stream) {
  uint8_t buffer[512];
  for (size_t i = 0; i < count;) {
    stream.blocks(buffer, sizeof buffer / 64);
    for (size_t c = 0; c < 4 * sizeof buffer && i < count; c++) {
      const int bits = (buffer[c / 4] >> (2 * (c % 4))) & 3;
      out[i] = static_cast<int8_t>(bits - 1);
      // 1 unless bits == 3.
      i += declassified(static_cast<size_t>(1 ^ (bits & (bits >> 1))));
    }
  }
  wipeBlock(buffer, sizeof buffer);
}

void sampleUniformSigned(double* out, size_t count, unsigned bits, ChaCha20& stream) {
  const uint64_t mask = (uint64_t{2} << bits) - 1;
  const int64_t offset = int64_t{1} << bits;
  forEachRun(count, 8, stream, [&](size_t first, const uint8_t* buffer, size_t size) {
    for (size_t i = 0; i < size; i++)
      out[first + i] = static_cast<double>(static_cast<int64_t>(wordAt(buffer + 8 * i) & mask) - offset);
  });
}

}  // namespace subrosa
