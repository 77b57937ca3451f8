// The quotient of two sizes, rounded up.
#pragma once

#include <cstddef>

namespace subrosa {

inline size_t divideUp(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace subrosa
