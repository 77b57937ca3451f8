/**
 * Publishing what a declared circuit gives, without publishing the secret key.
 *
 * A decryption is the message and a noise that depends on the key: one published result, rounded or not, can give the whole key [LM21].
 * A release adds a discrete Gaussian to every coefficient of the decrypted polynomial, wide enough for the circuit's worst noise, the
 * number of releases and s bits of statistical security: see {@link ReleaseBudget}. What is left is a function of the encoded inputs and
 * of fresh randomness, up to that distance, for whoever has the ciphertexts, the evaluation keys and every release.
 */
import { ReleaseRefusedError } from '../../base/errors.ts';
import { Drbg } from '../../base/random.ts';
import { gaussianInto, WIDEST_GAUSSIAN_BITS } from '../../ring/samplers.ts';
import { Scratch } from '../../ring/scratch.ts';
import { addBits, sourceBits } from '../rlwe/noise-bound.ts';
import { encryptionOf } from '../rlwe/release/own-encryptions.ts';
import { RlweRelease } from '../rlwe/release/release.ts';
import { ReleaseBudget, type ReleaseTerms } from '../rlwe/release/release-budget.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import { sameCiphertexts } from '../rlwe/release/same-ciphertexts.ts';
import type { CkksCiphertext } from './ciphertext.ts';
import type { CkksCircuit } from './circuit.ts';
import { type CkksBound, CkksBounds } from './circuit-bounds.ts';
import type { CkksContextBase } from './context-base.ts';
import { CkksDecryptor } from './decryptor.ts';
import { CkksEncoder } from './encoder.ts';
import type { CkksEvaluator } from './evaluator.ts';

const NOTHING_DROPPED = { first: 0, second: 0 };

export interface CkksReleaseTerms extends ReleaseTerms {
  /** Every released slot is within 2^-precisionBits of the exact value, except with probability near 2^-128. */
  readonly precisionBits: number;
  /** As in {@link CkksEncoder.decode}. */
  readonly slots?: number;
}

export class CkksRelease extends RlweRelease<CkksCiphertext, CkksEvaluator, Float64Array> {
  readonly budget: ReleaseBudget;
  /** Bits of precision that are left: at least as many as were asked for. */
  readonly precisionBits: number;
  /** What the declared circuit's result is at worst. */
  readonly output: CkksBound;
  #context: CkksContextBase;
  #key: SecretKey;
  #circuit: CkksCircuit;
  #inputs: readonly CkksBound[];
  #sigmaBits: number;
  #slots: number;

  /**
   * All that can be refused for want of precision is refused here, before anything is encrypted.
   *
   * @throws {ReleaseRefusedError} when fewer bits would be left than `precisionBits`, or the key has a budget on other terms.
   * {@link OutOfRangeError} {@link MessageOverflowError} {@link ParamsMismatchError}
   */
  constructor(context: CkksContextBase, key: SecretKey, circuit: CkksCircuit, terms: CkksReleaseTerms) {
    super();
    context.assertOwn('a secret key', key);
    const bounds = new CkksBounds(context);
    this.#context = context;
    this.#key = key;
    this.#circuit = circuit;
    this.#slots = terms.slots ?? context.params.slots;
    this.#inputs = circuit.inputs.map((input) => bounds.fresh(input));
    this.output = bounds.outputOf(circuit);
    this.budget = ReleaseBudget.of(key, terms);
    this.#sigmaBits = this.budget.floodBits(noiseNormBits(context.params.n, this.output));
    this.precisionBits = this.#assertPrecise(terms.precisionBits);
  }

  /** Bits that are left when the noise, its flood and the rounding of encodings are at their worst. */
  #assertPrecise(needed: number): number {
    const { n } = this.#context.params;
    const { scale, valueBits, encodingBits, noiseBits, level } = this.output;
    const flooded = addBits(noiseBits, sourceBits(n, 4 ** this.#sigmaBits));
    const possible = Math.floor(Math.log2(scale) - addBits(flooded, encodingBits));
    const { releases, securityBits } = this.budget;
    const what = `noise that hides ${releases} releases of this circuit at ${securityBits} bits of security`;
    if (!(possible >= needed && possible > 0) || this.#sigmaBits > WIDEST_GAUSSIAN_BITS) {
      throw new ReleaseRefusedError(
        'precision',
        `${what} leaves ${Math.max(0, possible)} bits of precision, and ${needed} were asked for: encrypt at a scale about 2^${Math.max(1, Math.ceil(needed - possible))} larger, with as many more bits of modulus, or declare fewer releases`,
        needed,
        Math.max(0, possible),
      );
    }
    const message = addBits(Math.log2(scale) + valueBits, encodingBits);
    const missing = addBits(message, flooded) + 1 - this.#context.params.logQAt(level);
    if (missing > 0) {
      throw new ReleaseRefusedError(
        'modulus',
        `${what} does not fit the modulus at level ${level}: stop the circuit at a higher level, or choose parameters with ${Math.ceil(missing)} more bits there`,
        needed,
        possible,
      );
    }
    return possible;
  }

  protected override get key(): SecretKey {
    return this.#key;
  }

  protected override get arity(): number {
    return this.#inputs.length;
  }

  protected override run(evaluator: CkksEvaluator, inputs: readonly CkksCiphertext[]): CkksCiphertext {
    return this.#circuit.run<CkksCiphertext>(evaluator, inputs);
  }

  protected override assertInput(input: CkksCiphertext, index: number, isVouchedFor: boolean): void {
    this.#context.assertOwn('an input', input);
    const key = this.#circuit.inputs[index]!.key ?? 'secret';
    const made = encryptionOf(input, this.#key);
    if (made === undefined ? !isVouchedFor : made !== key && key === 'secret') {
      throw new ReleaseRefusedError(
        'foreign-input',
        made === undefined
          ? `this process did not encrypt input ${index} under this key, which could hold anything: encrypt it here, or state { inputs: 'honestly-encrypted' } if that is certain`
          : `input ${index} is encrypted under a public key, but the circuit was declared for the secret key, which is less noisy`,
      );
    }
    this.#assertFacts(`input ${index}`, input, this.#inputs[index]!);
    if (made !== undefined) this.#assertValues(input, index);
  }

  /** The bounds hold for inputs that keep what was declared: of one's own that can be checked. */
  #assertValues(input: CkksCiphertext, index: number): void {
    using arena = this.#context.arena();
    const plaintext = new CkksDecryptor(this.#context, this.#key, arena).decrypt(input);
    const { re, im } = new CkksEncoder(this.#context, arena).decodeComplex(plaintext);
    const { maxAbs } = this.#circuit.inputs[index]!;
    const { noiseBits, encodingBits } = this.#inputs[index]!;
    const allowed = maxAbs + 2 ** addBits(noiseBits, encodingBits) / input.scale;
    const isWithin = re.reduce((all, value, j) => Math.hypot(value, im[j]!) <= allowed && all, true);
    for (const values of [re, im]) values.fill(0);
    if (!isWithin) {
      throw new ReleaseRefusedError(
        'not-the-circuit',
        `input ${index} has slots beyond ${maxAbs}, which the circuit was declared for: declare what the inputs are`,
      );
    }
  }

  protected override assertOutput(result: CkksCiphertext): void {
    this.#context.assertOwn('a result', result);
    this.#assertFacts('the result', result, this.output);
    const { first, second } = result.dropped ?? NOTHING_DROPPED;
    const declared = this.#circuit.dropped ?? NOTHING_DROPPED;
    if (first > declared.first || second > declared.second) {
      throw new ReleaseRefusedError(
        'not-the-circuit',
        `the result was sent without ${first} and ${second} low bits, which is noise that was not declared: set \`dropped\` in the circuit, or have whole bytes sent`,
      );
    }
  }

  #assertFacts(what: string, { level, scale, parts, count }: CkksCiphertext, bound: CkksBound): void {
    if (level === bound.level && scale === bound.scale && parts === bound.parts && count === 1) return;
    const told = (of: { level: number; scale: number; parts: number }) =>
      `level ${of.level}, scale 2^${Math.log2(of.scale).toFixed(3)} and ${of.parts} parts`;
    throw new ReleaseRefusedError(
      'not-the-circuit',
      `${what} must have ${told(bound)}, as the declared circuit says, but has ${told({ level, scale, parts })}`,
    );
  }

  protected override isSame(a: CkksCiphertext, b: CkksCiphertext): boolean {
    return a.scale === b.scale && sameCiphertexts(a, b);
  }

  /** Spends a release, then decrypts, floods and decodes; what was decrypted is wiped. */
  protected override disclose(result: CkksCiphertext): Float64Array {
    this.budget.spend();
    const context = this.#context;
    const { kernel, ring } = context;
    using arena = context.arena();
    using scratch = new Scratch(kernel);
    const plaintext = new CkksDecryptor(context, this.#key, arena).decrypt(result);
    const { words, mods } = plaintext.polynomial;
    const flood = scratch.allocate(words.length);
    const seed = context.random.seed();
    using drbg = new Drbg(seed);
    seed.fill(0);
    gaussianInto(ring, flood, this.#sigmaBits, drbg.nextKey('flood'), mods);
    kernel.add(ring.tables, words, words, flood, mods);
    return new CkksEncoder(context, arena).decode(plaintext, { slots: this.#slots });
  }
}

/** On the Euclidean norm of the noise, which its canonical norm bounds (Parseval), once the ideal result is rounded to integers. */
function noiseNormBits(n: number, { noiseBits }: CkksBound): number {
  return addBits(noiseBits, 0.5 * Math.log2(n) - 1);
}
