/** The large layer of our network on one batch, by our matrix product and by the calls that node-seal has for it, in turn in one process. */
import type { SEALLibrary } from 'node-seal/implementation/seal.js';
import { openKernel } from '../../src/kernel/open.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import { loadSeal } from '../engine/engine-seal.ts';
import { type Contender, processorClock, timeInTurn, wallClock } from '../in-turn.ts';
import { type Bench, reportFor } from '../report.ts';

const LOG_N = 13;
const BITS = [42, 42, 42];
const [ROWS, COLS] = [100, 720];
/** One row of the peer is measured and multiplied: the whole layer takes half a minute. */
const PEER_ROWS = 1;
const SCALE = 2 ** 20;

export const againstPart: Bench = async (options, note) => {
  const seal = await loadSeal();
  using kernel = await openKernel();
  if (seal === undefined) {
    note('node-seal is not installed: nothing to compare with');
    return reportFor('images', kernel, []);
  }
  const n = 2 ** LOG_N;
  const mods = BITS.map((_, i) => i);
  using ring = kernel.openRing(n, primesBelow(BITS[0]!, n, BITS.length));
  const row = 2 * BITS.length * n;
  using c = kernel.allocate(COLS * row);
  using out = kernel.allocate(ROWS * row);
  kernel.uniform(ring, c, new Uint8Array(32), mods);
  const weights = Int32Array.from({ length: ROWS * COLS }, (_, i) => ((i * 2654435761) % 255) - 127);
  using prepared = kernel.prepareGemm(weights, ROWS, COLS);
  using peer = peerRow(seal, weights.subarray(0, COLS));
  const contenders: Contender[] = [
    {
      kernel: `${kernel.name}/${kernel.isa}`,
      threads: kernel.threads,
      run: () => kernel.gemm(ring, out, prepared, c, 2, mods),
    },
    { kernel: 'node-seal', threads: 1, run: peer.run },
  ];
  const clock = options.processorTime ? processorClock : wallClock;
  const [ours, theirs] = timeInTurn(contenders, options.quick ? 3 : 11, clock);
  const theirMs = (theirs!.median / 1000) * (ROWS / PEER_ROWS);
  const ourMs = ours!.median / 1000;
  return reportFor('images', kernel, [
    { name: `dense ${ROWS} x ${COLS}, 2^${LOG_N}, ${BITS.length} primes, ours`, ms: ourMs },
    { name: 'the same by node-seal, products of encoded weights and additions', ms: theirMs },
    { name: 'times as fast', ms: theirMs / ourMs },
  ]);
};

/**
 * One row: a product and an addition per weight. The library has no product with an integer: a weight is a plaintext, encoded before the
 * clock starts; one stands for all, which only helps it.
 */
function peerRow(seal: SEALLibrary, weights: Int32Array): Disposable & { run: () => void } {
  const parms = seal.EncryptionParameters(seal.SchemeType.ckks);
  parms.setPolyModulusDegree(2 ** LOG_N);
  parms.setCoeffModulus(seal.CoeffModulus.Create(2 ** LOG_N, Int32Array.from([...BITS, 44])));
  const context = seal.Context(parms, true, seal.SecurityLevel.tc128);
  const generator = seal.KeyGenerator(context);
  const secret = generator.secretKey();
  const encoder = seal.CKKSEncoder(context);
  const encryptor = seal.Encryptor(context, generator.createPublicKey(), secret);
  const evaluator = seal.Evaluator(context);
  const [weight, values] = [seal.PlainText(), seal.PlainText()];
  const [a, product, sum] = [seal.CipherText(), seal.CipherText(), seal.CipherText()];
  const slots = 2 ** (LOG_N - 1);
  encoder.encode(new Float64Array(slots).fill(weights[0]!), SCALE, weight);
  encoder.encode(
    Float64Array.from({ length: slots }, (_, i) => (i % 7) / 7),
    SCALE,
    values,
  );
  encryptor.encryptSymmetric(values, a);
  const objects = [
    sum,
    product,
    a,
    values,
    weight,
    evaluator,
    encryptor,
    encoder,
    secret,
    generator,
    context,
  ];
  return {
    run: () => {
      evaluator.multiplyPlain(a, weight, sum);
      for (let col = 1; col < weights.length; col++) {
        evaluator.multiplyPlain(a, weight, product);
        evaluator.add(sum, product, sum);
      }
    },
    [Symbol.dispose]: () => {
      for (const object of objects) object.delete();
    },
  };
}
