/** Every parser of untrusted bytes, with valid messages to start from. */
import { readFileSync } from 'node:fs';
import { DecodeError } from '../../src/base/errors.ts';
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
import type { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { readWav } from '../../src/speech/wav.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import { serialiseEverything } from '../schemes/ckks/serialised-objects.ts';
import type { FuzzTarget } from './harness.ts';

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

export function fuzzTargets(context: CkksContext): FuzzTarget[] {
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
