// The transforms of each instruction set. ntt(x)[i] = x(psi^(2 bitrev(i) + 1)).
#pragma once

#include "ring/ring.h"

namespace subrosa {

// [0, 4q) in, [0, 4q) out.
void forwardScalar(const Prime& p, uint64_t* x);
// [0, 2q) in, [0, q) out.
void inverseScalar(const Prime& p, uint64_t* x);

}  // namespace subrosa
