/** The same seeds give the same bytes on every kernel that this machine can open. */
import { expect, test } from 'vitest';
import { KernelError } from '../../../src/base/errors.ts';
import { seededRandom } from '../../../src/base/testing.ts';
import type { Kernel, KernelOptions } from '../../../src/kernel/kernel.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { expansionElements } from '../../../src/schemes/ckks/expand-interleaved.ts';
import { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams, type CkksSpec } from '../../../src/schemes/ckks/params.ts';
import { INSECURE_TINY, INSECURE_WIDE, testValues } from './insecure-params.ts';
import { serialiseEverything } from './serialised-objects.ts';

const CANDIDATES: KernelOptions[] = [
  { kernel: 'reference' },
  { kernel: 'native' },
  { kernel: 'native', isa: 'scalar' },
  { kernel: 'native', isa: 'avx2' },
  { kernel: 'native', isa: 'avx512ifma' },
  { kernel: 'wasm' },
];

async function available(): Promise<{ name: string; kernel: Kernel }[]> {
  const kernels: { name: string; kernel: Kernel }[] = [];
  for (const options of CANDIDATES) {
    try {
      kernels.push({ name: `${options.kernel} ${options.isa ?? ''}`, kernel: await openKernel(options) });
    } catch (error) {
      if (!(error instanceof KernelError) && (error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND')
        throw error;
    }
  }
  return kernels;
}

/** Everything that serialises, then a circuit with hoisting, expansion and a matrix. */
async function transcript(spec: CkksSpec, kernel: Kernel): Promise<Uint8Array[]> {
  using context = await CkksContext.open(CkksParams.create(spec), {
    kernel,
    random: seededRandom('kernels'),
  });
  using arena = context.arena();
  const bytes = serialiseEverything(context, arena).map((subject) => subject.bytes);
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using keys = generator.evaluationKeys(secret, {
    rotations: [1, 2],
    galois: expansionElements(context.params.n, 4),
  });
  using weights = kernel.prepareGemm(Int32Array.from([3, -7, 1, 0, 5, -2, 8, -8]), 2, 4);
  const evaluator = context.evaluator(keys, arena);
  const plaintext = context.encoder(arena).encode(testValues(context.params.slots, 4));
  using encryptor = context.encryptor(publicKey, arena);
  const ct = encryptor.encrypt(plaintext);
  for (const rotated of evaluator.rotateMany(ct, [1, 2])) bytes.push(rotated.toBytes());
  const diagonals = new Map([0, 1, 2, 3].map((step) => [step, testValues(context.params.slots, 9 + step)]));
  for (const babySteps of [2, 1]) {
    if (babySteps === 1) diagonals.delete(3);
    const map = context.encoder(arena).encodeLinearTransform(diagonals, { babySteps });
    bytes.push(evaluator.linearTransform(ct, map).toBytes());
  }
  const expanded = evaluator.expandInterleaved(ct, 4);
  bytes.push(expanded.toBytes(), evaluator.gemm(weights, expanded).toBytes());
  bytes.push(encryptor.encryptZero(2, { level: 1, scale: 2 ** 30, floodBits: 20 }).toBytes());
  const opened = context.encoder(arena).decode(context.decryptor(secret, arena).decrypt(ct));
  bytes.push(new Uint8Array(opened.buffer));
  return bytes;
}

test.each([
  ['tiny', INSECURE_TINY],
  ['two primes per digit', INSECURE_WIDE],
])('%s', async (_, spec) => {
  const kernels = await available();
  const [first, ...others] = kernels;
  const expected = await transcript(spec, first!.kernel);
  for (const { name, kernel } of others) {
    const got = await transcript(spec, kernel);
    expect(got.length).toBe(expected.length);
    got.forEach((bytes, i) => {
      expect(Buffer.compare(bytes, expected[i]!), `${name}, object ${i}`).toBe(0);
    });
  }
  for (const { kernel } of kernels) {
    expect(kernel.liveWords).toBe(0);
    kernel[Symbol.dispose]();
  }
});
