#include "sampler_keccak.h"

#include "sampler.h"

namespace subrosa {

typedef uint64_t FourWords __attribute__((vector_size(32)));

void permuteFourAvx2(uint64_t* states) {
  FourWords lanes[25];
  __builtin_memcpy(lanes, states, sizeof lanes);
  permuteKeccak(lanes);
  __builtin_memcpy(states, lanes, sizeof lanes);
}

}  // namespace subrosa
