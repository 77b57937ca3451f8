/** One of every wire type, made from fixed seeds, and how each is read and written again. */
import { openSecret, type ScryptCost, sealSecret } from '../../src/apps/keystore/sealed-box.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { INPUT_FACTS, type Interval, SCORE_FACTS } from '../../src/apps/speech/familiarity.ts';
import { FrontEnd } from '../../src/apps/speech/front-end.ts';
import { readClientPart, writeClientPart } from '../../src/apps/speech/client-part.ts';
import { DdhInnerProduct } from '../../src/fe/ddh/scheme.ts';
import { LatticeInnerProduct } from '../../src/fe/lattice/scheme.ts';
import { DecodingGraph } from '../../src/speech/decoding/decoding-graph.ts';
import type { FrozenObject } from './frozen-object.ts';
import { provisionObjects } from './frozen-provisions.ts';
import { bgvObjects, ckksObjects, crtObjects } from './frozen-schemes.ts';
import { FROZEN_INNER_PRODUCT, FROZEN_PACKING, learningObjects } from './frozen-learning.ts';
import { toyClientPart } from '../apps/toy-model.ts';
import { compile } from '../../src/compiler/compile.ts';
import { readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import { IntegerNetwork } from '../../src/nn/integer/integer-network.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { type EdgeMessage, readEdgeMessage, writeEdgeMessage } from '../../src/protocols/edge/messages.ts';
import {
  readEnrolment,
  readQuery,
  readReply,
  writeEnrolment,
  writeQuery,
  writeReply,
} from '../../src/protocols/inference/messages.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvCrtContext } from '../../src/schemes/bgv/crt/crt-context.ts';
import { BgvCrtParams } from '../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import { SecretKey } from '../../src/schemes/rlwe/keys/secret-key.ts';
import { mixedNetwork } from '../protocols/edge/edge-pair.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import { INSECURE_CRT, INSECURE_TINY_BGV } from '../schemes/bgv/insecure-params.ts';

const LABEL = 'golden';
const PASSPHRASE = 'nothing secret';
/** For a secret that is none. */
const CHEAP: ScryptCost = { logN: 10, r: 8, p: 1 };

export interface FrozenContexts {
  readonly ckks: CkksContext;
  readonly bgv: BgvContext;
  readonly crt: BgvCrtContext;
  readonly lattice: LatticeInnerProduct;
  readonly ddh: DdhInnerProduct;
}

export function frozenObjects({ ckks, bgv, crt, lattice, ddh }: FrozenContexts): FrozenObject[] {
  return [
    ...ckksObjects(ckks),
    ...bgvObjects(bgv),
    ...crtObjects(crt),
    {
      name: 'sealed-secret-key.v1',
      make: () => {
        using generator = ckks.keyGenerator();
        using secret = generator.secretKey();
        return sealSecret(secret.exportSecretBytes(), LABEL, PASSPHRASE, CHEAP);
      },
      roundTrip: async (bytes) => {
        using secret = SecretKey.fromSecretBytes(ckks, await openSecret(bytes, LABEL, PASSPHRASE, CHEAP));
        // Sealing draws a salt: what must come back is the key.
        const again = await sealSecret(secret.exportSecretBytes(), LABEL, PASSPHRASE, CHEAP);
        const opened = await openSecret(again, LABEL, PASSPHRASE, CHEAP);
        return Buffer.compare(opened, await openSecret(bytes, LABEL, PASSPHRASE, CHEAP)) === 0
          ? bytes
          : again;
      },
    },
    ...networks(),
    ...inferenceMessages(),
    ...edgeMessages(),
    ...provisionObjects(ckks.kernel),
    ...learningObjects(lattice, ddh),
    ...speechObjects(),
  ];
}

function speechObjects(): FrozenObject[] {
  const { graph, clientPart } = toyClientPart('digits');
  const { rate, context, normalization } = clientPart.frontEnd;
  const former = new FrontEnd(rate, context, normalization, 'utterance');
  const interval = (_: string, i: number): Interval => [i, i + 1];
  const familiar = { inputs: INPUT_FACTS.map(interval), scores: SCORE_FACTS.map(interval) };
  const rewritten = (bytes: Uint8Array) => writeClientPart(readClientPart(bytes));
  return [
    {
      name: 'decoding-graph.v1',
      make: () => graph.toBytes(),
      roundTrip: (bytes) => DecodingGraph.fromBytes(bytes).toBytes(),
    },
    {
      name: 'speech-client-part.v1',
      make: () => Promise.reject(new Error('a former version is read and not written')),
      roundTrip: rewritten,
      writtenAs: 'speech-client-part-of-v1.v2',
    },
    {
      name: 'speech-client-part-of-v1.v2',
      make: () => writeClientPart({ ...clientPart, frontEnd: former }),
      roundTrip: rewritten,
    },
    {
      name: 'speech-client-part.v2',
      make: () => writeClientPart({ ...clientPart, familiar }),
      roundTrip: rewritten,
    },
  ];
}

const named = (network: IntegerNetwork): IntegerNetwork =>
  network.withLabels(Array.from({ length: network.outputs }, (_, i) => `class ${i}`));

function networks(): FrozenObject[] {
  return [
    {
      name: 'polynomial-network.v1',
      make: () => randomNetwork([6, 5, 4], 4, 11).toBytes(),
      roundTrip: (bytes) => PolynomialNetwork.fromBytes(bytes).toBytes(),
    },
    {
      name: 'polynomial-network.v2',
      make: () =>
        randomNetwork([9, 5, 4], 4, 11)
          .withInput({ kind: 'drawing', size: [3, 3] })
          .toBytes(),
      roundTrip: (bytes) => PolynomialNetwork.fromBytes(bytes).toBytes(),
    },
    {
      name: 'polynomial-convolution.v1',
      make: () => randomConvolution(4, 4).toBytes(),
      roundTrip: (bytes) => PolynomialNetwork.fromBytes(bytes).toBytes(),
    },
    {
      name: 'program.v2',
      make: () =>
        writeProgram({
          program: compile(randomNetwork([6, 5, 4], 4, 11), {
            name: 'frozen',
            layout: 'packed',
            reply: 'whole',
          }),
          card: '# Frozen',
        }),
      roundTrip: (bytes) => writeProgram(readProgram(bytes)),
    },
    {
      name: 'program.v3',
      make: () =>
        writeProgram({
          program: compile(randomNetwork([6, 5, 4], 4, 11), { name: 'frozen', layout: 'packed' }),
          card: '# Frozen',
        }),
      roundTrip: (bytes) => writeProgram(readProgram(bytes)),
    },
    {
      name: 'program.v1',
      make: () =>
        writeProgram({
          program: compile(randomNetwork([6, 5, 4], 4, 11), { name: 'frozen' }),
          card: '# Frozen',
        }),
      roundTrip: (bytes) => writeProgram(readProgram(bytes)),
    },
    {
      name: 'integer-network.v1',
      make: () => mixedNetwork(5).toBytes(),
      roundTrip: (bytes) => IntegerNetwork.fromBytes(bytes).toBytes(),
    },
    {
      name: 'integer-network.v3',
      make: () => named(mixedNetwork(5)).toBytes(),
      roundTrip: (bytes) => IntegerNetwork.fromBytes(bytes).toBytes(),
    },
  ];
}

const HEX = 'ab'.repeat(32);
const PAYLOAD = Uint8Array.from({ length: 48 }, (_, i) => i);

function inferenceMessages(): FrozenObject[] {
  return [
    {
      name: 'inference-enrolment.v1',
      make: () => writeEnrolment({ publicKey: PAYLOAD, evaluationKeys: PAYLOAD.subarray(1) }),
      roundTrip: (bytes) => writeEnrolment(readEnrolment(bytes)),
    },
    {
      name: 'inference-query.v1',
      make: () => writeQuery({ programId: HEX, nonce: HEX, bucket: 1, ciphertexts: PAYLOAD }),
      roundTrip: (bytes) => writeQuery(readQuery(bytes)),
    },
    {
      name: 'inference-reply.v1',
      make: () => writeReply({ programId: HEX, nonce: HEX, ciphertexts: PAYLOAD }),
      roundTrip: (bytes) => writeReply(readReply(bytes)),
    },
  ];
}

function edgeMessages(): FrozenObject[] {
  const seed = PAYLOAD.subarray(0, 32);
  const messages: EdgeMessage[] = [
    { kind: 'input', request: 7, layer: 2, shares: PAYLOAD },
    { kind: 'output', request: 7, layer: 2, work: 5, relayedWork: 4, shares: PAYLOAD },
    { kind: 'end', request: 2 ** 40 },
    {
      ...{ kind: 'joint', request: 7, layer: 2, work: 5, relayedWork: 4, shares: PAYLOAD },
      proof: { digest: seed, signature: new Uint8Array(64).fill(9) },
    },
    {
      ...{ kind: 'relayed', device: seed.subarray(16), request: 7, layer: 2, work: 5, shares: PAYLOAD },
      signature: new Uint8Array(64).fill(9),
    },
  ];
  return [
    ...messages.map((message) => ({
      name: `edge-${message.kind}.v1`,
      make: () => writeEdgeMessage(message),
      roundTrip: (bytes: Uint8Array) => writeEdgeMessage(readEdgeMessage(bytes)),
    })),
    ...[new Uint8Array(), seed].map((nonce, i) => ({
      name: `edge-begin.v${i + 1}`,
      make: () =>
        writeEdgeMessage({
          kind: 'begin',
          request: 7,
          batch: 3,
          mode: 'relay-seeded',
          inputSeed: seed,
          outputSeed: seed,
          nonce,
        }),
      roundTrip: (bytes: Uint8Array) => writeEdgeMessage(readEdgeMessage(bytes)),
    })),
  ];
}

/** Contexts whose keys and randomness are the same in every process. */
export async function openFrozen(
  kernel: CkksContext['kernel'],
  openCkks: (options: {
    kernel: CkksContext['kernel'];
    random: ReturnType<typeof seededRandom>;
  }) => Promise<CkksContext>,
): Promise<FrozenContexts> {
  return {
    ckks: await openCkks({ kernel, random: seededRandom('golden ckks') }),
    bgv: await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), {
      kernel,
      random: seededRandom('golden bgv'),
    }),
    crt: await BgvCrtContext.open(BgvCrtParams.create(INSECURE_CRT), {
      kernel,
      random: seededRandom('golden crt'),
    }),
    lattice: new LatticeInnerProduct(kernel, { ...FROZEN_INNER_PRODUCT, packing: FROZEN_PACKING }),
    ddh: new DdhInnerProduct(FROZEN_INNER_PRODUCT),
  };
}
