/** BGV parameters: the ring-LWE ones and a plaintext modulus t [BGV12]. */
import { ByteWriter } from '../../base/bytes.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import { inverseMod } from '../../kernel/tables/modular.ts';
import { isPrime, MODULUS_LIMIT } from '../../kernel/tables/primitive-root.ts';
import { primesBelow } from '../../ring/primes.ts';
import type { RlweSpec } from '../rlwe/params.ts';
import { RlweParams } from '../rlwe/params.ts';
import { type ReadParamsOptions, readParams, writeParams } from '../rlwe/wire/params-wire.ts';
import { type BgvIntent, chooseBgvSpec } from './intent.ts';

/** What a person writes down. Unchecked, JSON-friendly. Exactly one of the two plaintext fields. */
export interface BgvSpec extends RlweSpec {
  /** The plaintext modulus t itself: a prime 1 mod 2N, so that there are N slots. */
  readonly plaintextModulus?: number;
  /** Or its bits: the largest such prime below 2^plaintextBits. */
  readonly plaintextBits?: number;
}

export class BgvParams extends RlweParams {
  #spec: BgvSpec;
  /** The plaintext modulus t. */
  readonly t: number;
  /** N: two rows of N / 2. */
  readonly slots: number;

  /** The identifier is that of all plaintext moduli of the `family`, among them t. */
  private constructor(spec: BgvSpec, t: number, family: readonly number[]) {
    super(spec, 'bgv', modulusBytes(family));
    this.#spec = spec;
    this.t = t;
    this.slots = this.n;
    const q0 = this.q[0]!.q;
    if (this.q.some(({ q }) => q === t) || this.p.some(({ q }) => q === t) || 4 * t > q0) {
      throw new InvalidParamsError(
        `t = ${t} must be none of the primes and at most a quarter of q_0 = ${q0}`,
        {
          t,
          q0,
        },
      );
    }
    Object.freeze(this);
  }

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  static create(spec: BgvSpec): BgvParams {
    const t = plaintextModulus(spec);
    return new BgvParams(spec, t, [t]);
  }

  /**
   * The same ring and primes for each of several plaintext moduli, with one identifier and so the same keys: for
   * {@link BgvCrtParams}.
   *
   * @throws {InvalidParamsError} {@link InsecureParamsError}
   */
  static family(ring: RlweSpec, moduli: readonly number[]): BgvParams[] {
    if (new Set(moduli).size !== moduli.length) {
      throw new InvalidParamsError('the plaintext moduli must differ', {});
    }
    const specs = moduli.map((t) => ({ ...ring, plaintextModulus: t }));
    // All of them before the first is used: the identifier takes in every modulus.
    const checked = specs.map(plaintextModulus);
    return specs.map((spec, i) => new BgvParams(spec, checked[i]!, checked));
  }

  /**
   * Chosen for what a computation needs: see {@link BgvIntent} for what is promised.
   *
   * @throws {InvalidParamsError} that says what does not fit.
   */
  static forIntent(intent: BgvIntent): BgvParams {
    return BgvParams.create(chooseBgvSpec(intent));
  }

  /** The literal in binary; the number added is t. */
  toBytes(): Uint8Array {
    return writeParams(BGV_PARAMS_FRAME, this, this.#spec, [this.t]);
  }

  /** @throws {DecodeError} also for a set marked insecure, unless `allowInsecure` is true. */
  static fromBytes(bytes: Uint8Array, options: ReadParamsOptions = {}): BgvParams {
    return readParams(BGV_PARAMS_FRAME, bytes, 1, options, (spec, [t]) =>
      BgvParams.create({ ...spec, plaintextModulus: t! }),
    );
  }

  /** `value` modulo each prime q_0 .. q_level. */
  residues(value: number, level: number): number[] {
    return this.q.slice(0, level + 1).map(({ q }) => ((value % q) + q) % q);
  }

  /** t^-1 modulo each prime q_0 .. q_level. */
  inverseResidues(level: number): number[] {
    return this.q.slice(0, level + 1).map(({ q }) => Number(inverseMod(BigInt(this.t), BigInt(q))));
  }

  /** a b mod t. */
  mulModT(a: number, b: number): number {
    return Number((BigInt(a) * BigInt(b)) % BigInt(this.t));
  }

  /** a^-1 mod t, a not a multiple of t. */
  inverseModT(a: number): number {
    return Number(inverseMod(BigInt(a % this.t), BigInt(this.t)));
  }
}

/** 'SRSB': for one plaintext modulus or several. */
export const BGV_PARAMS_FRAME = Object.freeze({ what: 'BGV parameters', magic: 0x42535253 });

function plaintextModulus(spec: BgvSpec): number {
  const { plaintextBits, plaintextModulus: given, logN } = spec;
  if ((plaintextBits === undefined) === (given === undefined)) {
    throw new InvalidParamsError('exactly one of plaintextModulus and plaintextBits is needed', {});
  }
  if (given !== undefined) {
    if (!(given < MODULUS_LIMIT && given % 2 ** (logN + 1) === 1 && isPrime(given))) {
      throw new InvalidParamsError(
        `the plaintext modulus must be a prime 1 mod ${2 ** (logN + 1)}, not ${given}`,
        {
          plaintextModulus: given,
        },
      );
    }
    return given;
  }
  return primesBelow(plaintextBits!, 2 ** logN, 1)[0]!;
}

function modulusBytes(moduli: readonly number[]): Uint8Array {
  const writer = new ByteWriter(8 * moduli.length);
  for (const t of moduli) writer.u64(t);
  return writer.finish();
}
