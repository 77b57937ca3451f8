/** The client's side of an exact program: BGV, one message for each plaintext modulus, put together by the Chinese remainder theorem. */
import { DecodeError } from '../../base/errors.ts';
import { type Bucket, bgvParamsOf, type Offer } from '../../compiler/offer.ts';
import type { ExactTerms } from '../../compiler/exact/exact-offer.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { centred, inverseMod, residue } from '../../kernel/tables/modular.ts';
import { BgvCiphertextBatch } from '../../schemes/bgv/ciphertext.ts';
import { bgvCiphertextBytes } from '../../schemes/bgv/ciphertext-wire.ts';
import { BgvEncryptionStream } from '../../schemes/bgv/encryption-stream.ts';
import type { BgvContext } from '../../schemes/bgv/context.ts';
import { BgvCrtContext } from '../../schemes/bgv/crt/crt-context.ts';
import type { SecretKey } from '../../schemes/rlwe/keys/secret-key.ts';
import {
  type ClientCipher,
  type EncryptedScores,
  PIECE_CIPHERTEXTS,
  type PlannedMessage,
} from './client-cipher.ts';

export class ExactCipher implements ClientCipher {
  readonly messages: number;
  readonly #offer: Offer;
  readonly #terms: ExactTerms;
  readonly #crt: BgvCrtContext;

  private constructor(offer: Offer, terms: ExactTerms, crt: BgvCrtContext) {
    this.#offer = offer;
    this.#terms = terms;
    this.#crt = crt;
    this.messages = terms.moduli.length;
  }

  /** @throws {InvalidParamsError} {@link KernelError} */
  static async open(offer: Offer, kernel: Kernel): Promise<ExactCipher> {
    const crt = await BgvCrtContext.open(bgvParamsOf(offer), { kernel });
    return new ExactCipher(offer, offer.exact!, crt);
  }

  /** Of the first plaintext modulus; keys serve all. */
  get context(): BgvContext {
    return this.#crt.components[0]!;
  }

  plan(inputs: Float32Array, samples: number, secret: SecretKey): PlannedMessage[] {
    const { inputs: features, buckets, inputScale } = this.#offer;
    const [low, high] = this.#terms.inputRange;
    const bucket = buckets[0] as Bucket;
    const { maxLevel: level } = this.context.params;
    const byteLength = bgvCiphertextBytes(this.context.params, {
      ...{ count: features, parts: 2, level, isSeeded: true },
    });
    return this.#crt.components.map((context, index) => {
      function* pieces(onClipped: (values: number) => void): Generator<Uint8Array, void, undefined> {
        const shape = { count: features, level, most: PIECE_CIPHERTEXTS };
        using stream = new BgvEncryptionStream(context, secret, shape);
        yield stream.start;
        for (let first = 0; first < features; first += PIECE_CIPHERTEXTS) {
          using arena = context.arena();
          const encoder = context.encoder(arena);
          const here = Math.min(PIECE_CIPHERTEXTS, features - first);
          const rows = Array.from({ length: here }, () => new Float64Array(samples));
          let clipped = 0;
          for (let t = 0; t < samples; t++) {
            for (let g = 0; g < here; g++) {
              const value = inputs[t * features + first + g]!;
              // What is no number counts as 0.
              const kept = Math.min(high, Math.max(low, Number.isNaN(value) ? 0 : value));
              if (kept !== value) clipped++;
              rows[g]![t] = Math.round(kept * inputScale);
            }
          }
          onClipped(clipped);
          yield stream.next(rows.map((row) => encoder.encode(row)));
        }
      }
      return { index, bucket, byteLength, pieces };
    });
  }

  decrypt(scores: EncryptedScores, secret: SecretKey): Float32Array {
    const { outputScale } = this.#offer;
    return Float32Array.from(this.decryptIntegers(scores, secret), (value) => Number(value) / outputScale);
  }

  /** Row-major [samples, outputs], between minus and plus half of the product of the moduli. */
  decryptIntegers({ samples, replies }: EncryptedScores, secret: SecretKey): bigint[] {
    const { modulus, components } = this.#crt.params;
    const sums = new Array<bigint>(samples * this.#offer.outputs).fill(0n);
    replies.forEach((reply, message) => {
      const t = BigInt(components[message]!.t);
      const rest = modulus / t;
      // 1 modulo this t, 0 modulo the others.
      const unit = rest * inverseMod(rest, t);
      this.#residues(reply, this.#crt.components[message]!, samples, secret).forEach((value, i) => {
        sums[i]! += BigInt(value) * unit;
      });
    });
    return sums.map((sum) => centred(residue(sum, modulus), modulus));
  }

  #residues(reply: Uint8Array, context: BgvContext, samples: number, secret: SecretKey): Float64Array {
    const { outputs } = this.#offer;
    const { replyLevel } = this.#terms;
    using arena = context.arena();
    const batch =
      replyLevel === 0
        ? BgvCiphertextBatch.fromRoundedBytes(context, reply, arena, outputs)
        : BgvCiphertextBatch.fromBytes(context, reply, arena, outputs);
    if (batch.count !== outputs || batch.level !== replyLevel || batch.parts !== 2)
      throw new DecodeError('a reply', `${outputs} ciphertexts at level ${replyLevel} were expected`);
    const encoder = context.encoder(arena);
    const values = new Float64Array(samples * outputs);
    context
      .decryptor(secret, arena)
      .decryptBatch(batch)
      .forEach((plaintext, output) => {
        const slots = encoder.decode(plaintext);
        for (let t = 0; t < samples; t++) values[t * outputs + output] = slots[t]!;
        slots.fill(0);
      });
    return values;
  }

  [Symbol.dispose](): void {
    this.#crt[Symbol.dispose]();
  }
}
