#include "embedding/embedding_loops.h"

namespace subrosa {

const EmbeddingLoops avx2Embedding = {
    embedAll,           unembedAll, sumProductsAll, placeFactorAll,
    unembedIntegersAll, {embedFractionsAll<false>, embedFractionsAll<true>}, roundFractionsAll, squaredNormAll};

}  // namespace subrosa
