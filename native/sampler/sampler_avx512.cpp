// Keccak-f on eight states: their 25 vectors fit the registers with a few to spare; rotations and each of chi's steps are one instruction.
#include "sampler/sampler_avx512.h"

#include "sampler/sampler_keccak.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {

typedef uint64_t EightWords __attribute__((vector_size(64)));

const KeccakLanes keccak = {8, permuteInterleaved<EightWords>};

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
