#include <cstring>

#include "sampler/sampler.h"
#include "sampler/sampler_keccak.h"

namespace subrosa {
namespace {

constexpr size_t rate = 168;

}  // namespace

Shake128::Shake128(const uint8_t* message, size_t length) : position_(0) {
  uint8_t block[rate] = {};
  if (length > 0) memcpy(block, message, length < rate ? length : rate - 1);
  block[length < rate ? length : rate - 1] ^= 0x1f;
  block[rate - 1] ^= 0x80;
  memset(state_, 0, sizeof state_);
  memcpy(state_, block, rate);
  permuteKeccak(state_);
}

void Shake128::squeeze(uint8_t* out, size_t length) {
  while (length > 0) {
    if (position_ == rate) {
      permuteKeccak(state_);
      position_ = 0;
    }
    const size_t part = length < rate - position_ ? length : rate - position_;
    memcpy(out, reinterpret_cast<const uint8_t*>(state_) + position_, part);
    position_ += part;
    out += part;
    length -= part;
  }
}

namespace {

constexpr size_t messageBytes = seedBytes + 4 + 8;

void uniformMessage(uint8_t* message, const uint8_t* seed, uint32_t polynomial, uint64_t q) {
  memcpy(message, seed, seedBytes);
  memcpy(message + seedBytes, &polynomial, 4);
  memcpy(message + seedBytes + 4, &q, 8);
}

// Takes candidates from a stream that comes block by block. Rejection depends on the public seed only.
class UniformFilter {
 public:
  void start(const UniformLimb& limb, size_t count) {
    out_ = limb.out;
    left_ = count;
    q_ = limb.q;
    const unsigned bits = 64 - static_cast<unsigned>(__builtin_clzll(q_));
    bytes_ = (bits + 7) / 8;
    mask_ = (uint64_t{1} << bits) - 1;
    held_ = 0;
  }
  bool done() const { return left_ == 0; }
  // Where the next `rate` bytes of the stream belong.
  uint8_t* space() { return buffer_ + held_; }
  void takeBlock() {
    const uint8_t* next = buffer_;
    const uint8_t* end = buffer_ + held_ + rate;
    // Copies, because the stores could change the members as far as the compiler knows.
    const size_t bytes = bytes_;
    const uint64_t mask = mask_, q = q_;
    uint64_t* out = out_;
    uint64_t* const last = out_ + left_;
    for (; out < last && end - next >= static_cast<ptrdiff_t>(bytes); next += bytes) {
      uint64_t candidate;
      memcpy(&candidate, next, 8);
      candidate &= mask;
      *out = candidate;
      out += candidate < q;
    }
    out_ = out;
    left_ = static_cast<size_t>(last - out);
    held_ = static_cast<size_t>(end - next) < bytes ? static_cast<size_t>(end - next) : 0;
    memmove(buffer_, next, held_);
  }

 private:
  uint64_t* out_ = nullptr;
  size_t left_ = 0;
  uint64_t q_ = 0, mask_ = 0;
  size_t bytes_ = 0, held_ = 0;
  // Up to 7 bytes left over, one block, and 8 bytes that only the mask's victims come from.
  uint8_t buffer_[8 + rate + 8] = {};
};

}  // namespace

void sampleUniform(const UniformLimb& limb, size_t count, const uint8_t* seed) {
  uint8_t message[messageBytes];
  uniformMessage(message, seed, limb.polynomial, limb.q);
  Shake128 stream(message, sizeof message);
  UniformFilter filter;
  for (filter.start(limb, count); !filter.done(); filter.takeBlock()) stream.squeeze(filter.space(), rate);
}

namespace {

template <size_t lanes>
void sampleLanes(const UniformLimb* limbs, size_t count, const uint8_t* seed, void (*permute)(uint64_t*)) {
  alignas(64) uint64_t states[25 * lanes] = {};
  UniformFilter filters[lanes];
  for (size_t lane = 0; lane < lanes; lane++) {
    uint8_t block[rate] = {};
    uniformMessage(block, seed, limbs[lane].polynomial, limbs[lane].q);
    block[messageBytes] = 0x1f;
    block[rate - 1] = 0x80;
    for (size_t i = 0; i < rate / 8; i++) memcpy(&states[lanes * i + lane], block + 8 * i, 8);
    filters[lane].start(limbs[lane], count);
  }
  for (bool more = true; more;) {
    permute(states);
    more = false;
    for (size_t lane = 0; lane < lanes; lane++) {
      UniformFilter& filter = filters[lane];
      if (filter.done()) continue;
      for (size_t i = 0; i < rate / 8; i++) memcpy(filter.space() + 8 * i, &states[lanes * i + lane], 8);
      filter.takeBlock();
      more |= !filter.done();
    }
  }
}

}  // namespace

void sampleUniformLanes(const UniformLimb* limbs, size_t count, const uint8_t* seed, const KeccakLanes& keccak) {
  if (keccak.lanes == 8)
    sampleLanes<8>(limbs, count, seed, keccak.permute);
  else
    sampleLanes<4>(limbs, count, seed, keccak.permute);
}

}  // namespace subrosa
