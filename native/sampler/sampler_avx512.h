// Eight states side by side. Included by *_avx512.cpp only.
#pragma once

#include "machine/avx512.h"
#include "sampler/sampler.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {

extern const KeccakLanes keccak;

}  // namespace SUBROSA_AVX512_NAMESPACE
}  // namespace subrosa
