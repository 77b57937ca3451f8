/** CKKS parameters: the ring-LWE ones and a default scale [CHKKS18]. */
import type { Scale } from '../../base/brand.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import type { RlweSpec } from '../rlwe/params.ts';
import { RlweParams } from '../rlwe/params.ts';
import { type ReadParamsOptions, readParams, writeParams } from '../rlwe/wire/params-wire.ts';
import { type CkksIntent, chooseCkksSpec } from './intent.ts';

/** What a person writes down. Unchecked, JSON-friendly. */
export interface CkksSpec extends RlweSpec {
  /** Default scale 2^logScale; may be fractional. */
  readonly logScale: number;
}

/** Bits of the primes and of the scale of {@link CkksParams.bootstrapping}: 4 q < 2^52, which lazy reductions need. */
const BOOTSTRAPPING_BITS = 49.9;

/** Special primes of {@link CkksParams.joint} beyond the primes of a digit: the noise of key products vanishes under rounding. */
const JOINT_ALPHA = 4;

export interface BootstrappingOptions extends Pick<RlweSpec, 'security'> {
  /** Default 16. */
  readonly logN?: number;
  /** L; default 26. */
  readonly levels?: number;
  /** Default 8. */
  readonly specialPrimes?: number;
}

export class CkksParams extends RlweParams {
  #spec: CkksSpec;
  /** N / 2. */
  readonly slots: number;
  readonly defaultScale: Scale;

  private constructor(spec: CkksSpec) {
    super(spec, 'ckks', doubleBytes(spec.logScale));
    this.#spec = spec;
    this.slots = this.n / 2;
    this.defaultScale = (2 ** spec.logScale) as Scale;
    Object.freeze(this);
  }

  /** @throws {InvalidParamsError} {@link InsecureParamsError} */
  static create(spec: CkksSpec): CkksParams {
    if (!(spec.logScale > 0 && spec.logScale <= 90)) {
      throw new InvalidParamsError(`logScale must be in (0, 90] but is ${spec.logScale}`, {
        logScale: spec.logScale,
      });
    }
    return new CkksParams(spec);
  }

  /**
   * Chosen for what a computation needs: see {@link CkksIntent} for what is promised.
   *
   * @throws {InvalidParamsError} that says what does not fit.
   */
  static forIntent(intent: CkksIntent): CkksParams {
    return CkksParams.create(chooseCkksSpec(intent));
  }

  /**
   * The chain for bootstrapping: every prime and the scale of 49.9 bits, so that a level is a level whatever it is
   * used for. Without options N = 2^16 with 27 + 8 primes, log2 QP = 1746.5: 128 bits with a dense ternary secret. Rings for tests have
   * to be asked for as insecure.
   *
   * @throws {InvalidParamsError} {@link InsecureParamsError}
   */
  static bootstrapping(options: BootstrappingOptions = {}): CkksParams {
    const { logN = 16, levels = 26, specialPrimes = 8, security } = options;
    const bits = (count: number): number[] => new Array<number>(count).fill(BOOTSTRAPPING_BITS);
    const spec = { logN, logQ: bits(levels + 1), logP: bits(specialPrimes), logScale: BOOTSTRAPPING_BITS };
    return CkksParams.create(security === undefined ? spec : { ...spec, security });
  }

  /**
   * The chain for several parties that refresh together: primes and scale as for bootstrapping, one special prime more than a digit
   * has. Without options N = 2^15 with 12 + 5 primes, log2 QP = 848.3, three digits. Rings for tests have to be asked for as insecure.
   *
   * @throws {InvalidParamsError} {@link InsecureParamsError}
   */
  static joint(options: Pick<BootstrappingOptions, 'logN' | 'security'> = {}): CkksParams {
    const { logN = 15, security } = options;
    const bits = (count: number): number[] => new Array<number>(count).fill(BOOTSTRAPPING_BITS);
    const spec = {
      logN,
      logQ: bits(12),
      logP: bits(JOINT_ALPHA + 1),
      alpha: JOINT_ALPHA,
      logScale: BOOTSTRAPPING_BITS,
    };
    return CkksParams.create(security === undefined ? spec : { ...spec, security });
  }

  /** The literal in binary; the number added is logScale. */
  toBytes(): Uint8Array {
    return writeParams(FRAME, this, this.#spec, [this.#spec.logScale]);
  }

  /** @throws {DecodeError} also for a set marked insecure, unless `allowInsecure` is true. */
  static fromBytes(bytes: Uint8Array, options: ReadParamsOptions = {}): CkksParams {
    return readParams(FRAME, bytes, 1, options, (spec, [logScale]) =>
      CkksParams.create({ ...spec, logScale: logScale! }),
    );
  }
}

const FRAME = Object.freeze({ what: 'CKKS parameters', magic: 0x50535253 }); // 'SRSP'

function doubleBytes(value: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.f64(value);
  return writer.finish();
}
