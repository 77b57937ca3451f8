#include "embedding_loops.h"

namespace subrosa {

const EmbeddingLoops scalarEmbedding = {embedAll, unembedAll};

}  // namespace subrosa
