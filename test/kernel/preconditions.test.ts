/** What a kernel must refuse, with the same error class in every kernel. */
import { describe, expect, it } from 'vitest';
import { InvalidParamsError, OutOfRangeError, ShapeError } from '../../src/base/errors.ts';
import type { Kernel, KeySwitchShape, RingTables, Words } from '../../src/kernel/kernel.ts';
import { loadReferenceKernel } from '../../src/kernel/reference/reference.ts';
import { moduliFor } from './cases/cases.ts';
import { openCandidates } from './cases/differential.ts';

const n = 16;
const moduli = moduliFor(n);
const SHAPE: KeySwitchShape = { q: [0, 1], p: [4], alpha: 1, keyLimbs: [0, 1, 4] };

interface Scene {
  readonly k: Kernel;
  readonly ring: RingTables;
  words(polynomials: number): Words;
}

type Refusal = readonly [string, new (...args: never[]) => Error, (scene: Scene) => void];

const REFUSALS: readonly Refusal[] = [
  ['a degree that is no power of two', InvalidParamsError, ({ k }) => k.openRing(24, [moduli[0]])],
  ['a composite modulus', InvalidParamsError, ({ k }) => k.openRing(8, [16 * 16 * 5 + 1])],
  ['a modulus of the wrong residue', InvalidParamsError, ({ k }) => k.openRing(2 ** 14, [moduli[0]])],
  ['a modulus of 51 bits', InvalidParamsError, ({ k }) => k.openRing(8, [2 ** 50 + 4 * 16 + 1])],
  ['half a polynomial', ShapeError, ({ k, ring, words }) => k.nttForward(ring, words(1).sub(0, 8), [0])],
  ['a limb beyond the ring', ShapeError, ({ k, ring, words }) => k.nttForward(ring, words(1), [6])],
  ['no limb', ShapeError, ({ k, ring, words }) => k.nttForward(ring, words(1), [])],
  [
    'operands of two sizes',
    ShapeError,
    ({ k, ring, words }) => k.add(ring, words(3), words(3), words(2), [0]),
  ],
  [
    'mulAdd onto its operand',
    ShapeError,
    ({ k, ring, words }) => {
      const a = words(1);
      k.mulAdd(ring, a, a, words(1), [0]);
    },
  ],
  [
    'an automorphism in place',
    ShapeError,
    ({ k, ring, words }) => {
      const a = words(1);
      k.automorphism(ring, a, a, 3, [0]);
    },
  ],
  [
    'an even Galois element',
    ShapeError,
    ({ k, ring, words }) => k.automorphism(ring, words(1), words(1), 2, [0]),
  ],
  ['too few scalars', ShapeError, ({ k, ring, words }) => k.mulScalar(ring, words(2), words(2), [1], [0, 1])],
  ['a rescaling of one limb', ShapeError, ({ k, ring, words }) => k.rescale(ring, words(1), words(1), [0])],
  ['a short seed', ShapeError, ({ k, ring, words }) => k.uniform(ring, words(1), new Uint8Array(31), [0])],
  ['a short key', ShapeError, ({ k }) => k.ternary(new Int8Array(4), new Uint8Array(16), 0)],
  [
    'a fraction',
    OutOfRangeError,
    ({ k, ring, words }) => k.fromDoubles(ring, words(1), new Float64Array(n).fill(0.5), [0]),
  ],
  [
    '2^100',
    OutOfRangeError,
    ({ k, ring, words }) => k.fromDoubles(ring, words(1), new Float64Array(n).fill(2 ** 100), [0]),
  ],
  [
    'NaN',
    OutOfRangeError,
    ({ k, ring, words }) => k.fromDoubles(ring, words(1), new Float64Array(n).fill(Number.NaN), [0]),
  ],
  [
    'key limbs without a special prime',
    ShapeError,
    ({ k, ring, words }) =>
      k.keySwitch(ring, words(4), words(2), words(12), 1, { ...SHAPE, keyLimbs: [0, 1, 2] }),
  ],
  [
    'a key with too few digits',
    ShapeError,
    ({ k, ring, words }) => k.keySwitch(ring, words(4), words(2), words(6), 1, SHAPE),
  ],
  ['weights of 16 bits', OutOfRangeError, ({ k }) => k.prepareGemm(Int32Array.of(2 ** 15), 1, 1)],
  [
    'a row index beyond c',
    ShapeError,
    ({ k, ring, words }) => {
      using weights = k.prepareGemm(Int32Array.of(1, 2), 1, 2);
      k.gemm(ring, words(1), weights, words(2), 1, [0], Uint32Array.of(0, 2));
    },
  ],
  [
    'packed bytes of another length',
    ShapeError,
    ({ k, words }) => k.packBits(new Uint8Array(9), words(1), 7),
  ],
  [
    'a matrix of another size',
    ShapeError,
    ({ k }) =>
      k.sgemm(false, false, 2, 2, 2, 1, new Float32Array(4), new Float32Array(3), 0, new Float32Array(4)),
  ],
];

const kernels = [{ name: 'reference', kernel: loadReferenceKernel() }, ...openCandidates()];

for (const { name, kernel } of kernels) {
  describe.skipIf(kernel === undefined)(`the ${name} kernel refuses`, () => {
    it.each(REFUSALS)('%s', (_, error, call) => {
      const k = kernel as Kernel;
      const lent: Words[] = [];
      using ring = k.openRing(n, moduli);
      const words = (polynomials: number) => {
        const run = k.allocate(polynomials * n);
        lent.push(run);
        return run;
      };
      try {
        expect(() => call({ k, ring, words })).toThrow(error);
      } finally {
        for (const run of lent) run[Symbol.dispose]();
      }
      expect(k.liveWords).toBe(0);
    });
  });
}
