/** Multiplies integers that the evaluator cannot read, exactly. */
import { BgvContext, BgvParams } from 'subrosa/bgv';

const context = await BgvContext.open(BgvParams.forIntent({ depth: 1, maxAbs: 270_000 }));
const arena = context.arena();
const generator = context.keyGenerator();
const secret = generator.secretKey();
const keys = generator.evaluationKeys(secret, { relinearize: true });
const [encoder, evaluator] = [context.encoder(arena), context.evaluator(keys, arena)];
const encryptor = context.encryptor(secret, arena);
const [x, y] = [
  [1, -2, 300],
  [7, 8, 900],
].map((values) => encryptor.encrypt(encoder.encode(values)));
const product = evaluator.modSwitchAuto(evaluator.mul(x, y));
console.log(...encoder.decode(context.decryptor(secret, arena).decrypt(product)).slice(0, 3)); // 7 -16 270000
