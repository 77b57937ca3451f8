/** Sets that are quick and not secure, with everything made for them. */
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import {
  type TfheCiphertext,
  TfheContext,
  TfheDecryptor,
  TfheEncryptor,
  TfheEvaluationKeys,
  TfheEvaluator,
  TfheParams,
  TfheSecretKey,
  type TfheSpec,
  unpack,
} from '../../../src/schemes/tfhe/index.ts';

export const TOY_FOUR: TfheSpec = {
  messages: 4,
  logN: 8,
  logQ: 50,
  lweDimension: 40,
  lweNoiseBits: 10,
  digitShift: 30,
  keySwitchBits: 3,
  keySwitchLevels: 5,
  security: 'insecure-for-tests',
};
export const TOY_SIXTEEN: TfheSpec = {
  ...TOY_FOUR,
  messages: 16,
  logN: 10,
  digitShift: 27,
  keySwitchLevels: 6,
};

export interface Toy extends Disposable {
  readonly context: TfheContext;
  readonly secret: TfheSecretKey;
  readonly keys: TfheEvaluationKeys;
  readonly encryptor: TfheEncryptor;
  readonly decryptor: TfheDecryptor;
  readonly evaluator: TfheEvaluator;
  encrypt(messages: readonly number[]): TfheCiphertext[];
  decrypt(ciphertexts: readonly TfheCiphertext[]): number[];
}

export async function openToy(spec: TfheSpec | 'secure', kernel: Kernel, name = 'toy'): Promise<Toy> {
  const params = spec === 'secure' ? TfheParams.forMessages(16) : TfheParams.create(spec);
  const context = await TfheContext.open(params, { kernel, random: seededRandom(name) });
  const secret = TfheSecretKey.generate(context);
  const keys = TfheEvaluationKeys.generate(context, secret);
  const [encryptor, decryptor] = [new TfheEncryptor(context, secret), new TfheDecryptor(context, secret)];
  return {
    context,
    secret,
    keys,
    encryptor,
    decryptor,
    evaluator: new TfheEvaluator(context, keys),
    encrypt: (messages) => unpack(context, encryptor.encrypt(messages)),
    decrypt: (ciphertexts) => ciphertexts.map((each) => decryptor.decrypt(each)),
    [Symbol.dispose]: () => {
      for (const part of [keys, secret, context]) part[Symbol.dispose]();
    },
  };
}
