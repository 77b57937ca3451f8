#include "embedding_loops.h"

namespace subrosa {

const EmbeddingLoops avx2Embedding = {
    embedAll,           unembedAll, sumProductsAll,
    unembedIntegersAll, {embedFractionsAll<false>, embedFractionsAll<true>}, roundFractionsAll};

}  // namespace subrosa
