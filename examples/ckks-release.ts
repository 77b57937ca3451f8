/** Publishes squares without publishing the key. Run: npx tsx examples/ckks-release.ts */
import { type CkksCircuit, CkksContext, CkksParams } from '../src/schemes/ckks/index.ts';

// A wide scale: the noise that hides the key takes 35 bits of precision and more.
const params = CkksParams.create({ logN: 13, logQ: [50, 50, 50], logP: [50], logScale: 70 });
using context = await CkksContext.open(params);
using arena = context.arena();
using keys = context.keyGenerator();
using secret = keys.secretKey();
using evaluationKeys = keys.evaluationKeys(secret, { relinearize: true });

const square: CkksCircuit = {
  inputs: [{ maxAbs: 3 }],
  run: (on, [x]) => on.rescale(on.mul(x!, x!)),
};
const release = context.release(secret, square, { releases: 100, precisionBits: 12 });

using encryptor = context.encryptor(secret, arena);
const x = encryptor.encrypt(context.encoder(arena).encode([1, 2, 3]));
const published = release.recompute(context.evaluator(evaluationKeys, arena), [x]);
console.log([...published.slice(0, 3)].map((value) => value.toFixed(2)).join(' '));
