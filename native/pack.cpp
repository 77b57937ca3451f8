#include "pack.h"

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
  memcpy(out, &rest, (held + 7) / 8);
}

void unpackWords(uint64_t* out, size_t count, const uint8_t* bytes, unsigned bits) {
  const uint64_t mask = lowBits(bits);
  size_t left = (count * bits + 7) / 8;
  unsigned __int128 pending = 0;
  unsigned held = 0;
  for (size_t i = 0; i < count; i++) {
    if (held < bits) {
      uint64_t next = 0;
      const size_t part = left < 8 ? left : 8;
      memcpy(&next, bytes, part);
      bytes += part;
      left -= part;
      pending |= static_cast<unsigned __int128>(next) << held;
      held += 64;
    }
    out[i] = static_cast<uint64_t>(pending) & mask;
    pending >>= bits;
    held -= bits;
  }
}

}  // namespace subrosa
