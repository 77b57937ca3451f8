// Keccak-f on eight states: all 25 vectors of them stay in registers, rotations are one instruction, and so is each of chi's steps.
#include "sampler/sampler_avx512.h"

#include "sampler/sampler_keccak.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {
namespace {

typedef uint64_t EightWords __attribute__((vector_size(64)));

void permuteEight(uint64_t* states) {
  EightWords lanes[25];
  __builtin_memcpy(lanes, states, sizeof lanes);
  permuteKeccak(lanes);
  __builtin_memcpy(states, lanes, sizeof lanes);
}

}  // namespace

const KeccakLanes keccak = {8, permuteEight};

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
