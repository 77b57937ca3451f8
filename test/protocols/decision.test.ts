/** Models whose scores do not leave: the client gets the place that won. At full parameters, with few classes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DecodeError, InvalidParamsError, LimitError, ProtocolError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import {
  clearLevels,
  decidedPlace,
  type DecidingProgram,
  decisionFactsOf,
  decisionFor,
  meanScores,
  tfheParamsOf,
} from '../../src/compiler/decision/decision-facts.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import { readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { validateProgram } from '../../src/compiler/validate-program.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { spreadOver } from '../../src/protocols/inference/decision-cipher.ts';
import { readQuery, readReply } from '../../src/protocols/inference/messages.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import { isPlausible } from '../../src/protocols/inference/plausibility.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { EncryptedDecision } from '../../src/runtime/decoding/encrypted-decision.ts';
import { EncryptedMachine } from '../../src/runtime/encrypted-machine.ts';
import { EvaluationMemory } from '../../src/runtime/evaluation-memory.ts';
import { CiphertextBatch, CkksContext, CkksParams } from '../../src/schemes/ckks/index.ts';
import { EvaluationKeys } from '../../src/schemes/rlwe/keys/evaluation-keys.ts';
import { PublicKey } from '../../src/schemes/rlwe/keys/public-key.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { offeredKeyPlan } from '../../src/compiler/offer.ts';
import {
  TfheContext,
  TfheDecryptor,
  TfheEvaluationKeys,
  TfheExitKey,
  TfheSecretKey,
} from '../../src/schemes/tfhe/index.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

const [INPUTS, CLASSES] = [10, 4];
const NET = modelName('net');
const SOMEONE = tenantId('someone');
const network = randomNetwork([INPUTS, 6, CLASSES], 4, 21);

function decidingProgram(window?: readonly [number, number]): DecidingProgram {
  const program = compile(network, { name: 'net', logN: [13] });
  const [low, high] = network.ranges.at(-1)!;
  const decision = decisionFor(program, { kind: 'keyword', levels: 16 }, window ?? [low / 2, high / 2]);
  return validateProgram({ ...program, decision }) as DecidingProgram;
}

/** One recording: its samples vary around a point of their own. */
function recording(samples: number, seed: number): Float32Array {
  const [point, noise] = [randomInputs(1, INPUTS, seed), randomInputs(samples, INPUTS, seed + 1000)];
  return noise.map((value, i) => point[i % INPUTS]! + 0.3 * value);
}

/** Mean scores over a block as the client fills it. */
function meansOf(inputs: Float32Array, samples: number): number[] {
  const { block } = program.buckets.find((each) => each.block >= samples)!;
  return meanScores(network.run(spreadOver(inputs, samples, INPUTS, block)), CLASSES);
}

/** The first recording whose levels are all farther from the middle between two than the margin. */
function certainSeed(samples: number): number {
  const { window, levelsPerScore, margin } = decisionFactsOf(program);
  for (let seed = 1; ; seed++) {
    const distances = meansOf(recording(samples, seed), samples).map((score) => {
      const value = (score - window[0]) * levelsPerScore;
      return Math.abs(value - Math.floor(value) - 0.5);
    });
    if (Math.min(...distances) > margin) return seed;
  }
}

let kernel: Kernel;
let program: DecidingProgram;
let responder: InferenceResponder;
let client: InferenceClient;
let enrolment: Uint8Array;
let answer: (query: Uint8Array) => Uint8Array;

beforeAll(async () => {
  kernel = await openKernel();
  program = decidingProgram();
  responder = await InferenceResponder.open([{ program }], kernel);
  client = await InferenceClient.create(responder.offers()[0]!, kernel);
  enrolment = client.enrolment();
  const keyId = responder.enrol(SOMEONE, NET, enrolment);
  answer = (query) => responder.answer(SOMEONE, NET, keyId, query).bytes;
}, 120_000);
afterAll(() => {
  for (const part of [client, responder, kernel]) part[Symbol.dispose]();
});

describe('through the protocol', () => {
  test('the client gets the place that wins on the clear quantised scores, and nothing else', () => {
    const facts = decisionFactsOf(program);
    // In one ciphertext, and in two and four that several scores leave from.
    for (const samples of [128, 77, 1500, 4096]) {
      const seed = certainSeed(samples);
      const inputs = recording(samples, seed);
      const query = client.query(inputs, samples);
      const opened = client.open(query, answer(query.bytes));
      const means = meansOf(inputs, samples);
      expect(opened).toHaveLength(1);
      expect(opened[0]).toBe(decidedPlace(clearLevels(facts, means)));
      expect(isPlausible(opened, client.offer)).toBe(true);
    }
  }, 120_000);

  test('an answer is one ciphertext of 12.9 KB; the same query has the same one, another encryption another', () => {
    const inputs = recording(128, 9);
    const [first, second] = [client.query(inputs, 128), client.query(inputs, 128)];
    const [a, b] = [answer(first.bytes), answer(second.bytes)];
    expect(answer(first.bytes)).toEqual(a);
    expect(readReply(a).ciphertexts).not.toEqual(readReply(b).ciphertexts);
    expect(readReply(a).ciphertexts).toHaveLength(reportOf(program).buckets[0]!.bytesDown);
    expect(client.open(first, a)).toEqual(client.open(second, b));
  }, 120_000);

  test('keys: an enrolment has the length that was announced, and shorter, longer or other ones are refused', () => {
    expect(enrolment).toHaveLength(responder.enrolmentBytes(NET));
    expect(reportOf(program).keyBytes - reportOf({ ...program, decision: undefined } as never).keyBytes).toBe(
      decisionFactsOf(program).keyBytes,
    );
    for (const bytes of [enrolment.subarray(0, -1), enrolment.subarray(0, 2 ** 20)])
      expect(() => responder.enrol(SOMEONE, NET, bytes)).toThrow(DecodeError);
    const longer = new Uint8Array(enrolment.length + 1);
    longer.set(enrolment);
    expect(() => responder.enrol(SOMEONE, NET, longer)).toThrow(LimitError);
    const damaged = enrolment.slice().fill(255, enrolment.length - 2 ** 20);
    damaged.fill(255, enrolment.length - 24_000_000, enrolment.length - 20_000_000);
    expect(() => responder.enrol(SOMEONE, NET, damaged)).toThrow();
  });

  test('a reply of another length, or to another query, does not open', () => {
    const query = client.query(recording(128, 9), 128);
    const reply = answer(query.bytes);
    expect(() => client.open(query, reply.subarray(0, -1))).toThrow(DecodeError);
    expect(() => client.open(client.query(recording(128, 9), 128), reply)).toThrow(ProtocolError);
  }, 60_000);

  test('the key file of a client opens what was asked before', async () => {
    const inputs = recording(128, 9);
    const query = client.query(inputs, 128);
    const reply = answer(query.bytes);
    const secret = client.exportSecret();
    using restored = await InferenceClient.restore(client.offer, secret, kernel);
    expect(restored.open(query, reply)).toEqual(client.open(query, reply));
  }, 60_000);
});

describe('on ciphertexts, with the secret key beside', () => {
  test('levels are those of the clear quantiser outside of the margin, and the answer is exact on whatever they are', async () => {
    const facts = decisionFactsOf(program);
    using context = await CkksContext.open(CkksParams.create(program.params), { kernel });
    using tfhe = await TfheContext.open(tfheParamsOf(program.decision), { kernel });
    using secret = SecretKey.fromSecretBytes(context, client.exportSecret());
    using tfheSecret = TfheSecretKey.derived(tfhe, secret);
    using exit = TfheExitKey.generate(tfhe, tfheSecret, context, secret);
    using evaluation = TfheEvaluationKeys.generate(tfhe, tfheSecret);
    using memory = new EvaluationMemory(kernel);
    using machine = new EncryptedMachine(program, context, memory);
    using generator = context.keyGenerator();
    using keys = generator.evaluationKeys(secret, offeredKeyPlan(program));
    const decision = new EncryptedDecision(program, tfhe);
    const decryptor = new TfheDecryptor(tfhe, tfheSecret);
    const bucket = program.buckets[0]!;
    const seed = new Uint8Array(32).fill(5);
    for (let which = 0; which < 3; which++) {
      const inputs = recording(100, 40 + which);
      const message = readQuery(client.query(inputs, 100).bytes);
      const words = machine.queryWords(bucket);
      const input = CiphertextBatch.readInto(context, message.ciphertexts, words, 1);
      const scores = machine.evaluate(bucket, input, keys, []);
      const { answer: place, levels, failureBits } = decision.decide(scores, { exit, evaluation }, seed, []);
      const got = levels.map((each) => decryptor.decrypt(each));
      expect(decryptor.decrypt(place)).toBe(decidedPlace(got));
      // The bound that was computed beforehand is the one that was counted.
      expect(failureBits).toBeCloseTo(facts.failureBits, 6);
      expect(failureBits).toBeLessThan(-100);
      meansOf(inputs, 100).forEach((score, c) => {
        const value = (score - facts.window[0]) * facts.levelsPerScore;
        const [expected] = clearLevels(facts, [score]);
        expect(Math.abs(got[c]! - expected!)).toBeLessThanOrEqual(1);
        if (Math.abs(value - Math.floor(value) - 0.5) > facts.margin) expect(got[c]).toBe(expected);
      });
    }
  }, 120_000);
});

describe('what a decision is, as data', () => {
  test('is part of the program file and of its id, and the offer says that scores stay', () => {
    const { program: read } = readProgram(writeProgram({ program }));
    expect(read).toEqual(program);
    expect(offerOf(program).programId).not.toBe(
      offerOf(compile(network, { name: 'net', logN: [13] })).programId,
    );
    const offer = parseOffer(JSON.parse(JSON.stringify(offerOf(program))));
    expect(offer.decision).toEqual({ kind: 'keyword', levels: 16 });
    // Where scores are quantised is the server's business.
    expect(JSON.stringify(offer)).not.toContain('factor');
  });

  test('a window that no factor gives, too many classes, an offer that contradicts itself, are refused', () => {
    const plain = compile(network, { name: 'net', logN: [13] });
    const terms = { kind: 'keyword', levels: 16 } as const;
    expect(() => decisionFor(plain, terms, [1, 1])).toThrow(InvalidParamsError);
    expect(() => decisionFor(plain, terms, [-1e9, 1e9])).toThrow(InvalidParamsError);
    const many = compile(randomNetwork([INPUTS, 6, 17], 4, 3), { name: 'net', logN: [13] });
    expect(() => validateProgram({ ...many, decision: decisionFor(many, terms, [-1, 1]) })).toThrow(
      DecodeError,
    );
    expect(() => parseOffer({ ...offerOf(program), outputs: 17 })).toThrow(InvalidParamsError);
    expect(() => parseOffer({ ...offerOf(program), decision: { kind: 'other', levels: 16 } })).toThrow(
      DecodeError,
    );
  });

  test('its facts: the window that was asked for to the grain of a factor, sixteen levels, keys of 23 MB', () => {
    const facts = decisionFactsOf(decidingProgram([-0.5, 0.7]));
    expect(facts.window[0]).toBe(-0.5);
    expect(facts.window[1]).toBeCloseTo(0.7, 1);
    expect(facts.lookups).toBe(CLASSES + (CLASSES * (CLASSES - 1)) / 2 + CLASSES + 1);
    expect(facts.margin).toBeLessThan(0.35);
    expect(facts.keyBytes).toBeLessThan(24e6);
    expect(clearLevels(facts, [-0.5, facts.window[1], 5])).toEqual([0, 15, expect.any(Number)]);
  });

  test('means are those of every output over the samples', () => {
    expect(meanScores([1, 10, 2, 20, 6, 0], 2)).toEqual([3, 10]);
  });

  test('an enrolment is the keys of both schemes behind one another', async () => {
    using context = await CkksContext.open(CkksParams.create(program.params), { kernel });
    const length = PublicKey.byteLength(context.params);
    const own = EvaluationKeys.byteLength(context.params, offeredKeyPlan(program));
    expect(enrolment.length).toBe(8 + length + own + decisionFactsOf(program).keyBytes);
  });
});
