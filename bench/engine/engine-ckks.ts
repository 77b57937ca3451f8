/** CKKS operations of this package, ready to be timed. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import type { KeyPlan } from '../../src/schemes/rlwe/keys/key-plan.ts';

/** Primes as counts and bits; the usable depth of two sets with equal `limbs` is the same. */
export interface EngineParams {
  readonly logN: number;
  readonly limbs: number;
  readonly limbBits: number;
  readonly special: number;
  readonly specialBits: number;
  readonly logScale: number;
}

/** What one kernel can be asked to do again and again. */
export interface EngineWork extends Disposable {
  readonly run: Readonly<Record<string, () => void>>;
}

/** Values in [-1, 1) that are no polynomial of low degree. */
export function benchValues(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (((i * 2654435761) % 2 ** 32) / 2 ** 31 - 1) * 0.99);
}

interface SchemeTools<V, P extends Disposable, C> {
  readonly encoder: { encode(values: V): P; decode(plaintext: P): unknown };
  readonly encryptor: { encrypt(plaintext: P): C & Disposable };
  readonly evaluator: { rotate(a: C, steps: number): Disposable; mul(a: C, b: C): Disposable };
}

/** What is timed of every scheme; `a` and `b` are encryptions of `plaintext`, which encodes `values`. */
export function commonRuns<V, P extends Disposable, C>(
  { encoder, encryptor, evaluator }: SchemeTools<V, P, C>,
  values: V,
  plaintext: P,
  [a, b]: readonly [C, C],
): Record<string, () => void> {
  return {
    rotate: () => evaluator.rotate(a, 1)[Symbol.dispose](),
    'multiply-relinearize': () => evaluator.mul(a, b)[Symbol.dispose](),
    encode: () => encoder.encode(values)[Symbol.dispose](),
    decode: () => {
      encoder.decode(plaintext);
    },
    'encrypt-symmetric': () => encryptor.encrypt(plaintext)[Symbol.dispose](),
  };
}

/** Keys and two ciphertexts of {@link benchValues}; all goes with the object. */
export async function openCkks(kernel: Kernel, spec: EngineParams, plan: KeyPlan) {
  const { logN, limbs, limbBits, special, specialBits, logScale } = spec;
  const params = CkksParams.create({
    logN,
    logQ: Array.from({ length: limbs }, () => limbBits),
    logP: Array.from({ length: special }, () => specialBits),
    logScale,
  });
  const context = await CkksContext.open(params, { kernel });
  const arena = context.arena();
  const generator = context.keyGenerator();
  const secret = generator.secretKey();
  const keys = generator.evaluationKeys(secret, plan);
  const encoder = context.encoder(arena);
  const encryptor = context.encryptor(secret, arena);
  const decryptor = context.decryptor(secret, arena);
  const evaluator = context.evaluator(keys, arena);
  const values = benchValues(params.slots);
  const plaintext = encoder.encode(values);
  const ciphertexts = [encryptor.encrypt(plaintext), encryptor.encrypt(plaintext)] as const;
  return {
    context,
    encoder,
    encryptor,
    decryptor,
    evaluator,
    values,
    plaintext,
    ciphertexts,
    [Symbol.dispose]() {
      for (const owner of [arena, encryptor, keys, secret, generator, context]) owner[Symbol.dispose]();
    },
  };
}

export async function ckksWork(kernel: Kernel, spec: EngineParams): Promise<EngineWork> {
  const work = await openCkks(kernel, spec, { relinearize: true, rotations: [1] });
  return {
    run: {
      ...commonRuns(work, work.values, work.plaintext, work.ciphertexts),
      decrypt: () => work.decryptor.decrypt(work.ciphertexts[0])[Symbol.dispose](),
    },
    [Symbol.dispose]: () => work[Symbol.dispose](),
  };
}

/** Forward and inverse transforms of eight limbs below 2^48, so that one call is long next to its overhead. */
export const TRANSFORM_LIMBS = 8;

export function transformWork(kernel: Kernel, n: number, moduli: readonly number[]): EngineWork {
  const tables = kernel.openRing(n, moduli);
  const mods = moduli.map((_, i) => i);
  const words = kernel.allocate(moduli.length * n);
  kernel.uniform(tables, words, new Uint8Array(32), mods);
  return {
    run: {
      'ntt-forward': () => kernel.nttForward(tables, words, mods),
      'ntt-inverse': () => kernel.nttInverse(tables, words, mods),
    },
    [Symbol.dispose]() {
      words[Symbol.dispose]();
      tables[Symbol.dispose]();
    },
  };
}
