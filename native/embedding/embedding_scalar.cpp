#include "embedding/embedding_loops.h"

namespace subrosa {

const EmbeddingLoops& embeddingLoops(Isa isa) {
  static const EmbeddingLoops scalarEmbedding = {
    embedAll,           unembedAll, sumProductsAll, placeFactorAll,
    unembedIntegersAll, {embedFractionsAll<false>, embedFractionsAll<true>}, roundFractionsAll, squaredNormAll};
#ifdef SUBROSA_AVX2
  if (isa == Isa::avx2 || isa == Isa::avx512Ifma) return avx2Embedding;
#endif
  return scalarEmbedding;
}

}  // namespace subrosa
