/** Every operation of the schemes with each of its allocations failing in turn: a typed error, and nothing left behind. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Arena } from '../../src/ring/arena.ts';
import { BgvCiphertext, BgvCiphertextBatch } from '../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { CiphertextBatch, CkksCiphertext } from '../../src/schemes/ckks/ciphertext.ts';
import type { CkksCircuit } from '../../src/schemes/ckks/circuit.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { expansionElements } from '../../src/schemes/ckks/expand-interleaved.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import type { RlweContext } from '../../src/schemes/rlwe/context.ts';
import { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import type { KeyPlan } from '../../src/schemes/rlwe/keys/key-plan.ts';
import { PublicKey } from '../../src/schemes/rlwe/keys/public-key.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { AllocationFaults } from '../kernel/cases/allocation-faults.ts';
import { openUserKernels } from '../kernel/cases/differential.ts';
import { INSECURE_TINY_BGV } from './bgv/insecure-params.ts';
import { INSECURE_TINY, testValues } from './ckks/insecure-params.ts';

/** Each failing allocation spends one. */
const RELEASES = 2 ** 16;

let inner: Kernel;
let faults: AllocationFaults;

/** What an operation makes goes with an arena of its own. @returns how many of its allocations failed. */
function failEach(context: RlweContext, operation: (arena: Arena) => unknown): Promise<number> {
  return faults.failEach(() => {
    using arena = context.arena();
    return operation(arena);
  });
}

async function expectCovered(operation: Promise<number>, allocations: number): Promise<void> {
  expect(await operation).toBeGreaterThanOrEqual(allocations);
}

describe.each(openUserKernels())('the $name kernel ($reason)', ({ kernel, reason }) => {
  if (kernel === undefined) return test.skip(`is not here: ${reason}`);
  beforeAll(() => {
    inner = kernel;
    faults = new AllocationFaults(inner);
  });
  afterAll(() => {
    expect(faults.held).toEqual({ words: 0, handles: 0 });
    inner[Symbol.dispose]();
  });

  describe.each(['CKKS', 'BGV'])('keys of %s', (scheme) => {
    let context: CkksContext | BgvContext;
    let secret: SecretKey;
    const plan: KeyPlan = { relinearize: true, rotations: [1, { step: 3, maxLevel: 1 }], conjugate: true };

    beforeAll(async () => {
      const options = { kernel: faults.kernel, random: seededRandom(scheme) };
      context =
        scheme === 'CKKS'
          ? await CkksContext.open(CkksParams.create(INSECURE_TINY), options)
          : await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), options);
      using generator = context.keyGenerator();
      secret = generator.secretKey();
    });
    afterAll(() => {
      secret[Symbol.dispose]();
      context[Symbol.dispose]();
    });

    test('a context', async () => {
      await expectCovered(
        faults.failEach(async () => {
          const options = { kernel: faults.kernel };
          using _ckks = await CkksContext.open(CkksParams.create(INSECURE_TINY), options);
          using _bgv = await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), options);
        }),
        3,
      );
    });

    test('generation and parsing', async () => {
      using generator = context.keyGenerator();
      using publicKey = generator.publicKey(secret);
      using keys = generator.evaluationKeys(secret, plan);
      const exported = [secret.exportSecretBytes(), publicKey.toBytes(), keys.toBytes(context)] as const;
      const cases: [() => Disposable, number][] = [
        [() => generator.secretKey(), 1],
        [() => generator.publicKey(secret), 2],
        [() => generator.evaluationKeys(secret, plan), 4 * 6 + 1],
        [() => SecretKey.fromSecretBytes(context, exported[0]), 1],
        [() => PublicKey.fromBytes(context, exported[1]), 1],
        [() => EvaluationKeys.fromBytes(context, exported[2], plan), 4 * 2],
      ];
      for (const [make, allocations] of cases) {
        await expectCovered(
          faults.failEach(() => make()[Symbol.dispose]()),
          allocations,
        );
      }
    });
  });

  test('operations of CKKS', async () => {
    using context = await CkksContext.open(CkksParams.create(INSECURE_TINY), {
      kernel: faults.kernel,
      random: seededRandom('ckks'),
    });
    using held = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    const galois = expansionElements(context.params.n, 4);
    using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1, 2], galois });
    const values = testValues(context.params.slots, 1);
    const plain = context.encoder(held).encode(values);
    using secretly = context.encryptor(secret, held);
    using publicly = context.encryptor(publicKey, held);
    const ct = secretly.encrypt(plain);
    const open = publicly.encrypt(plain);
    const low = context.evaluator(keys, held).dropTo(ct, 1);
    const odd = secretly.encrypt(context.encoder(held).encode(values, { scale: 3 * ct.scale }));
    const batch = secretly.encryptBatch([plain, plain]);
    const three = context.evaluator(keys, held).mulLazy(ct, ct);
    using weights = faults.kernel.prepareGemm(Int32Array.of(1, -2), 1, 2);
    const diagonals = new Map([0, 1, 2, 3].map((step) => [step, values]));
    const map = context.encoder(held).encodeLinearTransform(diagonals, { babySteps: 2 });
    const at = { level: 1, scale: ct.scale, floodBits: 9 };
    const circuit: CkksCircuit = {
      inputs: [{ maxAbs: 1, scale: 2 ** 70 }],
      run: (on, [x]) => on.rotate(x!, 1),
    };
    const release = context.release(secret, circuit, { releases: RELEASES, precisionBits: 1 });
    const precise = secretly.encrypt(context.encoder(held).encode([0.5], { scale: 2 ** 70 }));
    const answer = context.evaluator(keys, held).rotate(precise, 1);
    const operations: Record<string, (arena: Arena) => unknown> = {
      encode: (arena) => context.encoder(arena).encode(values),
      encodeInterleaved: (arena) => context.encoder(arena).encodeInterleaved([[1], [2]]),
      decode: (arena) => context.encoder(arena).decode(plain),
      'encrypt secretly': (arena) => context.encryptor(secret, arena).encrypt(plain),
      'encrypt publicly': (arena) => context.encryptor(publicKey, arena).encrypt(plain),
      encryptBatch: (arena) => context.encryptor(publicKey, arena).encryptBatch([plain, plain]),
      encryptZero: (arena) => context.encryptor(publicKey, arena).encryptZero(2, at),
      decryptBatch: (arena) => context.decryptor(secret, arena).decryptBatch(batch),
      add: (arena) => context.evaluator(keys, arena).add(ct, low),
      'sub a plaintext': (arena) => context.evaluator(keys, arena).sub(low, plain),
      'add a number': (arena) => context.evaluator(keys, arena).add(ct, 2),
      negate: (arena) => context.evaluator(keys, arena).negate(ct),
      mul: (arena) => context.evaluator(keys, arena).mul(ct, low),
      'mul a plaintext': (arena) => context.evaluator(keys, arena).mul(low, plain),
      mulConstant: (arena) => context.evaluator(keys, arena).mulConstant(ct, 3),
      mulMonomial: (arena) => context.evaluator(keys, arena).mulMonomial(ct, 5),
      relinearize: (arena) => context.evaluator(keys, arena).relinearize(three),
      rescale: (arena) => context.evaluator(keys, arena).rescale(three),
      align: (arena) => context.evaluator(keys, arena).align(ct, odd),
      declareMaxAbs: (arena) => context.evaluator(keys, arena).declareMaxAbs(ct, 0.5),
      square: (arena) => context.evaluator(keys, arena).squareRelinearizeRescale(batch),
      'fused product': (arena) => context.evaluator(keys, arena).multiplyRelinearizeRescale(ct, low),
      rotate: (arena) => context.evaluator(keys, arena).rotate(batch, 1),
      rotateMany: (arena) => context.evaluator(keys, arena).rotateMany(open, [0, 1, 2]),
      encodeLinearTransform: (arena) => context.encoder(arena).encodeLinearTransform(diagonals),
      linearTransform: (arena) => context.evaluator(keys, arena).linearTransform(ct, map),
      expand: (arena) => context.evaluator(keys, arena).expandInterleaved(ct, 4),
      gemm: (arena) => context.evaluator(keys, arena).gemm(weights, batch),
      parse: (arena) => CkksCiphertext.fromBytes(context, ct.toBytes(), arena),
      release: (arena) => release.recompute(context.evaluator(keys, arena), [precise], { claimed: answer }),
      'open a result': () => release.open(answer, { evaluator: 'follows-the-circuit' }),
      'parse a batch': (arena) => CiphertextBatch.fromBytes(context, batch.toBytes(), arena, 2),
    };
    for (const [name, operation] of Object.entries(operations)) {
      // Monomials are kept by the ring; see below for what happens when one cannot be made.
      using warm = context.arena();
      operation(warm);
      expect({ name, failures: await failEach(context, operation) }).not.toEqual({ name, failures: 0 });
    }
  });

  test('a monomial that cannot be made is made the next time', async () => {
    await expectCovered(
      faults.failEach(async () => {
        using context = await CkksContext.open(CkksParams.create(INSECURE_TINY), { kernel: faults.kernel });
        context.ring.monomial(3);
        context.ring.monomial(4);
      }),
      3,
    );
  });

  test('operations of BGV', async () => {
    using context = await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), {
      kernel: faults.kernel,
      random: seededRandom('bgv'),
    });
    using held = context.arena();
    using generator = context.keyGenerator();
    using secret = generator.secretKey();
    using publicKey = generator.publicKey(secret);
    using keys = generator.evaluationKeys(secret, { relinearize: true, rotations: [1, 2] });
    const values = [1, -2, 3];
    const plain = context.encoder(held).encode(values);
    using secretly = context.encryptor(secret, held);
    const ct = secretly.encrypt(plain);
    const low = context.evaluator(keys, held).modSwitch(ct);
    const batch = secretly.encryptBatch([plain, plain]);
    const three = context.evaluator(keys, held).mulLazy(ct, ct);
    const release = context.release(secret, { inputs: 1, run: (on, [x]) => on.modSwitch(x!) });
    const operations: Record<string, (arena: Arena) => unknown> = {
      encode: (arena) => context.encoder(arena).encode(values),
      encodeCoefficients: (arena) =>
        context.encoder(arena).encodeCoefficients(new Float64Array(context.params.n)),
      decode: (arena) => context.encoder(arena).decode(plain),
      'encrypt secretly': (arena) => context.encryptor(secret, arena).encrypt(plain),
      'encrypt publicly': (arena) => context.encryptor(publicKey, arena).encryptBatch([plain, plain]),
      decryptBatch: (arena) => context.decryptor(secret, arena).decryptBatch(batch),
      add: (arena) => context.evaluator(keys, arena).add(ct, low),
      'sub a plaintext': (arena) => context.evaluator(keys, arena).sub(low, plain),
      negate: (arena) => context.evaluator(keys, arena).negate(ct),
      mul: (arena) => context.evaluator(keys, arena).mul(ct, low),
      'mul a plaintext': (arena) => context.evaluator(keys, arena).mul(low, plain),
      mulConstant: (arena) => context.evaluator(keys, arena).mulConstant(ct, 3),
      relinearize: (arena) => context.evaluator(keys, arena).relinearize(three),
      modSwitch: (arena) => context.evaluator(keys, arena).modSwitch(ct),
      modSwitchTo: (arena) => context.evaluator(keys, arena).modSwitchTo(ct, 0),
      rotate: (arena) => context.evaluator(keys, arena).rotate(batch, 1),
      rotateMany: (arena) => context.evaluator(keys, arena).rotateMany(ct, [0, 1, 2]),
      parse: (arena) => BgvCiphertext.fromBytes(context, ct.toBytes(), arena),
      release: (arena) => release.recompute(context.evaluator(keys, arena), [ct], { claimed: low }),
      'open a result': () => release.open(low, { evaluator: 'follows-the-circuit' }),
      'parse a batch': (arena) => BgvCiphertextBatch.fromBytes(context, batch.toBytes(), arena, 2),
    };
    for (const [name, operation] of Object.entries(operations)) {
      const failures = await failEach(context, operation);
      // The native kernel decodes without words of its own.
      if (name === 'decode' && inner.name === 'native') expect(failures).toBe(0);
      else expect({ name, failures }).not.toEqual({ name, failures: 0 });
    }
  });

  test('the instrument sees leaks, silence and untyped errors (positive control)', async () => {
    const kept: Disposable[] = [];
    const leaky = () => {
      kept.push(faults.kernel.allocate(8));
      using _second = faults.kernel.allocate(8);
    };
    await expect(faults.failEach(leaky)).rejects.toThrow('left');
    for (const words of kept) words[Symbol.dispose]();
    const attempt = () => {
      using _words = faults.kernel.allocate(8);
    };
    const silent = () => {
      try {
        attempt();
      } catch (error) {
        expect(error).toBeInstanceOf(KernelError);
      }
    };
    await expect(faults.failEach(silent)).rejects.toThrow('nobody heard');
    const untyped = () => {
      try {
        attempt();
      } catch {
        throw new TypeError('no memory');
      }
    };
    await expect(faults.failEach(untyped)).rejects.toThrow('something else');
  });
});
