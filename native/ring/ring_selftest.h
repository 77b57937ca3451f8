// Whether an instruction set computes what the scalar loops compute.
#pragma once

#include "machine/cpu.h"

namespace subrosa {

// Runs transforms, products and a key-switch sum on fixed words, edge values among them, and compares with a known
// answer and with the scalar loops. Under a millisecond.
bool agreesWithScalar(Isa isa);

}  // namespace subrosa
