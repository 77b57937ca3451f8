/** Squares a vector that the evaluator cannot read. Run: npx tsx examples/ckks-square.ts */
import { CkksContext, CkksParams } from '../src/schemes/ckks/index.ts';

const params = CkksParams.forIntent({ depth: 1, precisionBits: 12, maxAbs: 9 });
using context = await CkksContext.open(params);
using arena = context.arena();
using keys = context.keyGenerator();
using secret = keys.secretKey();
using evaluationKeys = keys.evaluationKeys(secret, { relinearize: true });

const encoder = context.encoder(arena);
using encryptor = context.encryptor(secret, arena);
const evaluator = context.evaluator(evaluationKeys, arena);

const x = encryptor.encrypt(encoder.encode([1, 2, 3]));
const y = evaluator.rescale(evaluator.mul(x, x));
const values = encoder.decode(context.decryptor(secret, arena).decrypt(y)).slice(0, 3);
console.log([...values].map((value) => value.toFixed(2)).join(' '));
