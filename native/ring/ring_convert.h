// Between residues and ordinary numbers, for one polynomial over several limbs. Constant time in the values.
#pragma once

#include "ring/ring_tables.h"

namespace subrosa {

// False when a value is not an integer below 2^100 in absolute value.
bool areIntegers(const double* values, size_t count);
// Centred mixed-radix digits of each coefficient of a (over `mods`), then Horner's rule from the last digit.
void toDoubles(const Ring& ring, double* out, const uint64_t* a, const size_t* mods, size_t count);
bool areResidues(const Prime& p, const uint64_t* a);

}  // namespace subrosa
