// Random polynomials from a seed: SHAKE128 for public ones, ChaCha20 for secret ones.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "machine/cpu.h"

namespace subrosa {

constexpr size_t seedBytes = 32;

// The extendable-output function of FIPS 202, absorbing one message of at most 167 bytes.
class Shake128 {
 public:
  Shake128(const uint8_t* message, size_t length);
  void squeeze(uint8_t* out, size_t length);

 private:
  uint64_t state_[25];
  size_t position_;
};

// The stream of RFC 8439 with the nonce as a 96-bit little-endian number, counter from 0.
struct StreamLoops;
class ChaCha20 {
 public:
  ChaCha20(const uint8_t* key, uint64_t nonce, const StreamLoops& loops);
  ~ChaCha20();
  // The next `count` blocks of 64 bytes; eight at a time are fastest.
  void blocks(uint8_t* out, size_t count);
  const StreamLoops& loops() const { return loops_; }

 private:
  void block(uint8_t* out);

  const StreamLoops& loops_;
  uint32_t state_[16];
};

// What an instruction set does faster; each may be null.
struct StreamLoops {
  // The eight blocks from the counter state[12] on.
  void (*eightBlocks)(uint8_t* out, const uint32_t* state);
  // Centred binomials from six stream bytes each; count a multiple of 16. Reads two bytes beyond the stream.
  void (*binomials)(int8_t* out, const uint8_t* stream, size_t count);
};
#ifdef SUBROSA_AVX2
extern const StreamLoops avx2Stream;
#endif
// The AVX2 loops serve AVX-512, too.
const StreamLoops& streamLoops(Isa isa);

// The distributions of src/kernel/kernel.ts.
struct UniformLimb {
  uint64_t* out;
  uint32_t polynomial;
  uint64_t q;
};
void sampleUniform(const UniformLimb& limb, size_t count, const uint8_t* seed);
constexpr size_t mostKeccakLanes = 8;
// Keccak-f on interleaved states: word i of state k is states[lanes i + k].
struct KeccakLanes {
  size_t lanes;  // 4 or 8
  void (*permute)(uint64_t* states);
};
// As many limbs at once.
void sampleUniformLanes(const UniformLimb* limbs, size_t count, const uint8_t* seed, const KeccakLanes& keccak);
#ifdef SUBROSA_AVX2
extern const KeccakLanes avx2Keccak;
#endif
// The secret samplers read one stream from its start.
void sampleCentredBinomial(int8_t* out, size_t count, ChaCha20& stream);
void sampleTernary(int8_t* out, size_t count, ChaCha20& stream);
void sampleUniformSigned(double* out, size_t count, unsigned bits, ChaCha20& stream);
// 1 <= multiplier < 2^46.
void sampleWideGaussian(double* out, size_t count, uint64_t multiplier, ChaCha20& stream);

}  // namespace subrosa
