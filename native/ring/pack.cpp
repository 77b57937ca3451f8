#include "ring/pack.h"

#include <cstring>

namespace subrosa {
namespace {

inline uint64_t lowBits(unsigned bits) { return ~uint64_t{0} >> (64 - bits); }

}  // namespace

void packWords(uint8_t* out, const uint64_t* words, size_t count, unsigned bits) {
  const uint64_t mask = lowBits(bits);
  unsigned __int128 pending = 0;
  unsigned held = 0;
  for (size_t i = 0; i < count; i++) {
    pending |= static_cast<unsigned __int128>(words[i] & mask) << held;
    held += bits;
    if (held >= 64) {
      const uint64_t full = static_cast<uint64_t>(pending);
      memcpy(out, &full, 8);
      out += 8;
      pending >>= 64;
      held -= 64;
    }
  }
  const uint64_t rest = static_cast<uint64_t>(pending);
  if (held > 0) memcpy(out, &rest, (held + 7) / 8);
}

void unpackWords(uint64_t* out, size_t count, const uint8_t* bytes, unsigned bits) {
  const uint64_t mask = lowBits(bits);
  const size_t size = (count * bits + 7) / 8;
  size_t i = 0;
  // A word of up to 57 bits lies within the eight bytes from its first one on, while there are as many.
  for (; bits <= 57 && i < count && i * bits / 8 + 8 <= size; i++) {
    uint64_t window;
    memcpy(&window, bytes + i * bits / 8, 8);
    out[i] = window >> (i * bits % 8) & mask;
  }
  for (; i < count; i++) {
    const size_t first = i * bits / 8;
    unsigned __int128 window = 0;
    memcpy(&window, bytes + first, size - first < 9 ? size - first : 9);
    out[i] = static_cast<uint64_t>(window >> (i * bits % 8)) & mask;
  }
}

}  // namespace subrosa
