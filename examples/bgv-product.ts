/** Multiplies integers that the evaluator cannot read, exactly. Run: npx tsx examples/bgv-product.ts */
import { BgvContext, BgvParams } from '../src/schemes/bgv/index.ts';

const params = BgvParams.forIntent({ depth: 1, maxAbs: 270_000 });
using context = await BgvContext.open(params);
using arena = context.arena();
using keys = context.keyGenerator();
using secret = keys.secretKey();
using evaluationKeys = keys.evaluationKeys(secret, { relinearize: true });

const encoder = context.encoder(arena);
using encryptor = context.encryptor(secret, arena);
const evaluator = context.evaluator(evaluationKeys, arena);

const x = encryptor.encrypt(encoder.encode([1, -2, 300]));
const y = encryptor.encrypt(encoder.encode([7, 8, 900]));
const product = evaluator.modSwitchAuto(evaluator.mul(x, y));
const values = encoder.decode(context.decryptor(secret, arena).decrypt(product)).slice(0, 3);
console.log([...values].join(' '));
