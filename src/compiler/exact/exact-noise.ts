/**
 * Proven noise of an exact program, value by value, by the rules of the BGV evaluator, and how much of it a reply hides.
 *
 * A reply is flooded: uniform noise in [-2^f, 2^f) is added to v / t of every coefficient, f as large as the modulus of the last value
 * leaves room for. BGV loses no precision by it. What the client decrypts then is within statistical distance 2^-s of something that
 * depends on the scores alone, s = f + 1 - E - log2 (N x outputs), where 2^E bounds the noise of the evaluation [GHV10, Gentry 2009].
 */
import { addBits, dividedBits, keySwitchBits, publicKeyErrorBits } from '../../schemes/rlwe/noise-bound.ts';
import { type BgvModulusBits, freshBits, noiseRoom } from '../../schemes/bgv/noise-bound.ts';
import { forEachMapRow, type IntegerMap } from '../integer-map.ts';
import type { Step, StepList } from '../program.ts';

/** [factor m]_t / t of one constant is at most a half. */
const CONSTANT_BITS = -1;

/** log2 bounds of v / t for every value; `bits` with the largest of the plaintext moduli. */
export function exactNoise({ steps, values, maps, constants }: StepList, bits: BgvModulusBits): number[] {
  const noise = [freshBits(bits.n)];
  for (const step of steps)
    noise.push(noiseAfter(step, { noise, level: values[step.to]!.level, maps, constants, bits }));
  return noise;
}

interface NoiseSubject extends Pick<StepList, 'maps' | 'constants'> {
  readonly noise: readonly number[];
  /** Of the result. */
  readonly level: number;
  readonly bits: BgvModulusBits;
}

/** Of what one step makes. */
export function noiseAfter(step: Step, { noise, level, maps, constants, bits }: NoiseSubject): number {
  switch (step.op) {
    case 'linear':
      return addBits(noise[step.from]! + mapGainBits(maps[step.map]!), CONSTANT_BITS);
    case 'multiply':
      return bits.logT + noise[step.a]! + noise[step.b]!;
    case 'relinearize':
      return addBits(noise[step.from]!, keySwitchBits(bits, level));
    case 'rescale':
      return dividedBits(bits.n, noise[step.from]!, bits.logQ[level + 1]!);
    case 'add':
      return addBits(noise[step.a]!, noise[step.b]!);
    case 'affine': {
      const factors = constants[step.multipliers ?? -1] ?? Float64Array.of(1);
      const most = factors.reduce((largest, factor) => Math.max(largest, Math.abs(factor)), 1);
      return addBits(noise[step.from]! + Math.log2(most), CONSTANT_BITS);
    }
    default:
      return noise[step.from]!;
  }
}

const GAINS = new WeakMap<IntegerMap, number>();

/** log2 of the largest sum of absolute weights of a row. */
function mapGainBits(map: IntegerMap): number {
  const known = GAINS.get(map);
  if (known !== undefined) return known;
  let most = 1;
  forEachMapRow(map, (_, weights) => {
    most = Math.max(
      most,
      weights.reduce((sum, weight) => sum + Math.abs(weight), 0),
    );
  });
  GAINS.set(map, Math.log2(most));
  return Math.log2(most);
}

/** What becomes of a reply. */
export interface ExactReply {
  /** Coefficients get uniform noise in [-2^floodBits, 2^floodBits). */
  readonly floodBits: number;
  /** Bits of statistical security, for all ciphertexts of a reply together. Negative when nothing is hidden. */
  readonly hiding: number;
  /** log2 bound of the coefficients of v / t after the flooding. */
  readonly noiseBits: number;
}

/** `noiseBits` bounds the last value, at `level`. */
export function exactReply(
  bits: BgvModulusBits,
  { level, noiseBits, count }: { readonly level: number; readonly noiseBits: number; readonly count: number },
): ExactReply {
  const room = noiseRoom(bits, level);
  // Half of the room: the roundings of the switches behind it have the rest.
  const floodBits = Math.floor(room) - 2;
  const before = addBits(noiseBits, publicKeyErrorBits(bits.n));
  const hiding = floodBits + 1 - noiseBits - Math.log2(bits.n * count);
  return { floodBits, hiding, noiseBits: addBits(floodBits, before) };
}
