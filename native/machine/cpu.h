// Which instruction sets this processor offers and which code paths exist in this build.
#pragma once

#include <cstddef>

namespace subrosa {

// `avx2` is NEON on 64-bit ARM: see machine/avx2.h. The order is the order of preference, worst first; the numbers cross into JavaScript.
enum class Isa : int { avx512Emulated = 0, scalar = 1, avx2 = 2, avx512Ifma = 3 };
constexpr int isaCount = 4;

const char* isaName(Isa isa);

// True when the code path is compiled in and the processor (and operating system) can run it.
bool isaAvailable(Isa isa);

// CPUs that the scheduler lets this process use.
size_t availableCpus();

}  // namespace subrosa
