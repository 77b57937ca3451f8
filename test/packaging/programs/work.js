// A program of a user: something of every entry for browsers, one line of results.
import { BgvContext, BgvParams } from 'subrosa/bgv';
import { CkksContext, CkksParams } from 'subrosa/ckks';
import { parseOffer, SubrosaError } from 'subrosa/client';
import { provision, readDevice } from 'subrosa/edge';
import { LatticeInnerProduct, openKernel, systemRandom } from 'subrosa/fe';
import { IntegerNetwork, PolynomialNetwork } from 'subrosa/nn';

/** x * x by a scheme that has `rescale` or `modSwitchAuto` after a product. */
async function square(context, values, settle) {
  const arena = context.arena();
  const generator = context.keyGenerator();
  const secret = generator.secretKey();
  const evaluator = context.evaluator(generator.evaluationKeys(secret, { relinearize: true }), arena);
  const encoder = context.encoder(arena);
  const x = context.encryptor(secret, arena).encrypt(encoder.encode(values));
  const y = settle(evaluator, evaluator.mul(x, x));
  const clear = encoder.decode(context.decryptor(secret, arena).decrypt(y));
  return [...clear.slice(0, values.length)].map((value) => Math.round(Number(value))).join(' ');
}

function innerProduct(kernel) {
  const scheme = new LatticeInnerProduct(kernel, { length: 2, inputBound: 10, weightBound: 10, packing: 64 });
  const { publicKey, secretKey } = scheme.setup(systemRandom);
  const ciphertext = scheme.encrypt(publicKey, Int32Array.of(1, 2), systemRandom);
  const weights = Int32Array.of(3, 4);
  return [...scheme.decrypt(ciphertext, scheme.deriveKeys(secretKey, weights), weights)].join(' ');
}

async function edgeLayers(kernel) {
  const map = { kind: 'dense', inputs: 3, outputs: 2, weights: Int8Array.of(1, 2, 3, -4, 5, -6) };
  const network = new IntegerNetwork(
    { shape: [3], scale: 1, offset: 0, low: -128, high: 127 },
    [{ kind: 'linear', map, bias: Int32Array.of(10, 20) }],
    { scale: 1, softmax: false },
  );
  const files = await provision(network, { operators: { a: 'one', b: 'two' }, devices: 1, kernel });
  const device = await readDevice(files.devices[0]);
  return device.plan.layers.length;
}

function failure(run) {
  try {
    run();
    return 'nothing thrown';
  } catch (error) {
    return `${error instanceof SubrosaError} ${error.name} ${error.code}`;
  }
}

export async function work(options) {
  const reasons = [];
  try {
    const kernel = await openKernel({ ...options, onFallback: (reason) => reasons.push(reason) });
    const ckks = await CkksContext.open(CkksParams.forIntent({ depth: 1, precisionBits: 12, maxAbs: 9 }), {
      kernel,
    });
    const bgv = await BgvContext.open(BgvParams.forIntent({ depth: 1, maxAbs: 1000 }), { kernel });
    return [
      kernel.name,
      await square(ckks, [1, 2, 3], (evaluator, product) => evaluator.rescale(product)),
      await square(bgv, [4, -5], (evaluator, product) => evaluator.modSwitchAuto(product)),
      innerProduct(kernel),
      `${await edgeLayers(kernel)} layer`,
      failure(() => parseOffer({})),
      failure(() => PolynomialNetwork.fromBytes(new Uint8Array(3))),
      ...reasons,
    ].join('; ');
  } catch (error) {
    return `failed: ${error.code} ${error.message}`;
  }
}
