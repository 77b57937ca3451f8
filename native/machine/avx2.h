// Vectors of 256 bits, for files that end in _avx2: AVX2 with FMA on x86-64, pairs of NEON's registers on ARM.
#pragma once

#ifdef SUBROSA_NEON
#include "machine/avx2_neon.h"
// Keeps both in registers: see where it is used.
#define SUBROSA_KEEP(a, b) asm("" : "+w"((a).low), "+w"((a).high), "+w"((b).low), "+w"((b).high))
#else
#include <immintrin.h>
#define SUBROSA_KEEP(a, b) asm("" : "+x"(a), "+x"(b))
#endif
