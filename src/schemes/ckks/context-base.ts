/** What the roles of CKKS share: parameters, kernel, ring and embeddings. Knows no role, so that roles may know it. */
import { CanonicalEmbedding } from '../../kernel/tables/canonical-embedding.ts';
import { RlweContext } from '../rlwe/context.ts';
import { type ModulusBits, modulusBits } from '../rlwe/noise-bound.ts';
import type { CkksParams } from './params.ts';

export class CkksContextBase extends RlweContext<CkksParams> {
  /** The parameters as the bounds need them. */
  readonly modulusBits: ModulusBits = modulusBits(this.params);
  #embeddings = new Map<number, CanonicalEmbedding>();

  /** The embedding of the subring with `slots` slots, a power of two; its tables are made once. */
  embedding(slots: number): CanonicalEmbedding {
    let embedding = this.#embeddings.get(slots);
    if (embedding === undefined) {
      embedding = new CanonicalEmbedding(slots);
      this.#embeddings.set(slots, embedding);
    }
    return embedding;
  }
}
