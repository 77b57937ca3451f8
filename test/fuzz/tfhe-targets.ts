/** What travels in TFHE. */
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { TfheCiphertext, TfhePackedCiphertext, unpack } from '../../src/schemes/tfhe/ciphertext.ts';
import { TfheContext } from '../../src/schemes/tfhe/context.ts';
import { TfheEncryptor } from '../../src/schemes/tfhe/encryptor.ts';
import { TfheEvaluationKeys } from '../../src/schemes/tfhe/evaluation-keys.ts';
import { TfheExitKey } from '../../src/schemes/tfhe/exit-key.ts';
import { TfheParams } from '../../src/schemes/tfhe/params.ts';
import { TfheSecretKey } from '../../src/schemes/tfhe/secret-key.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { INSECURE_TINY } from '../schemes/ckks/insecure-params.ts';
import { TOY_FOUR } from '../schemes/tfhe/toy.ts';
import type { FuzzTarget } from './harness.ts';

/** The context is the caller's to dispose. */
export async function tfheTargets(kernel: Kernel): Promise<{ targets: FuzzTarget[]; context: Disposable }> {
  const params = TfheParams.create({ ...TOY_FOUR, logN: 6, lweDimension: 8, keySwitchLevels: 2 });
  const context = await TfheContext.open(params, { kernel, random: seededRandom('fuzz tfhe') });
  using secret = TfheSecretKey.generate(context);
  using keys = TfheEvaluationKeys.generate(context, secret);
  const packed = new TfheEncryptor(context, secret).encrypt([1, 2, 3]);
  const bytes = TfhePackedCiphertext.toBytes(context, packed);
  const single = TfheCiphertext.toBytes(context, unpack(context, packed)[0]!);
  const from = await CkksContext.open(CkksParams.create(INSECURE_TINY), {
    kernel,
    random: seededRandom('fuzz exit'),
  });
  using generator = from.keyGenerator();
  using fromSecret = generator.secretKey();
  using exitKey = TfheExitKey.generate(context, secret, from, fromSecret);
  const facts = { min: 0, max: 3, variance: 0 };
  const targets: FuzzTarget[] = [
    {
      name: 'TFHE secret key',
      corpus: [secret.exportSecretBytes()],
      parse: (mutant) => TfheSecretKey.fromSecretBytes(context, mutant)[Symbol.dispose](),
    },
    {
      name: 'TFHE evaluation keys',
      corpus: [keys.toBytes()],
      parse: (mutant) => TfheEvaluationKeys.fromBytes(context, mutant)[Symbol.dispose](),
    },
    {
      name: 'packed TFHE ciphertext',
      corpus: [bytes, bytes, single],
      parse: (mutant) => TfhePackedCiphertext.fromBytes(context, mutant),
    },
    {
      name: 'TFHE ciphertext',
      corpus: [single, single, bytes],
      parse: (mutant) => TfheCiphertext.fromBytes(context, mutant, facts),
    },
    {
      name: 'TFHE exit key',
      corpus: [exitKey.toBytes()],
      parse: (mutant) => TfheExitKey.fromBytes(context, from, mutant)[Symbol.dispose](),
    },
  ];
  const both = {
    [Symbol.dispose]: () => {
      from[Symbol.dispose]();
      context[Symbol.dispose]();
    },
  };
  return { targets, context: both };
}
