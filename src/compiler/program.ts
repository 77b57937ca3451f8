/**
 * What the compiler makes of a clear polynomial network: a checked list of batch steps for the server, and the offer,
 * which is everything that a client may learn.
 *
 * Layout. Slots hold frames (or samples), ciphertexts hold features: one ciphertext per feature while the network is
 * evaluated, so that a linear layer is an integer matrix product over whole ciphertexts. On the wire, `k` features
 * share a ciphertext: with `block = slots / k` frames at most, feature i of a group is a plaintext m_i(X^k) of the
 * subring, and the group travels as sum_i X^i m_i(X^k). The server takes it apart with k - 1 key switches and puts the
 * scores together the same way for nothing.
 */
import type { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import type { CkksParams, CkksSpec } from '../schemes/ckks/params.ts';
import type { DroppedBits } from '../schemes/rlwe/wire/dropped-bits.ts';
import type { KeyPlan } from '../schemes/rlwe/keys/key-plan.ts';

/** How many samples a request may hold, and what follows from it. */
export interface Bucket {
  /** Samples per feature, a power of two; shorter requests are padded, which hides the length up to the bucket. */
  readonly block: number;
  /** Features per ciphertext on the wire: slots / block. */
  readonly interleave: number;
}

/** What a client may know about a program: no weight, no step. */
export interface Offer {
  readonly model: string;
  /** SHA-256 over model name, parameters and program, hex: a reply of another program cannot be mistaken. */
  readonly programId: string;
  readonly params: CkksSpec;
  readonly paramsId: string;
  /** Galois elements of the evaluation keys; relinearisation is always needed. */
  readonly galois: readonly number[];
  readonly buckets: readonly Bucket[];
  readonly inputs: number;
  readonly outputs: number;
  /** Scale of the encrypted input, at the highest level. */
  readonly inputScale: number;
  /** Inputs are clipped to [-inputBound, inputBound] by the client; the bounds below assume it. */
  readonly inputBound: number;
  /** Scale of the reply, at level 0. */
  readonly outputScale: number;
  /** Expected standard deviation of a score's error, in score units; the meter's estimate, flooding and the bits dropped. */
  readonly outputError: number;
  /** Interval of the scores over the training data. */
  readonly outputRange: readonly [low: number, high: number];
}

/** The evaluation keys that a client makes and a server expects for an offer. */
export function offeredKeyPlan(offer: Offer): KeyPlan {
  return { relinearize: true, galois: offer.galois };
}

/** What every batch step says: `level` and `parts` of the ciphertexts that it reads, `scale` of those that it leaves. */
interface BatchStep {
  readonly level: number;
  readonly parts: 2 | 3;
  readonly scale: number;
}

/** Takes interleaved inputs apart, into one ciphertext per feature. */
export interface ExpandStep extends BatchStep {
  readonly op: 'expand';
}

/** W a + h over whole ciphertexts: parts and level stay. */
export interface LinearStep extends BatchStep {
  readonly op: 'linear';
  readonly layer: number;
}

/** Squares what the linear step before left: relinearised and rescaled in the same pass, or left in three parts. */
export interface SquareStep extends BatchStep {
  readonly op: 'square';
  readonly layer: number;
  readonly relinearize: boolean;
}

/** Interleaves the scores again. */
export interface PackStep extends BatchStep {
  readonly op: 'pack';
}

/** Relinearises and rescales the packed scores down to level 0, where they are not there yet. */
export interface FinishStep extends BatchStep {
  readonly op: 'finish';
}

/** Steps run in order, each on the result of the one before. */
export type Step = ExpandStep | LinearStep | SquareStep | PackStep | FinishStep;

/** Per layer: what the range guard knows. Values are in the layer's own units (before the square). */
export interface LayerBound {
  readonly layer: number;
  /** max |z| over the training data. */
  readonly trained: number;
  /** |z| for which the plaintext wraps around the modulus; what is below is evaluated correctly. */
  readonly capacity: number;
  /** Proven bound on |z| for every input within inputBound, by interval arithmetic. */
  readonly proven: number;
}

/** What the meter found out without running anything. */
export interface Report {
  readonly depth: number;
  readonly logQP: number;
  /** Integer multiply-adds on residues for one request, whatever its bucket. */
  readonly multiplyAdds: number;
  readonly squarings: number;
  readonly keySwitches: (bucket: Bucket) => number;
  /** Public key and evaluation keys on the wire. */
  readonly keyBytes: number;
  /** The seeded ciphertexts of a query, and those of its reply, on the wire. */
  readonly bytesUp: (bucket: Bucket) => number;
  readonly bytesDown: (bucket: Bucket) => number;
  readonly bounds: readonly LayerBound[];
}

/** A checked program for one network, frozen. Only the compiler makes programs. */
export interface Program {
  readonly network: PolynomialNetwork;
  readonly params: CkksParams;
  readonly offer: Offer;
  readonly steps: readonly Step[];
  readonly report: Report;
  /** Coefficients of a reply get uniform noise in [-2^floodBits, 2^floodBits). */
  readonly floodBits: (bucket: Bucket) => number;
  /** Low bits that its coefficients do not carry: they change by far less than the flooding does. */
  readonly droppedBits: (bucket: Bucket) => DroppedBits;
}
