/**
 * The operations of CKKS on bounds in place of ciphertexts: what a declared circuit's result is at worst, whatever its operands have in
 * common and whatever values its inputs have. It follows from the declaration alone, never from a number that came with a ciphertext.
 *
 * Three polynomials make up what decrypts: the encoding of the exact value, what rounding inputs and constants to integers changed in it,
 * and the noise, which depends on the secret key. Each has a bound on its canonical norm (see ../rlwe/noise-bound.ts). Encodings round
 * by 1/2 per coefficient and so by N/2 in that norm, with no assumption. Fresh errors, key switching and division by primes enter with
 * the tail bounds given there: exceeded with probability 2^-128 each.
 */
import {
  LevelExhaustedError,
  MessageOverflowError,
  ScaleMismatchError,
  ShapeError,
} from '../../base/errors.ts';
import { droppedBound } from '../rlwe/wire/dropped-bits.ts';
import {
  addBits,
  errorBits,
  keySwitchBits,
  type ModulusBits,
  publicKeyErrorBits,
  roundingBits,
  sourceBits,
} from '../rlwe/noise-bound.ts';
import { type Adjustment, type Alignment, planAlignment } from './alignment.ts';
import type { CkksCircuit, CkksCircuitInput, CkksOperations } from './circuit.ts';
import type { CkksContextBase } from './context-base.ts';
import { CkksEncoder } from './encoder.ts';
import type { LinearTransform } from './linear-transform.ts';
import { SCALE_TOLERANCE } from './message-bound.ts';
import { CkksPlaintext } from './plaintext.ts';

/** Bounds in bits; -Infinity stands for zero. */
export interface CkksBound {
  readonly level: number;
  readonly scale: number;
  readonly parts: number;
  /** Of the exact value in every slot. */
  readonly valueBits: number;
  /** Of what rounding to integers changed, in units of one. Does not depend on the key. */
  readonly encodingBits: number;
  /** Of the noise, in units of one. */
  readonly noiseBits: number;
}

/** Doubles that decode an encoding are closer than this, relatively. */
const DECODING_SLACK_BITS = 2 ** -20;

export class CkksBounds implements CkksOperations<CkksBound> {
  #context: CkksContextBase;
  #bits: ModulusBits;
  #encoder: CkksEncoder;

  constructor(context: CkksContextBase) {
    this.#context = context;
    this.#bits = context.modulusBits;
    this.#encoder = new CkksEncoder(context, context.arena());
  }

  /**
   * The output of `circuit` at worst.
   *
   * @throws {MessageOverflowError} where a value with its errors could be beyond half the modulus. As the operations of the evaluator.
   */
  outputOf(circuit: CkksCircuit): CkksBound {
    const inputs = circuit.inputs.map((input) => this.fresh(input));
    const output = circuit.run<CkksBound>(this, inputs);
    if (circuit.dropped === undefined) return output;
    const { n } = this.#bits;
    const droppedBits = Math.log2(n * droppedBound(n, circuit.dropped));
    return this.#checked('toRoundedBytes', { ...output, noiseBits: plus(output.noiseBits, droppedBits) });
  }

  /** A ciphertext as the encryptor makes it. */
  fresh({ maxAbs, key = 'secret', level, scale }: CkksCircuitInput): CkksBound {
    const { params } = this.#context;
    const { n } = params;
    return this.#checked('encrypt', {
      level: level ?? params.maxLevel,
      scale: scale ?? params.defaultScale,
      parts: 2,
      valueBits: Math.log2(maxAbs),
      encodingBits: this.#roundedBits,
      noiseBits: key === 'public' ? publicKeyErrorBits(n) : errorBits(n),
    });
  }

  add(a: CkksBound, b: CkksBound | CkksPlaintext | number): CkksBound {
    return this.#sum('add', a, b);
  }

  sub(a: CkksBound, b: CkksBound | CkksPlaintext | number): CkksBound {
    return this.#sum('sub', a, b);
  }

  negate(a: CkksBound): CkksBound {
    return a;
  }

  mul(a: CkksBound, b: CkksBound | CkksPlaintext): CkksBound {
    if (!(b instanceof CkksPlaintext)) return this.relinearize(this.mulLazy(a, b));
    return this.#product('mul', a, { ...this.#plaintext(b), parts: 2 }, a.parts);
  }

  mulLazy(a: CkksBound, b: CkksBound): CkksBound {
    assertTwo('the first factor', a);
    assertTwo('the second factor', b);
    return this.#product('mul', a, b, 3);
  }

  relinearize(a: CkksBound): CkksBound {
    return a.parts === 2 ? a : this.#switched('relinearize', { ...a, parts: 2 });
  }

  mulConstant(a: CkksBound, weight: number, scale = 1): CkksBound {
    const factor = Math.log2(Math.abs(Math.round(weight * scale)));
    const rounding = scale === 1 ? Number.NEGATIVE_INFINITY : -1;
    return this.#checked('mulConstant', {
      ...a,
      scale: a.scale * scale,
      valueBits: a.valueBits + Math.log2(Math.abs(weight)),
      encodingBits: plus(a.encodingBits + factor, messageBits(a) + rounding),
      noiseBits: a.noiseBits + factor,
    });
  }

  mulMonomial(a: CkksBound): CkksBound {
    return a;
  }

  rescale(a: CkksBound): CkksBound {
    if (a.level === 0) throw new LevelExhaustedError('rescale', 0, 1);
    const { n, logQ } = this.#bits;
    const divided = logQ[a.level]!;
    return this.#checked('rescale', {
      ...a,
      level: a.level - 1,
      scale: a.scale / this.#context.params.q[a.level]!.q,
      encodingBits: a.encodingBits - divided,
      noiseBits: plus(a.noiseBits - divided, a.parts === 2 ? roundingBits(n) : threePartRoundingBits(n)),
    });
  }

  multiplyRelinearizeRescale(a: CkksBound, b: CkksBound): CkksBound {
    return this.rescale(this.mul(a, b));
  }

  squareRelinearizeRescale(a: CkksBound): CkksBound {
    return this.multiplyRelinearizeRescale(a, a);
  }

  align(a: CkksBound, b: CkksBound): [a: CkksBound, b: CkksBound] {
    const plan = planAlignment(this.#context.params, a, b);
    return [this.#aligned(a, plan.a, plan), this.#aligned(b, plan.b, plan)];
  }

  /** The owner's word, as for an input. */
  declareMaxAbs(a: CkksBound, maxAbs: number): CkksBound {
    return { ...a, valueBits: Math.min(a.valueBits, Math.log2(maxAbs)) };
  }

  dropTo(a: CkksBound, level: number): CkksBound {
    this.#context.assertLevel(level);
    if (level > a.level) throw new LevelExhaustedError('dropTo', a.level, level);
    return this.#checked('dropTo', { ...a, level });
  }

  rotate(a: CkksBound, _by: number): CkksBound {
    assertTwo('a ciphertext to map', a);
    return this.#switched('rotate', a);
  }

  conjugate(a: CkksBound): CkksBound {
    return this.rotate(a, 0);
  }

  /** Every rotation counts as a whole key switch, and so does every giant step. */
  linearTransform(a: CkksBound, transform: LinearTransform): CkksBound {
    assertTwo('a ciphertext to transform', a);
    const { level, scale } = transform;
    if (a.level < level) throw new LevelExhaustedError('linearTransform', a.level, level);
    const keySwitch = keySwitchBits(this.#bits, level);
    const steps = transform.giantSteps;
    const weights = steps.flatMap(({ babies }) =>
      babies.map(({ weight }) => {
        const words = weight.sub(0, (level + 1) * this.#bits.n);
        return this.#largestSlotBits(
          new CkksPlaintext(this.#context, words, { level, scale, maxAbs: transform.rowNorm }),
        );
      }),
    );
    // Sums of slots, and the same of the scaled polynomials.
    const sum = weights.reduce(plus, Number.NEGATIVE_INFINITY);
    const rounded = this.#roundedBits + Math.log2(Math.max(1, weights.length));
    const scaled = plus(sum + Math.log2(scale), rounded);
    return this.#checked('linearTransform', {
      level,
      scale: a.scale * scale,
      parts: 2,
      valueBits: a.valueBits + plus(sum, rounded - Math.log2(scale)),
      encodingBits: plus(a.encodingBits + scaled, messageBits(a) + rounded),
      noiseBits: plus(scaled + plus(a.noiseBits, keySwitch), keySwitch + Math.log2(steps.length + 1)),
    });
  }

  /** Calling the scale another changes the value, as {@link CkksEvaluator.align} says. */
  #aligned(a: CkksBound, { multiplier, divisions }: Adjustment, to: Alignment): CkksBound {
    if (multiplier === 1) return { ...a, level: to.level };
    let at = this.mulConstant({ ...a, level: to.level + divisions }, 1, multiplier);
    for (let left = divisions; left > 0; left--) at = this.rescale(at);
    const mismatch = Math.log2(Math.abs(at.scale - to.scale)) + at.valueBits;
    return this.#checked('align', {
      ...at,
      scale: to.scale,
      encodingBits: plus(at.encodingBits, mismatch),
    });
  }

  #sum(op: string, a: CkksBound, b: CkksBound | CkksPlaintext | number): CkksBound {
    const other = this.#operand(a, b);
    if (Math.abs(a.scale - other.scale) > SCALE_TOLERANCE * a.scale)
      throw new ScaleMismatchError(op, a.scale, other.scale);
    if (a.parts !== other.parts) {
      throw new ShapeError('parts of the second ciphertext', a.parts, other.parts);
    }
    // The sum has a's scale: what b's differs by is an error in its value.
    const mismatch = Math.log2(Math.abs(a.scale - other.scale)) + other.valueBits;
    return this.#checked(op, {
      level: Math.min(a.level, other.level),
      scale: a.scale,
      parts: a.parts,
      valueBits: plus(a.valueBits, other.valueBits),
      encodingBits: plus(plus(a.encodingBits, other.encodingBits), mismatch),
      noiseBits: plus(a.noiseBits, other.noiseBits),
    });
  }

  #operand(a: CkksBound, b: CkksBound | CkksPlaintext | number): CkksBound {
    if (b instanceof CkksPlaintext) return { ...this.#plaintext(b), parts: a.parts };
    if (typeof b !== 'number') return b;
    const valueBits = Math.log2(Math.abs(b));
    return { ...a, valueBits, encodingBits: -1, noiseBits: Number.NEGATIVE_INFINITY };
  }

  /** v_a v_b, with the errors of each times the other's message and all else of the other. */
  #product(op: string, a: CkksBound, b: CkksBound, parts: number): CkksBound {
    const [x, y] = [encodedBits(a), encodedBits(b)];
    const cross = plus(messageBits(a) + b.encodingBits, messageBits(b) + a.encodingBits);
    const noise = plus(x + b.noiseBits, y + a.noiseBits);
    return this.#checked(op, {
      level: Math.min(a.level, b.level),
      scale: a.scale * b.scale,
      parts,
      valueBits: a.valueBits + b.valueBits,
      encodingBits: plus(cross, a.encodingBits + b.encodingBits),
      noiseBits: plus(noise, a.noiseBits + b.noiseBits),
    });
  }

  #switched(op: string, a: CkksBound): CkksBound {
    return this.#checked(op, { ...a, noiseBits: plus(a.noiseBits, keySwitchBits(this.#bits, a.level)) });
  }

  /** A plaintext is a ciphertext without noise. */
  #plaintext(plaintext: CkksPlaintext): Omit<CkksBound, 'parts'> {
    const { level, scale } = plaintext;
    const encodingBits = this.#roundedBits;
    const valueBits = plus(this.#largestSlotBits(plaintext), encodingBits - Math.log2(scale));
    return { level, scale, valueBits, encodingBits, noiseBits: Number.NEGATIVE_INFINITY };
  }

  #largestSlotBits(plaintext: CkksPlaintext): number {
    const { re, im } = this.#encoder.decodeComplex(plaintext);
    const largest = re.reduce((most, value, j) => Math.max(most, Math.hypot(value, im[j]!)), 0);
    return Math.log2(largest) + DECODING_SLACK_BITS;
  }

  /** Rounding every coefficient to an integer. */
  get #roundedBits(): number {
    return Math.log2(this.#bits.n / 2);
  }

  /** @throws {MessageOverflowError} unless everything fits in half the modulus. */
  #checked(op: string, bound: CkksBound): CkksBound {
    const missing = plus(encodedBits(bound), bound.noiseBits) + 1 - this.#context.params.logQAt(bound.level);
    if (missing > 0) throw new MessageOverflowError(op, bound.level, Math.ceil(missing));
    return bound;
  }
}

/** The encoding of the exact value. */
function messageBits({ scale, valueBits }: CkksBound): number {
  return Math.log2(scale) + valueBits;
}

/** The encoding as it is: all but the noise. */
function encodedBits(bound: CkksBound): number {
  return plus(messageBits(bound), bound.encodingBits);
}

function plus(a: number, b: number): number {
  return Math.max(a, b) === Number.NEGATIVE_INFINITY ? a : addBits(a, b);
}

/** {@link roundingBits} of three parts. */
function threePartRoundingBits(n: number): number {
  return addBits(roundingBits(n), sourceBits(n, 1 / 12) + 2 * sourceBits(n, 2 / 3));
}

function assertTwo(what: string, { parts }: CkksBound): void {
  if (parts !== 2) throw new ShapeError(what, 'of two parts', parts);
}
