#include "machine/avx2.h"

#include "integer/integer_loops.h"
#include "integer/integer_product_loops.h"

namespace subrosa {
namespace {

struct Eight {
  using T = __m256i;
  static constexpr size_t lanes = 8;
  static T zero() { return _mm256_setzero_si256(); }
  static T load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static void store(void* p, T v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  static T broadcast(int32_t word) { return _mm256_set1_epi32(word); }
  static T gather(const int32_t* p, const int32_t* index) { return _mm256_i32gather_epi32(p, load(index), 4); }
  static T multiplyAdd(T sum, T a, T b) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)); }
  static void keep(T& a, T& b) { SUBROSA_KEEP(a, b); }
  static T lowPairs(T v0, T v1) { return _mm256_blend_epi16(v0, _mm256_slli_epi32(v1, 16), 0xaa); }
  static T highPairs(T v0, T v1) {
    const T half = _mm256_set1_epi32(1 << 15);
    return _mm256_blend_epi16(_mm256_srli_epi32(_mm256_add_epi32(v0, half), 16), _mm256_add_epi32(v1, half), 0xaa);
  }
  static T widen(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static T lowWords(T a, T b) { return _mm256_unpacklo_epi16(a, b); }
  static T highWords(T a, T b) { return _mm256_unpackhi_epi16(a, b); }
  static T firstSums(T low, T high) { return _mm256_permute2x128_si256(low, high, 0x20); }
  static T secondSums(T low, T high) { return _mm256_permute2x128_si256(low, high, 0x31); }
  static T join(T low, T high) { return _mm256_add_epi32(low, _mm256_slli_epi32(high, 16)); }
  static T add(T a, T b) { return _mm256_add_epi32(a, b); }
  static int32_t total(T v) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
  }
};

}  // namespace

const IntegerPath integerAvx2 = integerPathOf<Eight>();
const IntegerProductPath integerProductAvx2 = integerProductPathOf<Eight>();

}  // namespace subrosa
