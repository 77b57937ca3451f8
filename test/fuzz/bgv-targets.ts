/** What travels in BGV, for one plaintext modulus and for several. */
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Arena } from '../../src/ring/arena.ts';
import { BgvCiphertext, BgvCiphertextBatch } from '../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvCrtCiphertext } from '../../src/schemes/bgv/crt/crt-ciphertext.ts';
import { BgvCrtContext } from '../../src/schemes/bgv/crt/crt-context.ts';
import { BgvCrtParams } from '../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { INSECURE_CRT, INSECURE_TINY_BGV } from '../schemes/bgv/insecure-params.ts';
import type { FuzzTarget } from './harness.ts';

/** The contexts are the caller's to dispose. */
export async function bgvTargets(kernel: Kernel): Promise<{ targets: FuzzTarget[]; contexts: Disposable[] }> {
  const options = { kernel, random: seededRandom('fuzz bgv') };
  const single = await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), options);
  const crt = await BgvCrtContext.open(BgvCrtParams.create(INSECURE_CRT), options);
  return { targets: [...singleTargets(single), ...crtTargets(crt)], contexts: [single, crt] };
}

/** Parses into an arena of its own. */
const into =
  (context: BgvContext | BgvCrtContext, read: (bytes: Uint8Array, scratch: Arena) => unknown) =>
  (bytes: Uint8Array) => {
    using scratch = context.arena();
    read(bytes, scratch);
  };

function singleTargets(context: BgvContext): FuzzTarget[] {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  const plaintext = context.encoder(arena).encode([1, -2, 3]);
  const single = encryptor.encrypt(plaintext).toBytes();
  const pair = encryptor.encryptBatch([plaintext, plaintext]);
  const batch = pair.toBytes();
  using keys = generator.evaluationKeys(secret, {});
  const rounded = context.evaluator(keys, arena).modSwitchLowest(pair).toRoundedBytes();
  return [
    {
      name: 'BGV ciphertext',
      corpus: [single, single, batch],
      parse: into(context, (bytes, scratch) => BgvCiphertext.fromBytes(context, bytes, scratch)),
    },
    {
      name: 'BGV batch',
      corpus: [batch, batch, single],
      parse: into(context, (bytes, scratch) => BgvCiphertextBatch.fromBytes(context, bytes, scratch, 4)),
    },
    {
      name: 'rounded BGV batch',
      corpus: [rounded, rounded, batch],
      parse: into(context, (bytes, scratch) =>
        BgvCiphertextBatch.fromRoundedBytes(context, bytes, scratch, 4),
      ),
    },
    {
      name: 'BGV parameters',
      corpus: [context.params.toBytes()],
      parse: (bytes) => BgvParams.fromBytes(bytes, { allowInsecure: true }),
    },
  ];
}

function crtTargets(context: BgvCrtContext): FuzzTarget[] {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  using keys = generator.evaluationKeys(secret, {});
  const ciphertext = encryptor.encrypt(context.encoder(arena).encode([2n ** 25n, -3n]));
  const bytes = ciphertext.toBytes();
  const rounded = context.evaluator(keys, arena).modSwitchLowest(ciphertext).toRoundedBytes();
  return [
    {
      name: 'BGV ciphertext of several moduli',
      corpus: [bytes],
      parse: into(context, (mutant, scratch) => BgvCrtCiphertext.fromBytes(context, mutant, scratch)),
    },
    {
      name: 'rounded BGV ciphertext of several moduli',
      corpus: [rounded, rounded, bytes],
      parse: into(context, (mutant, scratch) => BgvCrtCiphertext.fromRoundedBytes(context, mutant, scratch)),
    },
    {
      name: 'BGV parameters of several moduli',
      corpus: [context.params.toBytes()],
      parse: (mutant) => BgvCrtParams.fromBytes(mutant, { allowInsecure: true }),
    },
  ];
}
