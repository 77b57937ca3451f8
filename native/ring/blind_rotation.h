// Blind rotation of ciphertexts by an encrypted exponent [CGGI20, algorithm 4].
#pragma once

#include "ring/ring_tables.h"

namespace subrosa {

// See Kernel.blindRotate. acc: `count` two-part ciphertexts; exponents: [count, steps]; key: [steps, 2, 2] polynomials.
// False when memory is exhausted.
bool blindRotate(const Ring& ring, uint64_t* acc, size_t count, const uint32_t* exponents, size_t steps,
                 const uint64_t* key, unsigned shift);

}  // namespace subrosa
