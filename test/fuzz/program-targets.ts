/** Programs and the files of samples. */
import { sha256Digest } from '../../src/base/sha256.ts';
import { compile } from '../../src/compiler/compile.ts';
import { compileExact } from '../../src/compiler/exact/compile-exact.ts';
import { readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import { parseProgramText, programText } from '../../src/compiler/program-text.ts';
import { crc32 } from '../../src/nn/files/model-bytes.ts';
import { randomConvolution, randomNetwork } from '../protocols/random-network.ts';
import type { FuzzTarget } from './harness.ts';

const PREFIX = 8;
const SECTION = 40;

/** Hashes and the checksum of the lists are made right, or no mutant would get past them. */
function resealed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = PREFIX; at + SECTION <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const end = at + SECTION + length;
    if (end > bytes.length) break;
    const body = bytes.subarray(at + SECTION, end);
    if (view.getUint32(at, true) === 2 && length >= 4)
      view.setUint32(end - 4, crc32(body.subarray(0, length - 4)), true);
    bytes.set(sha256Digest(body), at + 8);
    at = end;
  }
  return bytes;
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

export function programTargets(): FuzzTarget[] {
  const small = compile(randomNetwork([3, 2, 2], 4, 1), { name: 'net' });
  const options = { name: 'net', inputRange: [0, 1] as const, logN: [12], hiding: 0 };
  const exact = compileExact(randomNetwork([3, 2], 4, 1), options);
  const convolution = compile(randomConvolution(4, 4), { name: 'net' });
  return [
    {
      name: 'program',
      corpus: [
        writeProgram({ program: small, card: '# A card' }),
        writeProgram({ program: convolution }),
        writeProgram({ program: exact }),
      ],
      parse: (bytes) => readProgram(resealed(bytes)),
    },
    {
      name: 'text of a program',
      corpus: [text(programText(small))],
      parse: (bytes) => parseProgramText(new TextDecoder().decode(bytes)),
    },
  ];
}
