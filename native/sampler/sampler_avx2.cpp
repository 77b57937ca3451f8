#include "machine/avx2.h"

#include "sampler/sampler.h"
#include "sampler/sampler_chacha.h"
#include "sampler/sampler_keccak.h"

namespace subrosa {

typedef uint64_t FourWords __attribute__((vector_size(32)));

namespace {

void eightBlocks(uint8_t* out, const uint32_t* state) { eightChachaBlocks(out, state); }

inline long long wordAt(const uint8_t* stream) {
  long long word;
  __builtin_memcpy(&word, stream, 8);
  return word;
}

// Bits set in each 64-bit lane.
inline __m256i countBits(__m256i x) {
  const __m256i counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i low = _mm256_shuffle_epi8(counts, _mm256_and_si256(x, nibble));
  const __m256i high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi64(x, 4), nibble));
  return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}

// Bits 21 to 41 are inverted, so that the bits set are 21 more than the difference. Lane j of vector i is value 4 j + i,
// so that byte i of lane j of the packed result is that value.
void binomials(int8_t* out, const uint8_t* stream, size_t count) {
  const __m256i used = _mm256_set1_epi64x((1LL << 42) - 1), inverted = _mm256_set1_epi64x(((1LL << 21) - 1) << 21);
  const __m256i firsts = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
  for (size_t at = 0; at < count; at += 16, stream += 96) {
    __m256i packed = _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
      const uint8_t* from = stream + 6 * i;
      const __m256i v = _mm256_set_epi64x(wordAt(from + 72), wordAt(from + 48), wordAt(from + 24), wordAt(from));
      const __m256i bits = countBits(_mm256_xor_si256(_mm256_and_si256(v, used), inverted));
      packed = _mm256_or_si256(packed, _mm256_slli_epi64(bits, 8 * i));
    }
    const __m128i bytes = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(packed, firsts));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + at), _mm_sub_epi8(bytes, _mm_set1_epi8(21)));
  }
}

}  // namespace

const KeccakLanes avx2Keccak = {4, permuteInterleaved<FourWords>};
const StreamLoops avx2Stream = {eightBlocks, binomials};

}  // namespace subrosa
