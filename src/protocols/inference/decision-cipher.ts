/**
 * The client's side of a program that decides: it sends what any client of an approximate program sends, keys of TFHE besides, and gets a
 * place among the outputs. Its TFHE key follows from its other one, so that a key file holds no more than before.
 */
import { concatBytes } from '@noble/hashes/utils.js';
import { DecodeError, UsageError } from '../../base/errors.ts';
import type { DecisionTerms } from '../../compiler/decision/decision.ts';
import { tfheParamsOf } from '../../compiler/decision/decision-facts.ts';
import type { Offer } from '../../compiler/offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import {
  TfheCiphertext,
  TfheContext,
  TfheDecryptor,
  TfheEvaluationKeys,
  TfheExitKey,
  TfheSecretKey,
} from '../../schemes/tfhe/index.ts';
import { ApproximateCipher } from './approximate-cipher.ts';
import type { ClientCipher, EncryptedScores, PlannedMessage } from './client-cipher.ts';

export class DecisionCipher implements ClientCipher {
  readonly messages = 1;
  readonly #offer: Offer;
  readonly #scores: ApproximateCipher;
  readonly #tfhe: TfheContext;

  private constructor(offer: Offer, scores: ApproximateCipher, tfhe: TfheContext) {
    this.#offer = offer;
    this.#scores = scores;
    this.#tfhe = tfhe;
  }

  /** @throws {InvalidParamsError} {@link KernelError} */
  static async open(offer: Offer, kernel: Kernel): Promise<DecisionCipher> {
    const scores = await ApproximateCipher.open(offer, kernel);
    try {
      const tfhe = await TfheContext.open(tfheParamsOf(offer.decision as DecisionTerms), { kernel });
      return new DecisionCipher(offer, scores, tfhe);
    } catch (error) {
      scores[Symbol.dispose]();
      throw error;
    }
  }

  get context(): CkksContext {
    return this.#scores.context;
  }

  /** The samples are spread evenly over the whole bucket, so that its mean is theirs. */
  plan(inputs: Float32Array, samples: number, secret: SecretKey): PlannedMessage[] {
    const { buckets, inputs: features } = this.#offer;
    const block = buckets.find((each) => each.block >= samples)!.block;
    return this.#scores.plan(spreadOver(inputs, samples, features, block), block, secret);
  }

  moreKeys(secret: SecretKey): Uint8Array {
    using tfheSecret = TfheSecretKey.derived(this.#tfhe, secret);
    using exit = TfheExitKey.generate(this.#tfhe, tfheSecret, this.context, secret);
    using evaluation = TfheEvaluationKeys.generate(this.#tfhe, tfheSecret);
    return concatBytes(exit.toBytes(), evaluation.toBytes());
  }

  /** One number: the place that won. Whether it is one is {@link isPlausible}'s to say. */
  decrypt({ replies }: EncryptedScores, secret: SecretKey): Float32Array {
    const [reply] = replies;
    if (reply === undefined) throw new DecodeError('a reply', 'there is none');
    const facts = { min: 0, max: this.#offer.outputs - 1, variance: 0 };
    const answer = TfheCiphertext.fromBytes(this.#tfhe, reply, facts);
    using tfheSecret = TfheSecretKey.derived(this.#tfhe, secret);
    return Float32Array.of(new TfheDecryptor(this.#tfhe, tfheSecret).decrypt(answer));
  }

  decryptIntegers(): bigint[] {
    throw new UsageError('this model answers with a place among its outputs: use open()');
  }

  [Symbol.dispose](): void {
    this.#tfhe[Symbol.dispose]();
    this.#scores[Symbol.dispose]();
  }
}

/** `[samples, features]` to `[block, features]`: every sample as often as any other, but for one. */
export function spreadOver(
  inputs: Float32Array,
  samples: number,
  features: number,
  block: number,
): Float32Array {
  const out = new Float32Array(block * features);
  for (let t = 0; t < block; t++) {
    const from = Math.floor((t * samples) / block) * features;
    out.set(inputs.subarray(from, from + features), t * features);
  }
  return out;
}
