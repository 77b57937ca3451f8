/** What stands beside the log-mels in the inputs of some models; the network that makes it is loaded only where it is needed. */

/** Numbers per frame. */
export const EMBEDDING_SIZE = 96;
/** The name of the public speech embedding in model files. */
export const EMBEDDING_NAME = 'speech-embedding-96' as const;

/** Embeddings of a recording. */
export interface Embedder {
  /** [frames, 96] of mono samples at 16 kHz; frame t is centred like that of the log-mels. */
  embed(samples: Float32Array, frames: number): Float32Array;
}
