// Words of `bits` bits, back to back, little-endian, least significant bit first.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace subrosa {

// `out` and `bytes` have ceil(words * bits / 8) bytes; 1 <= bits <= 64.
void packWords(uint8_t* out, const uint64_t* words, size_t count, unsigned bits);
void unpackWords(uint64_t* out, size_t count, const uint8_t* bytes, unsigned bits);

}  // namespace subrosa
