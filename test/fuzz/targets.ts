/** Every parser of untrusted bytes, with valid messages to start from. */
import { seededRandom } from '../../src/base/testing.ts';
import { programTargets } from './program-targets.ts';
import { compile } from '../../src/compiler/compile.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import {
  readEnrolment,
  readQuery,
  readReply,
  writeEnrolment,
  writeQuery,
  writeReply,
} from '../../src/protocols/inference/messages.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { CiphertextBatch } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { EncapsulationKeys } from '../../src/schemes/rlwe/keys/encapsulation-keys.ts';
import { parseCsvTable } from '../../src/apps/fhe/csv-table.ts';
import {
  LogisticProgram,
  type LogisticSpec,
  parseLogisticProgram,
  parsePerceptronProgram,
  parseTableProgram,
  PERCEPTRON_RECIPE,
  readCheckpoint,
  readTrainingFile,
  writeCheckpoint,
  writeTrainingFile,
} from '../../src/runtime/training/index.ts';
import { randomNetwork } from '../protocols/random-network.ts';
import { serialiseEverything } from '../schemes/ckks/serialised-objects.ts';
import { INSECURE_TINY } from '../schemes/ckks/insecure-params.ts';
import { bgvTargets } from './bgv-targets.ts';
import { edgeTargets } from './edge-targets.ts';
import { fleetTargets } from './fleet-targets.ts';
import { jointTargets } from './joint-targets.ts';
import { fileTargets } from './file-targets.ts';
import { type FuzzTarget, parsedJson } from './harness.ts';
import { learningTargets } from './learning-targets.ts';
import { tfheTargets } from './tfhe-targets.ts';

function schemeTargets(context: CkksContext): FuzzTarget[] {
  using arena = context.arena();
  const subjects = serialiseEverything(context, arena);
  const corpus = subjects.map(({ bytes }) => bytes);
  return subjects.map(({ name, bytes, roundTrip }) => ({
    name,
    // Splices come from the other types; most starts are of this one.
    corpus: [bytes, bytes, bytes, bytes, ...corpus],
    parse(mutant) {
      using scratch = context.arena();
      roundTrip(mutant, scratch);
    },
  }));
}

function roundedTarget(context: CkksContext): FuzzTarget {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using encryptor = context.encryptor(publicKey, arena);
  const replies = encryptor.encryptZero(2, { level: 0, scale: 2 ** 30, floodBits: 9 });
  return {
    name: 'rounded batch',
    corpus: [replies.toRoundedBytes({ first: 16, second: 10 }), replies.toBytes()],
    parse(bytes) {
      using scratch = context.arena();
      CiphertextBatch.fromRoundedBytes(context, bytes, scratch, 4);
    },
  };
}

function tracedTarget(context: CkksContext): FuzzTarget {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  using encryptor = context.encryptor(publicKey, arena);
  const reply = encryptor.encryptZero(1, { level: 0, scale: 2 ** 30, floodBits: 9 });
  const slots = 4;
  return {
    name: 'traced reply',
    corpus: [
      reply.toTracedBytes({ slots, dropped: { first: 0, second: 10 } }),
      reply.toRoundedBytes({ first: 0, second: 10 }),
    ],
    parse(bytes) {
      using scratch = context.arena();
      CiphertextBatch.fromTracedBytes(context, bytes, scratch, slots);
    },
  };
}

/** A ring of its own: the sparse secret has more coefficients than half of the tiny one. */
function encapsulationTarget(context: CkksContext): FuzzTarget {
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using keys = generator.encapsulationKeys(secret);
  const bytes = keys.toBytes();
  return {
    name: 'encapsulation keys',
    corpus: [bytes],
    parse(mutant) {
      EncapsulationKeys.fromBytes(context, mutant)[Symbol.dispose]();
    },
  };
}

/** What owner and trainer of encrypted training read of each other, and the owner's table. */
function trainingTargets(context: CkksContext): FuzzTarget[] {
  const spec: LogisticSpec = {
    ...{ kind: 'logistic', version: 1, rows: 20, features: 3, iterations: 1, rate: 1, decay: 0 },
    ...{ weightBound: 2, rule: 'keep', bootstrapping: false },
  };
  const program = new LogisticProgram(spec, context.params);
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  const rows = Array.from({ length: program.ciphertexts }, () =>
    encryptor.encrypt(context.encoder(arena).encode([1, 2])),
  );
  const text = new TextEncoder();
  return [
    {
      name: 'file of encrypted training',
      corpus: [
        writeTrainingFile('rows', program, rows),
        writeTrainingFile('weights', program, rows.slice(0, 1)),
      ],
      parse(bytes) {
        using scratch = context.arena();
        readTrainingFile('rows', program, context, bytes, scratch);
      },
    },
    {
      name: 'checkpoint of encrypted training',
      corpus: [writeCheckpoint(program.id, { step: 1, states: rows.slice(0, 1) })],
      parse(bytes) {
        using scratch = context.arena();
        readCheckpoint({ programId: program.id, states: 1, steps: 2 }, context, bytes, scratch);
      },
    },
    {
      name: 'program of a network',
      corpus: [text.encode(JSON.stringify({ ...PERCEPTRON_RECIPE, layers: [4, 4, 2], batch: 4 }))],
      parse: (bytes) => parsePerceptronProgram(parsedJson('a training program', bytes)),
    },
    {
      name: 'training program',
      corpus: [text.encode(JSON.stringify(spec))],
      parse: (bytes) => parseLogisticProgram(parsedJson('a training program', bytes)),
    },
    {
      name: 'program of categories',
      corpus: [text.encode('{"kind":"category","version":1,"rows":1600,"features":105,"chosen":5}')],
      parse: (bytes) => parseTableProgram(parsedJson('a training program', bytes)),
    },
    {
      name: 'CSV table',
      corpus: [text.encode('a,"b ""c""",ill\r\n1,2,yes\n-3e5,.5,no\n')],
      parse: (bytes) => parseCsvTable(new TextDecoder().decode(bytes), 'ill'),
    },
  ];
}

function messageTargets(): FuzzTarget[] {
  const hex = 'ab'.repeat(32);
  const ciphertexts = new Uint8Array(300).fill(7);
  const frames = [
    writeEnrolment({ publicKey: ciphertexts, evaluationKeys: ciphertexts }),
    writeQuery({ programId: hex, nonce: hex, bucket: 1, ciphertexts }),
    writeReply({ programId: hex, nonce: hex, ciphertexts }),
  ];
  return [readEnrolment, readQuery, readReply].map((parse, i) => ({
    name: parse.name,
    corpus: [frames[i]!, ...frames],
    parse,
  }));
}

/** Parsers with what they need open. */
export interface FuzzBench extends Disposable {
  readonly targets: readonly FuzzTarget[];
}

/** Every parser, on `kernel`, which is borrowed. */
export async function openFuzzTargets(kernel: Kernel): Promise<FuzzBench> {
  const options = { kernel, random: seededRandom('fuzz') };
  const ckks = await CkksContext.open(CkksParams.create(INSECURE_TINY), options);
  const sparse = await CkksContext.open(CkksParams.create({ ...INSECURE_TINY, logN: 7 }), options);
  const bgv = await bgvTargets(kernel);
  const tfhe = await tfheTargets(kernel);
  const learning = learningTargets(kernel);
  return {
    targets: [
      ...ckksTargets(ckks),
      encapsulationTarget(sparse),
      ...trainingTargets(ckks),
      ...jointTargets(),
      ...bgv.targets,
      ...tfhe.targets,
      ...(await edgeTargets(kernel)),
      ...learning.targets,
      ...fileTargets(),
      ...fleetTargets(),
      ...programTargets(),
    ],
    [Symbol.dispose]() {
      for (const open of [ckks, sparse, tfhe.context, ...bgv.contexts, ...learning.schemes])
        open[Symbol.dispose]();
    },
  };
}

function ckksTargets(context: CkksContext): FuzzTarget[] {
  const offer = offerOf(compile(randomNetwork([6, 5, 4], 4, 11), { name: 'net' }));
  const secure = CkksParams.create({ logN: 13, logQ: [42, 42, 42], logP: [44], logScale: 32 });
  return [
    ...schemeTargets(context),
    roundedTarget(context),
    tracedTarget(context),
    ...messageTargets(),
    {
      name: 'parameters',
      corpus: [context.params.toBytes(), secure.toBytes()],
      parse: (bytes) => CkksParams.fromBytes(bytes, { allowInsecure: true }),
    },
    {
      name: 'offer',
      corpus: [new TextEncoder().encode(JSON.stringify(offer))],
      parse: (bytes) => parseOffer(parsedJson('an offer', bytes)),
    },
  ];
}
