/** Multiplies integers of 100 bits that the evaluator cannot read, exactly. Run: npx tsx examples/bgv-crt.ts */
import { BgvCrtContext, BgvCrtParams } from '../src/schemes/bgv/index.ts';

const params = BgvCrtParams.forIntent({ depth: 1, maxAbs: 2n ** 100n });
using context = await BgvCrtContext.open(params);
using arena = context.arena();
using keys = context.keyGenerator();
using secret = keys.secretKey();
using evaluationKeys = keys.evaluationKeys(secret, { relinearize: true });

const encoder = context.encoder(arena);
using encryptor = context.encryptor(secret, arena);
const evaluator = context.evaluator(evaluationKeys, arena);

const x = encryptor.encrypt(encoder.encode([123456789012345n, -1n]));
const y = encryptor.encrypt(encoder.encode([987654321098765n, 7n]));
const product = evaluator.modSwitchLowest(evaluator.mul(x, y));
const values = encoder.decode(context.decryptor(secret, arena).decrypt(product)).slice(0, 2);
console.log(values.join(' '));
