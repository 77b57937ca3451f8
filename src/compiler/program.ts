/**
 * What the compiler makes of a network: plain data, without functions, that three machines run and a file holds.
 *
 * Layout. Slots hold samples (or frames), ciphertexts hold features: one ciphertext per feature while the network is
 * evaluated, so that a linear layer is an integer matrix product over whole ciphertexts. On the wire, `k` features
 * share a ciphertext: with `block = slots / k` samples at most, feature i of a group is a plaintext m_i(X^k) of the
 * subring, and the group travels as sum_i X^i m_i(X^k). The server takes it apart with k - 1 key switches and puts the
 * scores together the same way for nothing.
 *
 * Packed programs hold one sample: its features are in the slots of few ciphertexts, by the layout of each value.
 */
import type { CkksSpec } from '../schemes/ckks/params.ts';
import type { Decision } from './decision/decision.ts';
import type { IntegerMap } from './integer-map.ts';
import type { Bucket, ModelDescription, PackedKeys } from './offer.ts';
import type { Layout } from './packed/layout.ts';

/** Stands in paths of the protocol; it is looked up in a map made at start and never joined to a file name. */
export const MODEL_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** A list of ciphertexts at one level and scale. Value 0 is the query, as it travels; the last one is the reply. */
export interface ProgramValue {
  readonly name: string;
  /** Ciphertexts; those of what travels depend on the bucket, this is their number with one feature each. */
  readonly count: number;
  readonly parts: 2 | 3;
  readonly level: number;
  readonly scale: number;
  /** Largest |value| over the calibration data: what the plan keeps its margin to. */
  readonly trained: number;
  /** Where its elements are, as an index into {@link Program.layouts}; of packed programs. */
  readonly layout?: number;
}

/** Every step makes value `to` from earlier ones; its level, parts and scale stand with the value. */
export type Step =
  /** Takes interleaved inputs apart, into one ciphertext per feature. */
  | { readonly op: 'expand'; readonly from: number; readonly to: number }
  /** W a + h over whole ciphertexts: parts and level stay. */
  | { readonly op: 'linear'; readonly map: number; readonly from: number; readonly to: number }
  /** a b, ciphertext by ciphertext, three parts; a = b is a square. */
  | { readonly op: 'multiply'; readonly a: number; readonly b: number; readonly to: number }
  | { readonly op: 'relinearize'; readonly from: number; readonly to: number }
  /** Division by the last prime: one level less. */
  | { readonly op: 'rescale'; readonly from: number; readonly to: number }
  /** The same values with fewer primes. */
  | { readonly op: 'lower'; readonly from: number; readonly to: number }
  /** to[i] = multipliers[i] * from[order[i]] + addends[i]; what is absent is 1, i and 0. Indices into the constants. */
  | {
      readonly op: 'affine';
      readonly from: number;
      readonly to: number;
      readonly order?: number;
      readonly multipliers?: number;
      readonly addends?: number;
    }
  | { readonly op: 'add'; readonly a: number; readonly b: number; readonly to: number }
  /** Interleaves the scores: output o is ciphertext places[o]. */
  | { readonly op: 'pack'; readonly from: number; readonly to: number; readonly places: number }
  | PackedStep;

/** Steps of packed programs, on elements in slots. Indices into the constants; these have one real number per element. */
export type PackedStep =
  /**
   * W a from the layout of `from` to that of `to`, by rotations and encoded diagonals; their scale is what the scales' ratio says. Giant
   * steps are multiples of `width`; with 0 there are none.
   */
  | {
      readonly op: 'transform';
      readonly map: number;
      readonly from: number;
      readonly to: number;
      readonly width: number;
    }
  /** a + a rotated by `step` slots: adds partial sums up, or makes copies. */
  | { readonly op: 'rotateAdd'; readonly from: number; readonly to: number; readonly step: number }
  /** Every element times its factor; slots without elements times zero. */
  | { readonly op: 'multiplyPlain'; readonly from: number; readonly to: number; readonly factors: number }
  /** Every element plus its addend, partial sums an equal share each; slots without elements plus zero. */
  | { readonly op: 'addPlain'; readonly from: number; readonly to: number; readonly addends: number }
  /**
   * The last step of a reply that carries its trace alone: the mean over the copies, which adds partial sums up without a rotation. Scale
   * and sums are divided by the sums.
   */
  | { readonly op: 'trace'; readonly from: number; readonly to: number };

/** Steps with what they work on. */
export interface StepList {
  readonly values: readonly ProgramValue[];
  readonly maps: readonly IntegerMap[];
  /** Orders and places are whole numbers, multipliers whole numbers below 2^52, addends real. */
  readonly constants: readonly Float64Array[];
  /** Step i makes value i + 1. */
  readonly steps: readonly Step[];
}

/** Per product, and for the output: what the range guard knows, in the units of the layer. */
export interface LayerBound {
  readonly layer: number;
  readonly name: string;
  /** max |z| over the training data. */
  readonly trained: number;
  /** |z| for which the plaintext wraps around the modulus; what is below is evaluated correctly. */
  readonly capacity: number;
  /** Proven bound on |z| for every input within inputBound, by interval arithmetic. */
  readonly proven: number;
}

export interface ProgramOutput {
  readonly range: readonly [low: number, high: number];
  /** Standard deviation of a score's error from the scheme's own noise, in score units. */
  readonly schemeError: number;
  /** The same of the flooding that a reply gets. */
  readonly flooding: number;
}

/** Frozen. Only the compiler and the reader of program files make programs. */
export interface Program extends StepList {
  /** 2 for packed programs, 3 for those whose replies are traced or whose keys are standard. */
  readonly version: 1 | 2 | 3;
  /** ^[a-z0-9][a-z0-9_-]{0,63}$ */
  readonly name: string;
  readonly params: CkksSpec;
  /** Galois elements of the evaluation keys. */
  readonly galois: readonly number[];
  readonly buckets: readonly Bucket[];
  readonly inputs: number;
  readonly outputs: number;
  /** Inputs are within [-inputBound, inputBound]. */
  readonly inputBound: number;
  readonly output: ProgramOutput;
  readonly about?: ModelDescription;
  /** Layouts of one sample in the slots of few ciphertexts. Absent: one feature per ciphertext, samples in the slots. */
  readonly packed?: PackedPart;
  /** What the server decides behind the scores; then they do not leave. Of programs for many samples. */
  readonly decision?: Decision;
}

/** What packed programs have besides. */
export interface PackedPart {
  readonly layouts: readonly Layout[];
  /** Keys that other programs of the same parameters take, too; those of the steps alone when absent. */
  readonly plan?: 'standard';
  readonly keys: PackedKeys;
}

/** What memory and counts follow from, whatever the scheme. */
export type PlannedProgram = Pick<StepList, 'values' | 'steps'> &
  Pick<Program, 'buckets' | 'inputs' | 'outputs' | 'packed'> & {
    readonly params: Pick<CkksSpec, 'logN' | 'logP'>;
  };

/** The values that a step reads. */
export function stepReads(step: Step): number[] {
  return step.op === 'multiply' || step.op === 'add' ? [step.a, step.b] : [step.from];
}

/** Ciphertexts of value `value` in a bucket: what travels holds `interleave` features each. */
export function countIn(program: PlannedProgram, value: number, { interleave }: Bucket): number {
  const { inputs, outputs, values, steps, packed } = program;
  if (packed !== undefined) return values[value]!.count;
  if (value === 0) return Math.ceil(inputs / interleave);
  if (value === 1) return Math.ceil(inputs / interleave) * interleave;
  const packing = steps.findIndex((step) => step.op === 'pack');
  return value > packing ? Math.ceil(outputs / interleave) : values[value]!.count;
}
