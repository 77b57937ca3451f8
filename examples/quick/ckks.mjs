/** Squares a vector that the evaluator cannot read. */
import { CkksContext, CkksParams } from 'subrosa/ckks';

const context = await CkksContext.open(CkksParams.forIntent({ depth: 1, precisionBits: 12, maxAbs: 9 }));
const arena = context.arena();
const generator = context.keyGenerator();
const secret = generator.secretKey();
const keys = generator.evaluationKeys(secret, { relinearize: true });
const [encoder, evaluator] = [context.encoder(arena), context.evaluator(keys, arena)];
const x = context.encryptor(secret, arena).encrypt(encoder.encode([1, 2, 3]));
const y = evaluator.rescale(evaluator.mul(x, x));
const values = encoder.decode(context.decryptor(secret, arena).decrypt(y)).slice(0, 3);
console.log(...[...values].map((value) => Math.round(value * 100) / 100)); // 1 4 9
