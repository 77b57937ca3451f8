/** The samplers of a kernel as functions from a 32-byte key to values, and samplers with the faults that reviews have found. */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import {
  centredBinomialDistribution,
  type Distribution,
  TERNARY_DISTRIBUTION,
  wideUniformDistribution,
} from './sampler-statistics.ts';

export interface SamplerSubject {
  readonly distribution: Distribution;
  draw(key: Uint8Array, count: number): ArrayLike<number>;
}

const RESIDUE_DEGREE = 1024;
export const FLOOD_BITS = 40;

/** Residues of a 45-bit prime, moved to (-q/2, q/2). */
function residueSubject(kernel: Kernel): SamplerSubject {
  const q = primesBelow(45, RESIDUE_DEGREE, 1)[0]!;
  return {
    distribution: wideUniformDistribution('uniform residues', (q - 1) / 2 + 1),
    draw(key, count) {
      using ring = kernel.openRing(RESIDUE_DEGREE, [q]);
      using words = kernel.allocate(Math.ceil(count / RESIDUE_DEGREE) * RESIDUE_DEGREE);
      kernel.uniform(ring, words, key, [0]);
      return Float64Array.from(words.u64().subarray(0, count), (word) => Number(word) - (q - 1) / 2);
    },
  };
}

export function samplerSubjects(kernel: Kernel): SamplerSubject[] {
  const small = (method: 'centredBinomial' | 'ternary') => (key: Uint8Array, count: number) => {
    const out = new Int8Array(count);
    kernel[method](out, key, 0);
    return out;
  };
  return [
    { distribution: centredBinomialDistribution(21), draw: small('centredBinomial') },
    { distribution: TERNARY_DISTRIBUTION, draw: small('ternary') },
    {
      distribution: wideUniformDistribution('flooding', 2 ** FLOOD_BITS),
      draw(key, count) {
        const out = new Float64Array(count);
        kernel.uniformSigned(out, FLOOD_BITS, key, 0);
        return out;
      },
    },
    residueSubject(kernel),
  ];
}

/** Uniform 51-bit integers, the raw material of the faulty samplers. */
function rawIntegers(kernel: Kernel, key: Uint8Array, count: number): Float64Array {
  const out = new Float64Array(count);
  kernel.uniformSigned(out, 50, key, 1);
  return out.map((value) => value + 2 ** 50);
}

function bitCount(x: number): number {
  let count = 0;
  for (let rest = x >>> 0; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Each is measured against the distribution that it claims to have. */
export function faultySamplers(
  kernel: Kernel,
): { readonly fault: string; readonly subject: SamplerSubject }[] {
  const error = centredBinomialDistribution(21);
  const fromRaw =
    (value: (raw: number, other: number) => number) =>
    (key: Uint8Array, count: number): Float64Array => {
      const raw = rawIntegers(kernel, key, 2 * count);
      return Float64Array.from({ length: count }, (_, i) => value(raw[2 * i]!, raw[2 * i + 1]!));
    };
  const bits = (raw: number, from: number, width: number): number =>
    bitCount(Math.floor(raw / 2 ** from) % 2 ** width);
  const residues = residueSubject(kernel);
  return [
    {
      fault: 'a Gaussian cast to an integer, which rounds towards zero',
      subject: {
        distribution: error,
        draw: fromRaw((a, b) => {
          const radius = Math.sqrt(-2 * 10.5 * Math.log((a + 1) / 2 ** 51));
          return Math.trunc(radius * Math.cos((2 * Math.PI * b) / 2 ** 51));
        }),
      },
    },
    {
      fault: 'k = 20 in place of 21',
      subject: { distribution: error, draw: fromRaw((a) => bits(a, 0, 20) - bits(a, 20, 20)) },
    },
    {
      fault: 'a shift of a 32-bit word, which has 11 bits left for the second half',
      subject: {
        distribution: error,
        draw: fromRaw((a) => bits(a, 0, 21) - bitCount(((a % 2 ** 32) >>> 21) & (2 ** 21 - 1))),
      },
    },
    {
      fault: 'a modulus constant cut to 32 bits',
      subject: {
        distribution: residues.distribution,
        draw: fromRaw((a) => (a % 2 ** 32) - residues.distribution.variance ** 0.5),
      },
    },
    {
      fault: 'a bit pair modulo three, which counts the value 3 twice',
      subject: { distribution: TERNARY_DISTRIBUTION, draw: fromRaw((a) => ((a % 4) % 3) - 1) },
    },
    {
      fault: 'a stream that repeats itself after eight values',
      subject: {
        distribution: TERNARY_DISTRIBUTION,
        draw: (key, count) => {
          const values = fromRaw((a) => (a % 3) - 1)(key, count);
          return values.map((_, i) => values[i - (i % 16 >= 8 ? 8 : 0)]!);
        },
      },
    },
  ];
}

/** A sampler that forgot its key: good values, the same for everybody. */
export function unseededSampler(kernel: Kernel): SamplerSubject {
  const [good] = samplerSubjects(kernel);
  return { distribution: good!.distribution, draw: (_, count) => good!.draw(new Uint8Array(32), count) };
}
