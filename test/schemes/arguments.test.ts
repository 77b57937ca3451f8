/** Wrong arguments from programs that no compiler has checked: named, before anything is computed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArgumentTypeError, DisposedError, ParamsMismatchError } from '../../src/base/errors.ts';
import * as ckks from '../../src/schemes/ckks/index.ts';
import { INSECURE_TINY } from './ckks/insecure-params.ts';

type Method = (...args: unknown[]) => unknown;
type Methods = Record<string, Method>;
let ckksContext: ckks.CkksContext;
const owned: Disposable[] = [];

beforeAll(async () => {
  ckksContext = await ckks.CkksContext.open(ckks.CkksParams.create(INSECURE_TINY));
});

afterAll(() => {
  for (const each of owned) each[Symbol.dispose]();
  ckksContext[Symbol.dispose]();
});

describe('an error names the argument, what it must be and what it is', () => {
  const open = () => {
    const arena = ckksContext.arena();
    const generator = ckksContext.keyGenerator();
    const secret = generator.secretKey();
    const keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1, -3] });
    owned.push(generator, secret, keys);
    const encoder = ckksContext.encoder(arena);
    const evaluator = ckksContext.evaluator(keys, arena) as unknown as Methods;
    const x = ckksContext.encryptor(secret, arena).encrypt(encoder.encode([0.5]));
    return { arena, secret, keys, encoder: encoder as unknown as Methods, evaluator, x };
  };

  test.each<[string, (at: ReturnType<typeof open>) => unknown, RegExp]>([
    [
      'a number for a vector',
      ({ encoder }) => encoder.encode!(3),
      /values must be an array of numbers but is a number/,
    ],
    [
      'a ciphertext for a vector',
      ({ encoder, x }) => encoder.encode!(x),
      /array of numbers but is a CkksCiphertext/,
    ],
    [
      'bigints for numbers',
      ({ encoder }) => encoder.encode!(new BigInt64Array(1)),
      /array of numbers but is a BigInt64Array/,
    ],
    [
      'NaN for a step',
      ({ evaluator, x }) => evaluator.rotate!(x, Number.NaN),
      /by must be an integer but is NaN/,
    ],
    [
      'NaN added',
      ({ evaluator, x }) => evaluator.add!(x, Number.NaN),
      /b must be .* a finite number but is NaN/,
    ],
    [
      'a ciphertext for a plaintext',
      ({ encoder, x }) => encoder.decode!(x),
      /plaintext must be a CkksPlaintext/,
    ],
    [
      'a secret key for evaluation keys',
      ({ secret, arena }) => (ckksContext as unknown as Methods).evaluator!(secret, arena),
      /keys must be EvaluationKeys but is a SecretKey/,
    ],
    [
      'no arena',
      () => (ckksContext as unknown as Methods).encoder!(),
      /arena must be an Arena .* but is undefined/,
    ],
    [
      'a level of another kind',
      ({ evaluator, x }) => evaluator.dropTo!(x, '0'),
      /level must be an integer but is a string/,
    ],
  ])('%s', (_, call, message) => {
    const at = open();
    expect(() => call(at)).toThrow(ArgumentTypeError);
    expect(() => call(at)).toThrow(message);
    at.arena[Symbol.dispose]();
  });

  test('disposed objects and those of other parameters', async () => {
    const { arena, evaluator, x, encoder } = open();
    const other = await ckks.CkksContext.open(ckks.CkksParams.create({ ...INSECURE_TINY, logScale: 30 }));
    const theirs = other.arena();
    const foreign = other.encoder(theirs).encode([1]);
    expect(() => evaluator.mul!(x, foreign)).toThrow(ParamsMismatchError);
    expect(() => encoder.decode!(foreign)).toThrow(ParamsMismatchError);
    x[Symbol.dispose]();
    expect(() => evaluator.rotate!(x, 1)).toThrow(DisposedError);
    arena[Symbol.dispose]();
    expect(() => encoder.encode!([1])).toThrow(DisposedError);
    theirs[Symbol.dispose]();
    other[Symbol.dispose]();
  });

  test('a missing rotation key is named by its step', () => {
    const { arena, evaluator, x } = open();
    expect(() => evaluator.rotate!(x, 2)).toThrow(
      /the key for rotations by 2.* at level 2.*rotations by -3, 1.*rotations: \[2\]/,
    );
    expect(() => evaluator.conjugate!(x)).toThrow(/key of the conjugation.*conjugate: true/);
    arena[Symbol.dispose]();
  });
});
