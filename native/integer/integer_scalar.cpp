#include <cstring>

#include "integer/integer_loops.h"
#include "integer/integer_product_loops.h"

namespace subrosa {
namespace {

struct Four {
  struct T {
    uint32_t word[4];
  };
  static constexpr size_t lanes = 4;
  static T zero() { return {}; }
  static T load(const void* p) {
    T v;
    memcpy(&v, p, sizeof v);
    return v;
  }
  static void store(void* p, T v) { memcpy(p, &v, sizeof v); }
  static T broadcast(int32_t word) {
    const uint32_t w = static_cast<uint32_t>(word);
    return {{w, w, w, w}};
  }
  static T gather(const int32_t* p, const int32_t* index) {
    T v;
    for (size_t i = 0; i < lanes; i++) v.word[i] = static_cast<uint32_t>(p[index[i]]);
    return v;
  }
  static int32_t first(uint32_t word) { return static_cast<int16_t>(word); }
  static int32_t second(uint32_t word) { return static_cast<int16_t>(word >> 16); }
  static T multiplyAdd(T sum, T a, T b) {
    for (size_t i = 0; i < lanes; i++) {
      // Each product fits 32 bits, two of the largest do not.
      sum.word[i] += static_cast<uint32_t>(first(a.word[i]) * first(b.word[i]));
      sum.word[i] += static_cast<uint32_t>(second(a.word[i]) * second(b.word[i]));
    }
    return sum;
  }
  static void keep(T&, T&) {}
  static T lowPairs(T v0, T v1) {
    for (size_t i = 0; i < lanes; i++) v0.word[i] = (v0.word[i] & 0xffff) | v1.word[i] << 16;
    return v0;
  }
  static T highPairs(T v0, T v1) {
    for (size_t i = 0; i < lanes; i++)
      v0.word[i] = (v0.word[i] + 0x8000) >> 16 | ((v1.word[i] + 0x8000) & 0xffff0000u);
    return v0;
  }
  static T widen(const int8_t* p) {
    int16_t wide[2 * lanes];
    for (size_t i = 0; i < 2 * lanes; i++) wide[i] = p[i];
    return load(wide);
  }
  // Pairs of the even and of the odd int16.
  static T lowWords(T a, T b) { return lowPairs(a, b); }
  static T highWords(T a, T b) {
    for (size_t i = 0; i < lanes; i++) a.word[i] = a.word[i] >> 16 | (b.word[i] & 0xffff0000u);
    return a;
  }
  static T firstSums(T low, T high) { return {{low.word[0], high.word[0], low.word[1], high.word[1]}}; }
  static T secondSums(T low, T high) { return {{low.word[2], high.word[2], low.word[3], high.word[3]}}; }
  static T join(T low, T high) {
    for (size_t i = 0; i < lanes; i++) low.word[i] += high.word[i] << 16;
    return low;
  }
  static T add(T a, T b) {
    for (size_t i = 0; i < lanes; i++) a.word[i] += b.word[i];
    return a;
  }
  static int32_t total(T v) { return static_cast<int32_t>(v.word[0] + v.word[1] + v.word[2] + v.word[3]); }
};

}  // namespace

const IntegerPath integerScalar = integerPathOf<Four>();
const IntegerProductPath integerProductScalar = integerProductPathOf<Four>();

}  // namespace subrosa
