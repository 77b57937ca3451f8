#include "machine/avx512.h"
#include "integer/integer_loops.h"
#include "integer/integer_product_loops.h"

namespace subrosa {
namespace SUBROSA_AVX512_NAMESPACE {

struct Sixteen {
  using T = __m512i;
  static constexpr size_t lanes = 16;
  static T zero() { return _mm512_setzero_si512(); }
  static T load(const void* p) { return _mm512_loadu_si512(p); }
  static void store(void* p, T v) { _mm512_storeu_si512(p, v); }
  static T broadcast(int32_t word) { return _mm512_set1_epi32(word); }
  static T gather(const int32_t* p, const int32_t* index) { return _mm512_i32gather_epi32(load(index), p, 4); }
  static T multiplyAdd(T sum, T a, T b) { return _mm512_dpwssd_epi32(sum, a, b); }
#ifdef SUBROSA_EMULATE_AVX512
  static void keep(T&, T&) {}
#else
  static void keep(T& a, T& b) { asm("" : "+v"(a), "+v"(b)); }
#endif
  static T lowPairs(T v0, T v1) {
    return _mm512_or_si512(_mm512_and_si512(v0, _mm512_set1_epi32(0xffff)), _mm512_slli_epi32(v1, 16));
  }
  static T highPairs(T v0, T v1) {
    const T half = _mm512_set1_epi32(1 << 15), top = _mm512_set1_epi32(-65536);
    return _mm512_or_si512(_mm512_srli_epi32(_mm512_add_epi32(v0, half), 16),
                           _mm512_and_si512(_mm512_add_epi32(v1, half), top));
  }
  static T widen(const int8_t* p) { return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static T lowWords(T a, T b) { return _mm512_unpacklo_epi16(a, b); }
  static T highWords(T a, T b) { return _mm512_unpackhi_epi16(a, b); }
  // Each 128 bits of low belong before those of high.
  static T firstSums(T low, T high) {
    return _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high);
  }
  static T secondSums(T low, T high) {
    return _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high);
  }
  static T join(T low, T high) { return _mm512_add_epi32(low, _mm512_slli_epi32(high, 16)); }
  static T add(T a, T b) { return _mm512_add_epi32(a, b); }
  static int32_t total(T v) {
    alignas(64) uint32_t words[16];
    _mm512_store_si512(words, v);
    uint32_t sum = 0;
    for (uint32_t word : words) sum += word;
    return static_cast<int32_t>(sum);
  }
};

}  // namespace SUBROSA_AVX512_NAMESPACE

#ifdef SUBROSA_EMULATE_AVX512
const IntegerPath integerEmulated = integerPathOf<avx512_emulated::Sixteen>();
const IntegerProductPath integerProductEmulated = integerProductPathOf<avx512_emulated::Sixteen>();
#else
const IntegerPath integerAvx512 = integerPathOf<avx512::Sixteen>();
const IntegerProductPath integerProductAvx512 = integerProductPathOf<avx512::Sixteen>();
#endif

}  // namespace subrosa
