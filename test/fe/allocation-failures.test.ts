/** The schemes with each of their allocations failing in turn, on both kernels. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { AllocationFaults } from '../kernel/cases/allocation-faults.ts';
import { openUserKernels } from '../kernel/cases/differential.ts';
import { overrideMethods } from '../kernel/cases/override-methods.ts';

const SPEC = { length: 3, inputBound: 4, weightBound: 4, packing: 32 };
const WEIGHTS = Int32Array.of(1, -2, 3);
const COLUMNS = Int32Array.of(1, 2, 3, 4, -1, -2);
describe.each(openUserKernels())('the $name kernel ($reason)', ({ kernel, reason }) => {
  if (kernel === undefined) return test.skip(`is not here: ${reason}`);
  let faults: AllocationFaults;
  // On WebAssembly every transform takes scratch space: thousands of runs for a matrix.
  const coverage = kernel.name === 'wasm' ? 'sparse' : 'all';
  beforeAll(() => {
    faults = new AllocationFaults(kernel);
  });
  afterAll(() => {
    expect(faults.held).toEqual({ words: 0, handles: 0 });
  });

  test('lattice: setup, keys, encryption and decryption from nothing', async () => {
    const failures = await faults.failEach(() => {
      using scheme = new LatticeInnerProduct(faults.kernel, SPEC);
      const keys = scheme.setup(seededRandom('setup'));
      using publicKey = keys.publicKey;
      using secretKey = keys.secretKey;
      using ciphertext = scheme.encrypt(publicKey, COLUMNS, seededRandom('encryption'));
      using functionKeys = scheme.deriveKeys(secretKey, WEIGHTS);
      expect([...scheme.decrypt(ciphertext, functionKeys, WEIGHTS)]).toEqual([-8, -12]);
    }, coverage);
    expect(failures).toBeGreaterThan(8);
  });

  test.each(['adaptive', 'selective'] as const)('ddh, %s: the same, and right afterwards', async (form) => {
    using scheme = new DdhInnerProduct({ length: 3, inputBound: 4, weightBound: 4 }, form, faults.kernel);
    const round = () => {
      const keys = scheme.setup(seededRandom('setup'));
      using publicKey = keys.publicKey;
      using secretKey = keys.secretKey;
      using ciphertext = scheme.encrypt(publicKey, Int32Array.of(1, 2, 3), seededRandom('encryption'));
      using functionKeys = scheme.deriveKeys(secretKey, WEIGHTS);
      expect([...scheme.decrypt(ciphertext, functionKeys, WEIGHTS)]).toEqual([6]);
    };
    // Its numbers and its curve library are JavaScript's; what a kernel does for it are the products and logarithms.
    const failures = await faults.failEach(round);
    expect(failures).toBe(kernel.edwards === undefined ? 0 : 3);
    round();
  });

  test('a public key whose matrix could not be expanded expands it the next time', async () => {
    using scheme = new LatticeInnerProduct(faults.kernel, SPEC);
    const keys = scheme.setup(seededRandom('setup'));
    using publicKey = keys.publicKey;
    using secretKey = keys.secretKey;
    const bytes = publicKey.toBytes();
    using functionKeys = scheme.deriveKeys(secretKey, WEIGHTS);
    await faults.failEach(() => {
      using parsed = scheme.publicKeyFromBytes(bytes);
      scheme.encrypt(parsed, COLUMNS, seededRandom('encryption'))[Symbol.dispose]();
    }, coverage);
    using parsed = scheme.publicKeyFromBytes(bytes);
    using ciphertext = scheme.encrypt(parsed, COLUMNS, seededRandom('encryption'));
    expect([...scheme.decrypt(ciphertext, functionKeys, WEIGHTS)]).toEqual([-8, -12]);
  });

  test('keys of nearly the same weights stay right after a derivation that ran out of memory', () => {
    let fails = false;
    const exhausted = () => {
      if (fails) throw new KernelError(kernel.name, 'memory is exhausted, says the test');
    };
    const short = overrideMethods(kernel, {
      updateIntegerProduct: (out, ...rest) => {
        // Half done, as a loop that fails in the middle would leave it.
        kernel.updateIntegerProduct(out, ...rest);
        exhausted();
      },
    });
    using scheme = new LatticeInnerProduct(short, { ...SPEC, length: 256, packing: 1024 });
    const keys = scheme.setup(seededRandom('setup'));
    using _publicKey = keys.publicKey;
    using secretKey = keys.secretKey;
    const weights = [0, 1, 2, 3, 4].map((first) =>
      Int32Array.from({ length: 256 }, (_, i) => (i === 0 ? first : 1)),
    );
    weights.push(new Int32Array(256).fill(-2));
    const derived = (from: typeof secretKey, at: number) => {
      using functionKeys = scheme.deriveKeys(from, weights[at]!);
      return functionKeys.toBytes();
    };
    for (const failing of [4, 5]) {
      for (const at of [0, 1, 2, 3]) derived(secretKey, at);
      fails = true;
      expect(() => derived(secretKey, failing)).toThrow(KernelError);
      fails = false;
      for (const at of [4, 3, failing]) {
        using fresh = scheme.secretKeyFromBytes(secretKey.toBytes());
        expect(Buffer.compare(derived(secretKey, at), derived(fresh, at))).toBe(0);
      }
    }
  });
});
