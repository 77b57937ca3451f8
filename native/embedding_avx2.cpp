#include "embedding_loops.h"

namespace subrosa {

const EmbeddingLoops avx2Embedding = {embedAll, unembedAll};

}  // namespace subrosa
