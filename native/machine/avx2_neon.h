// The AVX2 and FMA operations that *_avx2.cpp use, on ARM's NEON: a vector of 256 bits is two of 128. Every operation is rounded as on
// x86-64, so all results are the same bits. Included instead of <immintrin.h> by machine/avx2.h.
#pragma once

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

namespace subrosa {

struct __m256d {
  float64x2_t low, high;
};
struct __m256 {
  float32x4_t low, high;
};
struct __m256i {
  uint64x2_t low, high;
};
typedef uint64x2_t __m128i;

enum { _MM_FROUND_TO_NEAREST_INT = 0, _MM_FROUND_NO_EXC = 8, _CMP_LT_OQ = 17, _CMP_GT_OQ = 30 };

// Doubles.
inline __m256d _mm256_set1_pd(double x) { return {vdupq_n_f64(x), vdupq_n_f64(x)}; }
inline __m256d _mm256_setzero_pd() { return _mm256_set1_pd(0); }
inline __m256d _mm256_loadu_pd(const double* x) { return {vld1q_f64(x), vld1q_f64(x + 2)}; }
inline __m256d _mm256_load_pd(const double* x) { return _mm256_loadu_pd(x); }
inline __m256d _mm256_broadcast_sd(const double* x) { return {vld1q_dup_f64(x), vld1q_dup_f64(x)}; }
inline void _mm256_storeu_pd(double* out, __m256d x) {
  vst1q_f64(out, x.low);
  vst1q_f64(out + 2, x.high);
}
inline void _mm256_store_pd(double* out, __m256d x) { _mm256_storeu_pd(out, x); }
inline __m256d _mm256_add_pd(__m256d a, __m256d b) { return {vaddq_f64(a.low, b.low), vaddq_f64(a.high, b.high)}; }
inline __m256d _mm256_sub_pd(__m256d a, __m256d b) { return {vsubq_f64(a.low, b.low), vsubq_f64(a.high, b.high)}; }
inline __m256d _mm256_mul_pd(__m256d a, __m256d b) { return {vmulq_f64(a.low, b.low), vmulq_f64(a.high, b.high)}; }
inline __m256d _mm256_fmadd_pd(__m256d a, __m256d b, __m256d c) {
  return {vfmaq_f64(c.low, a.low, b.low), vfmaq_f64(c.high, a.high, b.high)};
}
inline __m256d _mm256_fnmadd_pd(__m256d a, __m256d b, __m256d c) {
  return {vfmsq_f64(c.low, a.low, b.low), vfmsq_f64(c.high, a.high, b.high)};
}
// a b - c and not -(c - a b): the sign of zero differs.
inline __m256d _mm256_fmsub_pd(__m256d a, __m256d b, __m256d c) {
  return {vfmaq_f64(vnegq_f64(c.low), a.low, b.low), vfmaq_f64(vnegq_f64(c.high), a.high, b.high)};
}
// To the nearest integer, ties to even: the only mode that is used.
inline __m256d _mm256_round_pd(__m256d x, int) { return {vrndnq_f64(x.low), vrndnq_f64(x.high)}; }

// Bits.
inline float64x2_t asDoubles128(uint64x2_t x) { return vreinterpretq_f64_u64(x); }
inline uint64x2_t asBits128(float64x2_t x) { return vreinterpretq_u64_f64(x); }
inline __m256d _mm256_castsi256_pd(__m256i x) { return {asDoubles128(x.low), asDoubles128(x.high)}; }
inline __m256i _mm256_castpd_si256(__m256d x) { return {asBits128(x.low), asBits128(x.high)}; }
inline __m128i _mm256_castsi256_si128(__m256i x) { return x.low; }
inline __m128i _mm256_extracti128_si256(__m256i x, int half) { return half ? x.high : x.low; }
inline __m256i _mm256_and_si256(__m256i a, __m256i b) { return {vandq_u64(a.low, b.low), vandq_u64(a.high, b.high)}; }
inline __m256i _mm256_or_si256(__m256i a, __m256i b) { return {vorrq_u64(a.low, b.low), vorrq_u64(a.high, b.high)}; }
inline __m256i _mm256_xor_si256(__m256i a, __m256i b) { return {veorq_u64(a.low, b.low), veorq_u64(a.high, b.high)}; }
inline __m256d _mm256_and_pd(__m256d a, __m256d b) {
  return _mm256_castsi256_pd(_mm256_and_si256(_mm256_castpd_si256(a), _mm256_castpd_si256(b)));
}
inline __m256d _mm256_or_pd(__m256d a, __m256d b) {
  return _mm256_castsi256_pd(_mm256_or_si256(_mm256_castpd_si256(a), _mm256_castpd_si256(b)));
}
inline __m256d _mm256_xor_pd(__m256d a, __m256d b) {
  return _mm256_castsi256_pd(_mm256_xor_si256(_mm256_castpd_si256(a), _mm256_castpd_si256(b)));
}
inline __m256d _mm256_cmp_pd(__m256d a, __m256d b, int predicate) {
  if (predicate == _CMP_LT_OQ) return {asDoubles128(vcltq_f64(a.low, b.low)), asDoubles128(vcltq_f64(a.high, b.high))};
  return {asDoubles128(vcgtq_f64(a.low, b.low)), asDoubles128(vcgtq_f64(a.high, b.high))};
}

// Lanes of doubles.
inline __m256d _mm256_unpacklo_pd(__m256d a, __m256d b) {
  return {vzip1q_f64(a.low, b.low), vzip1q_f64(a.high, b.high)};
}
inline __m256d _mm256_unpackhi_pd(__m256d a, __m256d b) {
  return {vzip2q_f64(a.low, b.low), vzip2q_f64(a.high, b.high)};
}
// Of the forms of this instruction those two that are used.
inline __m256d _mm256_permute2f128_pd(__m256d a, __m256d b, int form) {
  return form == 0x20 ? __m256d{a.low, b.low} : __m256d{a.high, b.high};
}
inline __m256i _mm256_permute2x128_si256(__m256i a, __m256i b, int form) {
  return form == 0x20 ? __m256i{a.low, b.low} : __m256i{a.high, b.high};
}

// Integers of 64 bits.
inline __m256i _mm256_loadu_si256(const __m256i* x) {
  const uint64_t* words = reinterpret_cast<const uint64_t*>(x);
  return {vld1q_u64(words), vld1q_u64(words + 2)};
}
inline void _mm256_storeu_si256(__m256i* out, __m256i x) {
  uint64_t* words = reinterpret_cast<uint64_t*>(out);
  vst1q_u64(words, x.low);
  vst1q_u64(words + 2, x.high);
}
inline __m256i _mm256_setzero_si256() { return {vdupq_n_u64(0), vdupq_n_u64(0)}; }
inline __m256i _mm256_set1_epi64x(long long x) {
  const uint64x2_t both = vdupq_n_u64(static_cast<uint64_t>(x));
  return {both, both};
}
inline __m256i _mm256_set_epi64x(long long d, long long c, long long b, long long a) {
  const uint64_t words[4] = {static_cast<uint64_t>(a), static_cast<uint64_t>(b), static_cast<uint64_t>(c),
                             static_cast<uint64_t>(d)};
  return {vld1q_u64(words), vld1q_u64(words + 2)};
}
inline __m256i _mm256_add_epi64(__m256i a, __m256i b) { return {vaddq_u64(a.low, b.low), vaddq_u64(a.high, b.high)}; }
inline __m256i _mm256_sub_epi64(__m256i a, __m256i b) { return {vsubq_u64(a.low, b.low), vsubq_u64(a.high, b.high)}; }
inline __m256i _mm256_slli_epi64(__m256i x, int bits) {
  return {vshlq_u64(x.low, vdupq_n_s64(bits)), vshlq_u64(x.high, vdupq_n_s64(bits))};
}
inline __m256i _mm256_srli_epi64(__m256i x, int bits) {
  return {vshlq_u64(x.low, vdupq_n_s64(-bits)), vshlq_u64(x.high, vdupq_n_s64(-bits))};
}
inline __m256i _mm256_cmpgt_epi64(__m256i a, __m256i b) {
  return {vcgtq_s64(vreinterpretq_s64_u64(a.low), vreinterpretq_s64_u64(b.low)),
          vcgtq_s64(vreinterpretq_s64_u64(a.high), vreinterpretq_s64_u64(b.high))};
}

// Integers of 32 bits.
inline uint32x4_t asWords32(uint64x2_t x) { return vreinterpretq_u32_u64(x); }
inline uint64x2_t fromWords32(uint32x4_t x) { return vreinterpretq_u64_u32(x); }
inline __m256i _mm256_set1_epi32(int x) {
  const uint64x2_t all = fromWords32(vdupq_n_u32(static_cast<uint32_t>(x)));
  return {all, all};
}
inline __m256i _mm256_setr_epi32(int a, int b, int c, int d, int e, int f, int g, int h) {
  const int32_t words[8] = {a, b, c, d, e, f, g, h};
  return {vreinterpretq_u64_s32(vld1q_s32(words)), vreinterpretq_u64_s32(vld1q_s32(words + 4))};
}
inline __m128i _mm_add_epi32(__m128i a, __m128i b) { return fromWords32(vaddq_u32(asWords32(a), asWords32(b))); }
inline __m256i _mm256_add_epi32(__m256i a, __m256i b) {
  return {_mm_add_epi32(a.low, b.low), _mm_add_epi32(a.high, b.high)};
}
inline uint64x2_t shift32(uint64x2_t x, int bits) { return fromWords32(vshlq_u32(asWords32(x), vdupq_n_s32(bits))); }
inline __m256i _mm256_slli_epi32(__m256i x, int bits) { return {shift32(x.low, bits), shift32(x.high, bits)}; }
inline __m256i _mm256_srli_epi32(__m256i x, int bits) { return {shift32(x.low, -bits), shift32(x.high, -bits)}; }
// Half-words swapped pairwise or words: the two forms that sums over lanes use.
inline __m128i _mm_shuffle_epi32(__m128i x, int form) {
  return form == 0x4e ? vextq_u64(x, x, 1) : fromWords32(vrev64q_u32(asWords32(x)));
}
inline int _mm_cvtsi128_si32(__m128i x) { return static_cast<int>(vgetq_lane_u32(asWords32(x), 0)); }
inline __m128i _mm_cvtsi32_si128(int x) {
  return fromWords32(vsetq_lane_u32(static_cast<uint32_t>(x), vdupq_n_u32(0), 0));
}
inline __m256i _mm256_i32gather_epi32(const int* from, __m256i index, int) {
  int32_t at[8], words[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), index);
  for (size_t i = 0; i < 8; i++) words[i] = from[at[i]];
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
}
inline __m256i _mm256_permutevar8x32_epi32(__m256i x, __m256i index) {
  int32_t at[8], words[8], out[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), index);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), x);
  for (size_t i = 0; i < 8; i++) out[i] = words[at[i]];
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(out));
}
inline __m256i _mm256_cvtepu32_epi64(__m128i x) {
  return {vmovl_u32(vget_low_u32(asWords32(x))), vmovl_high_u32(asWords32(x))};
}
inline __m256d _mm256_cvtepi32_pd(__m128i x) {
  const int32x4_t words = vreinterpretq_s32_u64(x);
  return {vcvtq_f64_s64(vmovl_s32(vget_low_s32(words))), vcvtq_f64_s64(vmovl_high_s32(words))};
}

// Integers of 16 bits.
inline int16x8_t asShorts(uint64x2_t x) { return vreinterpretq_s16_u64(x); }
inline uint64x2_t fromShorts(int16x8_t x) { return vreinterpretq_u64_s16(x); }
inline uint64x2_t pairProducts(uint64x2_t a, uint64x2_t b) {
  const int32x4_t low = vmull_s16(vget_low_s16(asShorts(a)), vget_low_s16(asShorts(b)));
  const int32x4_t high = vmull_high_s16(asShorts(a), asShorts(b));
  return vreinterpretq_u64_s32(vpaddq_s32(low, high));
}
inline __m256i _mm256_madd_epi16(__m256i a, __m256i b) {
  return {pairProducts(a.low, b.low), pairProducts(a.high, b.high)};
}
// Odd half-words of b between the even ones of a: the only form that is used, 0xaa.
inline uint64x2_t oddOfSecond(uint64x2_t a, uint64x2_t b) {
  return fromWords32(vbslq_u32(vdupq_n_u32(0xffff0000), asWords32(b), asWords32(a)));
}
inline __m256i _mm256_blend_epi16(__m256i a, __m256i b, int) {
  return {oddOfSecond(a.low, b.low), oddOfSecond(a.high, b.high)};
}
inline __m256i _mm256_unpacklo_epi16(__m256i a, __m256i b) {
  return {fromShorts(vzip1q_s16(asShorts(a.low), asShorts(b.low))),
          fromShorts(vzip1q_s16(asShorts(a.high), asShorts(b.high)))};
}
inline __m256i _mm256_unpackhi_epi16(__m256i a, __m256i b) {
  return {fromShorts(vzip2q_s16(asShorts(a.low), asShorts(b.low))),
          fromShorts(vzip2q_s16(asShorts(a.high), asShorts(b.high)))};
}

// Bytes.
inline uint8x16_t asBytes128(uint64x2_t x) { return vreinterpretq_u8_u64(x); }
inline uint64x2_t fromBytes128(uint8x16_t x) { return vreinterpretq_u64_u8(x); }
inline __m256i _mm256_set1_epi8(char x) {
  const uint64x2_t all = fromBytes128(vdupq_n_u8(static_cast<uint8_t>(x)));
  return {all, all};
}
template <typename... Bytes>
inline __m256i _mm256_setr_epi8(Bytes... values) {
  const uint8_t bytes[32] = {static_cast<uint8_t>(values)...};
  return {fromBytes128(vld1q_u8(bytes)), fromBytes128(vld1q_u8(bytes + 16))};
}
inline __m256i _mm256_add_epi8(__m256i a, __m256i b) {
  return {fromBytes128(vaddq_u8(asBytes128(a.low), asBytes128(b.low))),
          fromBytes128(vaddq_u8(asBytes128(a.high), asBytes128(b.high)))};
}
// Indices below 16, as all are that are used.
inline __m256i _mm256_shuffle_epi8(__m256i x, __m256i index) {
  return {fromBytes128(vqtbl1q_u8(asBytes128(x.low), asBytes128(index.low))),
          fromBytes128(vqtbl1q_u8(asBytes128(x.high), asBytes128(index.high)))};
}
// Sums of eight bytes: of differences from zero, the only ones that are used.
inline __m256i _mm256_sad_epu8(__m256i x, __m256i) {
  return {vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(asBytes128(x.low)))),
          vpaddlq_u32(vpaddlq_u16(vpaddlq_u8(asBytes128(x.high))))};
}
inline __m128i _mm_loadu_si128(const __m128i* x) { return vld1q_u64(reinterpret_cast<const uint64_t*>(x)); }
inline void _mm_storeu_si128(__m128i* out, __m128i x) { vst1q_u64(reinterpret_cast<uint64_t*>(out), x); }
inline __m128i _mm_set1_epi8(char x) { return fromBytes128(vdupq_n_u8(static_cast<uint8_t>(x))); }
inline __m128i _mm_sub_epi8(__m128i a, __m128i b) { return fromBytes128(vsubq_u8(asBytes128(a), asBytes128(b))); }
inline __m128i _mm_cvtepi8_epi32(__m128i x) {
  const int16x8_t shorts = vmovl_s8(vget_low_s8(vreinterpretq_s8_u64(x)));
  return vreinterpretq_u64_s32(vmovl_s16(vget_low_s16(shorts)));
}
inline __m256i _mm256_cvtepi8_epi16(__m128i x) {
  const int8x16_t bytes = vreinterpretq_s8_u64(x);
  return {fromShorts(vmovl_s8(vget_low_s8(bytes))), fromShorts(vmovl_high_s8(bytes))};
}

// Floats.
inline __m256 _mm256_set1_ps(float x) { return {vdupq_n_f32(x), vdupq_n_f32(x)}; }
inline __m256 _mm256_setzero_ps() { return _mm256_set1_ps(0); }
inline __m256 _mm256_broadcast_ss(const float* x) { return {vld1q_dup_f32(x), vld1q_dup_f32(x)}; }
inline __m256 _mm256_loadu_ps(const float* x) { return {vld1q_f32(x), vld1q_f32(x + 4)}; }
inline __m256 _mm256_load_ps(const float* x) { return _mm256_loadu_ps(x); }
inline void _mm256_storeu_ps(float* out, __m256 x) {
  vst1q_f32(out, x.low);
  vst1q_f32(out + 4, x.high);
}
inline __m256 _mm256_mul_ps(__m256 a, __m256 b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
inline __m256 _mm256_fmadd_ps(__m256 a, __m256 b, __m256 c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

}  // namespace subrosa
