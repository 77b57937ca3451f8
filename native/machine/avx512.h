// AVX-512 intrinsics, or plain C++ with the same names and meaning when SUBROSA_EMULATE_AVX512 is defined, so that
// the algorithms of the *_avx512.cpp files are tested on every machine. Those files put their code into
// `namespace subrosa::SUBROSA_AVX512_NAMESPACE`. Append what you need to the emulation.
#pragma once

#include <cstdint>

#ifndef SUBROSA_EMULATE_AVX512

#include <immintrin.h>
#define SUBROSA_AVX512_NAMESPACE avx512

#else

#include <cmath>
#include <cstring>
#define SUBROSA_AVX512_NAMESPACE avx512_emulated

struct alignas(64) __m512i {
  uint64_t lane[8];
};
struct alignas(64) __m512d {
  double lane[8];
};
typedef uint8_t __mmask8;
typedef long long __attribute__((may_alias)) EmulatedWord;

#define SUBROSA_EACH(expression)                            \
  __m512i r;                                                \
  for (int i = 0; i < 8; i++) r.lane[i] = (expression);     \
  return r
#define SUBROSA_EACH_DOUBLE(expression)                     \
  __m512d r;                                                \
  for (int i = 0; i < 8; i++) r.lane[i] = (expression);     \
  return r
#define SUBROSA_MASK(expression)                            \
  __mmask8 m = 0;                                           \
  for (int i = 0; i < 8; i++) m |= static_cast<__mmask8>(static_cast<unsigned>(expression) << i); \
  return m

// Lane i of a where the mask has a bit, else of b; without a branch, which a compiler would make of a condition.
static inline uint64_t chooseLane(__mmask8 mask, int i, uint64_t a, uint64_t b) {
  return b ^ ((a ^ b) & (0 - static_cast<uint64_t>(mask >> i & 1)));
}

static inline __m512i _mm512_setzero_si512() { SUBROSA_EACH(0); }
static inline __m512i _mm512_set1_epi64(long long a) { SUBROSA_EACH(static_cast<uint64_t>(a)); }
static inline __m512i _mm512_set_epi64(long long h, long long g, long long f, long long e, long long d, long long c,
                                       long long b, long long a) {
  const long long v[8] = {a, b, c, d, e, f, g, h};
  SUBROSA_EACH(static_cast<uint64_t>(v[i]));
}
static inline __m512i _mm512_setr_epi64(long long a, long long b, long long c, long long d, long long e, long long f,
                                        long long g, long long h) {
  return _mm512_set_epi64(h, g, f, e, d, c, b, a);
}
static inline __m512i _mm512_loadu_si512(const void* p) {
  __m512i r;
  memcpy(&r, p, 64);
  return r;
}
static inline __m512i _mm512_load_si512(const void* p) { return _mm512_loadu_si512(p); }
static inline void _mm512_storeu_si512(void* p, __m512i a) { memcpy(p, &a, 64); }
static inline void _mm512_store_si512(void* p, __m512i a) { memcpy(p, &a, 64); }
static inline void _mm512_stream_si512(__m512i* p, __m512i a) { memcpy(p, &a, 64); }
static inline void _mm_sfence() {}

static inline __m512i _mm512_add_epi64(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] + b.lane[i]); }
static inline __m512i _mm512_sub_epi64(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] - b.lane[i]); }
static inline __m512i _mm512_mullo_epi64(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] * b.lane[i]); }
static inline __m512i _mm512_mul_epu32(__m512i a, __m512i b) {
  SUBROSA_EACH((a.lane[i] & 0xffffffffu) * (b.lane[i] & 0xffffffffu));
}
static inline __m512i _mm512_and_si512(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] & b.lane[i]); }
static inline __m512i _mm512_or_si512(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] | b.lane[i]); }
static inline __m512i _mm512_xor_si512(__m512i a, __m512i b) { SUBROSA_EACH(a.lane[i] ^ b.lane[i]); }
static inline __m512i _mm512_andnot_si512(__m512i a, __m512i b) { SUBROSA_EACH(~a.lane[i] & b.lane[i]); }
static inline __m512i _mm512_min_epu64(__m512i a, __m512i b) {
  SUBROSA_EACH(a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline __m512i _mm512_max_epu64(__m512i a, __m512i b) {
  SUBROSA_EACH(a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]);
}
static inline __m512i _mm512_srli_epi64(__m512i a, unsigned n) { SUBROSA_EACH(n < 64 ? a.lane[i] >> n : 0); }
static inline __m512i _mm512_slli_epi64(__m512i a, unsigned n) { SUBROSA_EACH(n < 64 ? a.lane[i] << n : 0); }
static inline __m512i _mm512_srai_epi64(__m512i a, unsigned n) {
  SUBROSA_EACH(static_cast<uint64_t>(static_cast<int64_t>(a.lane[i]) >> (n < 64 ? n : 63)));
}
static inline __m512i _mm512_srlv_epi64(__m512i a, __m512i n) {
  SUBROSA_EACH(n.lane[i] < 64 ? a.lane[i] >> n.lane[i] : 0);
}
static inline __m512i _mm512_sllv_epi64(__m512i a, __m512i n) {
  SUBROSA_EACH(n.lane[i] < 64 ? a.lane[i] << n.lane[i] : 0);
}

// The low and high 52 bits of the product of the low 52 bits of b and c, added to a.
static inline __m512i _mm512_madd52lo_epu64(__m512i a, __m512i b, __m512i c) {
  const uint64_t mask = (uint64_t{1} << 52) - 1;
  SUBROSA_EACH(a.lane[i] + (((b.lane[i] & mask) * (c.lane[i] & mask)) & mask));
}
static inline __m512i _mm512_madd52hi_epu64(__m512i a, __m512i b, __m512i c) {
  const uint64_t mask = (uint64_t{1} << 52) - 1;
  SUBROSA_EACH(a.lane[i] +
               static_cast<uint64_t>((static_cast<unsigned __int128>(b.lane[i] & mask) * (c.lane[i] & mask)) >> 52));
}

static inline __mmask8 _mm512_cmplt_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] < b.lane[i]); }
static inline __mmask8 _mm512_cmple_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] <= b.lane[i]); }
static inline __mmask8 _mm512_cmpgt_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] > b.lane[i]); }
static inline __mmask8 _mm512_cmpge_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] >= b.lane[i]); }
static inline __mmask8 _mm512_cmpeq_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] == b.lane[i]); }
static inline __mmask8 _mm512_cmpneq_epu64_mask(__m512i a, __m512i b) { SUBROSA_MASK(a.lane[i] != b.lane[i]); }
static inline __mmask8 _mm512_movepi64_mask(__m512i a) { SUBROSA_MASK(a.lane[i] >> 63); }
static inline __m512i _mm512_mask_add_epi64(__m512i s, __mmask8 k, __m512i a, __m512i b) {
  SUBROSA_EACH(chooseLane(k, i, a.lane[i] + b.lane[i], s.lane[i]));
}
static inline __m512i _mm512_mask_sub_epi64(__m512i s, __mmask8 k, __m512i a, __m512i b) {
  SUBROSA_EACH(chooseLane(k, i, a.lane[i] - b.lane[i], s.lane[i]));
}
static inline __m512i _mm512_mask_blend_epi64(__mmask8 k, __m512i a, __m512i b) {
  SUBROSA_EACH(chooseLane(k, i, b.lane[i], a.lane[i]));
}
static inline __m512i _mm512_mask_mov_epi64(__m512i s, __mmask8 k, __m512i a) {
  SUBROSA_EACH(chooseLane(k, i, a.lane[i], s.lane[i]));
}
static inline __m512i _mm512_maskz_mov_epi64(__mmask8 k, __m512i a) { SUBROSA_EACH(chooseLane(k, i, a.lane[i], 0)); }
static inline __m512i _mm512_maskz_loadu_epi64(__mmask8 k, const void* p) {
  const EmulatedWord* words = static_cast<const EmulatedWord*>(p);
  SUBROSA_EACH(k >> i & 1 ? static_cast<uint64_t>(words[i]) : 0);  // What is masked out is not read.
}
static inline void _mm512_mask_storeu_epi64(void* p, __mmask8 k, __m512i a) {
  EmulatedWord* words = static_cast<EmulatedWord*>(p);
  for (int i = 0; i < 8; i++)
    if (k >> i & 1) words[i] = static_cast<long long>(a.lane[i]);
}

static inline __m512i _mm512_permutexvar_epi64(__m512i index, __m512i a) { SUBROSA_EACH(a.lane[index.lane[i] & 7]); }
static inline __m512i _mm512_permutex2var_epi64(__m512i a, __m512i index, __m512i b) {
  SUBROSA_EACH(index.lane[i] & 8 ? b.lane[index.lane[i] & 7] : a.lane[index.lane[i] & 7]);
}
static inline __m512i _mm512_unpacklo_epi64(__m512i a, __m512i b) {
  SUBROSA_EACH(i & 1 ? b.lane[i - 1] : a.lane[i]);
}
static inline __m512i _mm512_unpackhi_epi64(__m512i a, __m512i b) {
  SUBROSA_EACH(i & 1 ? b.lane[i] : a.lane[i + 1]);
}
// Two 128-bit lanes of a, then two of b, chosen by the four pairs of bits.
static inline __m512i _mm512_shuffle_i64x2(__m512i a, __m512i b, int choice) {
  SUBROSA_EACH((i < 4 ? a : b).lane[(choice >> (i / 2 * 2) & 3) * 2 + (i & 1)]);
}
static inline __m512i _mm512_permutex_epi64(__m512i a, int choice) {
  SUBROSA_EACH(a.lane[(i & 4) + (choice >> (i % 4 * 2) & 3)]);
}

static inline __m512d _mm512_set1_pd(double a) { SUBROSA_EACH_DOUBLE(a); }
static inline __m512d _mm512_loadu_pd(const void* p) {
  __m512d r;
  memcpy(&r, p, 64);
  return r;
}
static inline void _mm512_storeu_pd(void* p, __m512d a) { memcpy(p, &a, 64); }
static inline __m512d _mm512_add_pd(__m512d a, __m512d b) { SUBROSA_EACH_DOUBLE(a.lane[i] + b.lane[i]); }
static inline __m512d _mm512_sub_pd(__m512d a, __m512d b) { SUBROSA_EACH_DOUBLE(a.lane[i] - b.lane[i]); }
static inline __m512d _mm512_mul_pd(__m512d a, __m512d b) { SUBROSA_EACH_DOUBLE(a.lane[i] * b.lane[i]); }
static inline __m512d _mm512_fmadd_pd(__m512d a, __m512d b, __m512d c) {
  SUBROSA_EACH_DOUBLE(std::fma(a.lane[i], b.lane[i], c.lane[i]));
}
static inline __m512d _mm512_fnmadd_pd(__m512d a, __m512d b, __m512d c) {
  SUBROSA_EACH_DOUBLE(std::fma(-a.lane[i], b.lane[i], c.lane[i]));
}
static inline __m512d _mm512_cvtepu64_pd(__m512i a) { SUBROSA_EACH_DOUBLE(static_cast<double>(a.lane[i])); }
static inline __m512d _mm512_cvtepi64_pd(__m512i a) {
  SUBROSA_EACH_DOUBLE(static_cast<double>(static_cast<int64_t>(a.lane[i])));
}
static inline __m512i _mm512_cvtpd_epu64(__m512d a) { SUBROSA_EACH(static_cast<uint64_t>(std::nearbyint(a.lane[i]))); }
static inline __m512i _mm512_cvtpd_epi64(__m512d a) {
  SUBROSA_EACH(static_cast<uint64_t>(static_cast<int64_t>(std::nearbyint(a.lane[i]))));
}
static inline __m512i _mm512_cvttpd_epu64(__m512d a) { SUBROSA_EACH(static_cast<uint64_t>(a.lane[i])); }
static inline __m512i _mm512_castpd_si512(__m512d a) {
  __m512i r;
  memcpy(&r, &a, 64);
  return r;
}
static inline __m512d _mm512_castsi512_pd(__m512i a) {
  __m512d r;
  memcpy(&r, &a, 64);
  return r;
}

// Sixteen 32-bit lanes.
#define SUBROSA_EACH_HALF(expression)                                          \
  uint32_t out[16];                                                            \
  for (int i = 0; i < 16; i++) out[i] = static_cast<uint32_t>(expression);     \
  return _mm512_loadu_si512(out)
struct EmulatedHalves {
  uint32_t lane[16];
  explicit EmulatedHalves(const __m512i& a) { memcpy(lane, &a, 64); }
};
static inline __m512i _mm512_set1_epi32(int a) { SUBROSA_EACH_HALF(a); }
static inline __m512i _mm512_add_epi32(__m512i a, __m512i b) {
  const EmulatedHalves x(a), y(b);
  SUBROSA_EACH_HALF(x.lane[i] + y.lane[i]);
}
static inline __m512i _mm512_slli_epi32(__m512i a, unsigned n) {
  const EmulatedHalves x(a);
  SUBROSA_EACH_HALF(n < 32 ? x.lane[i] << n : 0);
}
static inline __m512i _mm512_srli_epi32(__m512i a, unsigned n) {
  const EmulatedHalves x(a);
  SUBROSA_EACH_HALF(n < 32 ? x.lane[i] >> n : 0);
}
static inline __m512i _mm512_i32gather_epi32(__m512i index, const void* p, int scale) {
  const EmulatedHalves x(index);
  uint32_t out[16];
  for (int i = 0; i < 16; i++)
    memcpy(out + i, static_cast<const char*>(p) + static_cast<int64_t>(static_cast<int32_t>(x.lane[i])) * scale, 4);
  return _mm512_loadu_si512(out);
}
// Each lane: sum + product of the low signed halves + product of the high ones (VNNI).
static inline __m512i _mm512_dpwssd_epi32(__m512i sum, __m512i a, __m512i b) {
  const EmulatedHalves s(sum), x(a), y(b);
  SUBROSA_EACH_HALF(s.lane[i] +
                    static_cast<uint32_t>(static_cast<int16_t>(x.lane[i]) * static_cast<int16_t>(y.lane[i])) +
                    static_cast<uint32_t>(static_cast<int16_t>(x.lane[i] >> 16) * static_cast<int16_t>(y.lane[i] >> 16)));
}
// Of each 128 bits the four low or high int16 of a and b, in turn.
static inline __m512i emulatedUnpackWords(__m512i a, __m512i b, int from) {
  uint16_t x[32], y[32], out[32];
  memcpy(x, &a, 64);
  memcpy(y, &b, 64);
  for (int i = 0; i < 16; i++) {
    const int source = i / 4 * 8 + from + i % 4;
    out[2 * i] = x[source];
    out[2 * i + 1] = y[source];
  }
  return _mm512_loadu_si512(out);
}
static inline __m512i _mm512_unpacklo_epi16(__m512i a, __m512i b) { return emulatedUnpackWords(a, b, 0); }
static inline __m512i _mm512_unpackhi_epi16(__m512i a, __m512i b) { return emulatedUnpackWords(a, b, 4); }
struct __m256i_emulated {
  int8_t byte[32];
};
#define __m256i __m256i_emulated
static inline __m256i _mm256_loadu_si256(const __m256i* p) {
  __m256i r;
  memcpy(&r, p, 32);
  return r;
}
static inline __m512i _mm512_cvtepi8_epi16(__m256i a) {
  int16_t out[32];
  for (int i = 0; i < 32; i++) out[i] = a.byte[i];
  return _mm512_loadu_si512(out);
}

#endif
