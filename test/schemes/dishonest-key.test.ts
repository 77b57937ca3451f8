/**
 * What an encryption of zero hides from whoever chose the public key. Its second half comes from a seed; the first is the client's word. With
 * b = -a s + 2^36 a reply decrypts to the message plus 2^36 u: u is read off, the message survives, and the second part is stripped down to
 * what the evaluation left in it. So circuit privacy is stated for public keys that were made honestly. A traced reply gives away as many
 * coefficients of u as it carries, and what hides the rest stays.
 */
import { expect, it } from 'vitest';
import { openKernel } from '../../src/kernel/open.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { PublicKey } from '../../src/schemes/rlwe/keys/public-key.ts';
import { secretWords } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { maskReply } from '../../src/schemes/rlwe/reply-mask.ts';

const MULTIPLE = 2 ** 36;
/** Slots of a traced reply. */
const TRACED = 16;

it('is taken off by a client whose public key is a large constant, and not by one with an honest key', async () => {
  using kernel = await openKernel();
  const context = await CkksContext.open(
    CkksParams.create({ logN: 12, logQ: [42], logP: [44], logScale: 24 }),
    { kernel },
  );
  const { n } = context.params;
  const { tables } = context.ring;
  const mods = [0];
  const q = context.params.q[0]!.q;
  {
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using honest = generator.publicKey(secret);
    using other = generator.publicKey(secret);
    using evil = PublicKey.fromBytes(context, other.toBytes());
    // b = -a s + 2^36, in place of -a s + e: nothing about the bytes shows it.
    const b = evil.part(0).sub(0, n);
    kernel.mul(tables, b, evil.part(1).sub(0, n), secretWords(secret).sub(0, n), mods);
    kernel.mulScalar(tables, b, b, [q - 1], mods);
    kernel.addScalar(tables, b, b, [MULTIPLE], mods);
    using sent = PublicKey.fromBytes(context, evil.toBytes());

    using arena = context.arena();
    const values = Float64Array.from({ length: context.params.slots }, (_, i) => Math.sin(i));
    const encoder = context.encoder(arena);
    using encryptor = context.encryptor(secret, arena);
    const result = encryptor.encryptBatch([encoder.encode(values, { scale: 2 ** 24, level: 0 })]);
    const second = result.part(0, 1).words.u64().slice();

    const centred = (words: BigUint64Array): Float64Array => {
      using at = kernel.allocate(n);
      at.u64().set(words);
      kernel.nttInverse(tables, at, mods);
      const out = new Float64Array(n);
      kernel.toDoubles(tables, out, at, mods);
      return out;
    };
    /**
     * The largest coefficient that stays of the mask on the second part when it is attacked through `key`, and the first part was sent at
     * every `every`-th coefficient.
     */
    const left = (key: PublicKey, every = 1): number => {
      const first = result.part(0, 0).words.u64().slice();
      result.part(0, 1).words.u64().set(second);
      maskReply(result, key, new Uint8Array(32).fill(5), 10);
      using opened = kernel.allocate(n);
      kernel.mul(tables, opened, result.part(0, 1).words, secretWords(secret).sub(0, n), mods);
      kernel.add(tables, opened, opened, result.part(0, 0).words, mods);
      const u = Int8Array.from(centred(opened.u64()), (value, i) =>
        i % every === 0 ? Math.round(value / MULTIPLE) : 0,
      );
      using stripped = kernel.allocate(n);
      kernel.transformSigned(tables, stripped, u, mods);
      kernel.mul(tables, stripped, stripped, key.part(1).sub(0, n), mods);
      kernel.sub(tables, stripped, result.part(0, 1).words, stripped, mods);
      using before = kernel.allocate(n);
      before.u64().set(second);
      kernel.sub(tables, stripped, stripped, before, mods);
      result.part(0, 0).words.u64().set(first);
      result.part(0, 1).words.u64().set(second);
      return centred(stripped.u64()).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    };
    // Nothing but the error e_1, centred binomial with k = 21, is left.
    expect(left(sent)).toBeLessThanOrEqual(21);
    // So many coefficients of u are as good as none: the mask is as wide as the modulus.
    expect(left(sent, n / 2 / TRACED)).toBeGreaterThan(q / 4);
    // With an honest key the same steps leave something as wide as the modulus.
    expect(left(honest)).toBeGreaterThan(q / 4);
  }
  context[Symbol.dispose]();
});
