/** Every parser of untrusted bytes, with valid messages to start from. */
import { readFileSync } from 'node:fs';
import { DecodeError } from '../../src/base/errors.ts';
import { seededRandom } from '../../src/base/testing.ts';
import { readClientPart } from '../../src/apps/speech/client-part.ts';
import { compile } from '../../src/compiler/compile.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial-network.ts';
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
import type { Arena } from '../../src/ring/arena.ts';
import { BgvCiphertext, BgvCiphertextBatch } from '../../src/schemes/bgv/ciphertext.ts';
import { BgvContext } from '../../src/schemes/bgv/context.ts';
import { BgvParams } from '../../src/schemes/bgv/params.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { readWav } from '../../src/speech/wav.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import { serialiseEverything } from '../schemes/ckks/serialised-objects.ts';
import { INSECURE_TINY_BGV } from '../schemes/bgv/insecure-params.ts';
import { INSECURE_TINY } from '../schemes/ckks/insecure-params.ts';
import { edgeTargets } from './edge-targets.ts';
import type { FuzzTarget } from './harness.ts';
import { learningTargets } from './learning-targets.ts';

/** One channel of 16-bit samples at 8 kHz. */
export function wavBytes(samples: number): Uint8Array {
  const bytes = new Uint8Array(44 + 2 * samples);
  const view = new DataView(bytes.buffer);
  const text = (at: number, value: string) => bytes.set(new TextEncoder().encode(value), at);
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, 8000, true);
  view.setUint32(28, 16_000, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples, true);
  for (let i = 0; i < samples; i++) view.setInt16(44 + 2 * i, Math.round(8000 * Math.sin(i / 5)), true);
  return bytes;
}

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
  const bgv = await BgvContext.open(BgvParams.create(INSECURE_TINY_BGV), options);
  const learning = learningTargets(kernel);
  return {
    targets: [...ckksTargets(ckks), ...bgvTargets(bgv), ...(await edgeTargets(kernel)), ...learning.targets],
    [Symbol.dispose]() {
      for (const open of [ckks, bgv, ...learning.schemes]) open[Symbol.dispose]();
    },
  };
}

function bgvTargets(context: BgvContext): FuzzTarget[] {
  using arena = context.arena();
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using encryptor = context.encryptor(secret, arena);
  const plaintext = context.encoder(arena).encode([1, -2, 3]);
  const single = encryptor.encrypt(plaintext).toBytes();
  const batch = encryptor.encryptBatch([plaintext, plaintext]).toBytes();
  const into = (read: (bytes: Uint8Array, scratch: Arena) => unknown) => (bytes: Uint8Array) => {
    using scratch = context.arena();
    read(bytes, scratch);
  };
  return [
    {
      name: 'BGV ciphertext',
      corpus: [single, single, batch],
      parse: into((bytes, scratch) => BgvCiphertext.fromBytes(context, bytes, scratch)),
    },
    {
      name: 'BGV batch',
      corpus: [batch, batch, single],
      parse: into((bytes, scratch) => BgvCiphertextBatch.fromBytes(context, bytes, scratch, 4)),
    },
    {
      name: 'BGV parameters',
      corpus: [context.params.toBytes()],
      parse: (bytes) => BgvParams.fromBytes(bytes),
    },
  ];
}

function ckksTargets(context: CkksContext): FuzzTarget[] {
  const offer = compile(randomNetwork([6, 5, 4], 4, 11), { name: 'net' }).offer;
  const secure = CkksParams.create({ logN: 13, logQ: [42, 42, 42], logP: [44], logScale: 32 });
  return [
    ...schemeTargets(context),
    ...messageTargets(),
    {
      name: 'parameters',
      corpus: [context.params.toBytes(), secure.toBytes()],
      parse: (bytes) => CkksParams.fromBytes(bytes),
    },
    {
      name: 'offer',
      corpus: [new TextEncoder().encode(JSON.stringify(offer))],
      parse(bytes) {
        let value: unknown;
        try {
          value = JSON.parse(new TextDecoder().decode(bytes));
        } catch {
          throw new DecodeError('an offer', 'not JSON');
        }
        return parseOffer(value);
      },
    },
    {
      name: 'polynomial network',
      corpus: [randomNetwork([6, 5, 4], 4, 11).toBytes(), randomConvolution(4, 4).toBytes()],
      parse: (bytes) => PolynomialNetwork.fromBytes(bytes),
    },
    {
      name: 'client part of a speech model',
      corpus: [readFileSync(new URL('../../models/digits/client.bin', import.meta.url))].map((file) =>
        Uint8Array.from(file),
      ),
      parse: (bytes) => readClientPart(bytes),
    },
    { name: 'WAV', corpus: [wavBytes(400)], parse: (bytes) => readWav(bytes) },
  ];
}
