/**
 * BGV over several plaintext moduli: integers modulo t_1 t_2 ..., each slot by the Chinese remainder theorem. The moduli share ring,
 * primes and identifier, hence all keys: the keys of BGV do not depend on t (see ciphertext.ts).
 */
import type { ParamsId } from '../../../base/brand.ts';
import { InvalidParamsError } from '../../../base/errors.ts';
import type { RlweSpec } from '../../rlwe/params.ts';
import { type ReadParamsOptions, readParams, writeParams } from '../../rlwe/wire/params-wire.ts';
import { type BgvCrtIntent, chooseBgvCrtSpec, MAX_PLAINTEXT_MODULI } from '../intent.ts';
import { BGV_PARAMS_FRAME, BgvParams } from '../params.ts';

/** What a person writes down. Unchecked, JSON-friendly. */
export interface BgvCrtSpec extends RlweSpec {
  /** Different primes 1 mod 2N. */
  readonly plaintextModuli: readonly number[];
}

export class BgvCrtParams {
  #spec: BgvCrtSpec;
  /** The parameters of each modulus, all with one identifier. */
  readonly components: readonly BgvParams[];
  /** t_1 t_2 ...: values are exact between minus and plus half of it. */
  readonly modulus: bigint;

  private constructor(spec: BgvCrtSpec) {
    const { plaintextModuli, ...ring } = spec;
    if (plaintextModuli.length < 1 || plaintextModuli.length > MAX_PLAINTEXT_MODULI) {
      throw new InvalidParamsError(
        `1 to ${MAX_PLAINTEXT_MODULI} plaintext moduli are needed, not ${plaintextModuli.length}`,
        {},
      );
    }
    this.#spec = spec;
    this.components = Object.freeze(BgvParams.family(ring, plaintextModuli));
    this.modulus = this.components.reduce((product, { t }) => product * BigInt(t), 1n);
    Object.freeze(this);
  }

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  static create(spec: BgvCrtSpec): BgvCrtParams {
    return new BgvCrtParams(spec);
  }

  /**
   * Chosen for what a computation needs: see {@link BgvCrtIntent}.
   *
   * @throws {InvalidParamsError} that says what does not fit.
   */
  static forIntent(intent: BgvCrtIntent): BgvCrtParams {
    return BgvCrtParams.create(chooseBgvCrtSpec(intent));
  }

  get id(): ParamsId {
    return this.components[0]!.id;
  }

  /** N: two rows of N / 2. */
  get slots(): number {
    return this.components[0]!.slots;
  }

  /** The literal in binary; the numbers added are the moduli. */
  toBytes(): Uint8Array {
    return writeParams(BGV_PARAMS_FRAME, this.components[0]!, this.#spec, this.#spec.plaintextModuli);
  }

  /** @throws {DecodeError} also for a set marked insecure, unless `allowInsecure` is true. */
  static fromBytes(bytes: Uint8Array, options: ReadParamsOptions = {}): BgvCrtParams {
    return readParams(BGV_PARAMS_FRAME, bytes, MAX_PLAINTEXT_MODULI, options, (spec, plaintextModuli) =>
      BgvCrtParams.create({ ...spec, plaintextModuli }),
    );
  }
}
