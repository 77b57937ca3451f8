/** CKKS parameters: the ring-LWE ones and a default scale [CHKKS18]. */
import type { Scale } from '../../base/brand.ts';
import { ByteWriter } from '../../base/bytes.ts';
import { DecodeError, InvalidParamsError, SubrosaError } from '../../base/errors.ts';
import { ByteReader } from '../../base/bytes.ts';
import type { RlweSpec } from '../rlwe/params.ts';
import { RlweParams } from '../rlwe/params.ts';

/** What a person writes down. Unchecked, JSON-friendly. */
export interface CkksSpec extends RlweSpec {
  /** Default scale 2^logScale; may be fractional. */
  readonly logScale: number;
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
   * The literal in binary: logN, alpha, security mark, counts, bits as doubles, logScale, identifier. The reader rederives the
   * primes.
   */
  toBytes(): Uint8Array {
    const { logN, logQ, logP, logScale } = this.#spec;
    const writer = new ByteWriter(PARAMS_PREFIX_BYTES + 8 * (logQ.length + logP.length + 1));
    writer.u32(PARAMS_MAGIC);
    writer.u8(1);
    writer.u8(this.isInsecure ? 1 : 0);
    writer.u8(logN);
    writer.u8(this.alpha);
    writer.u8(logQ.length);
    writer.u8(logP.length);
    for (const value of [...logQ, ...logP, logScale]) writer.f64(value);
    return writer.finish();
  }

  /** Insecure parameters come back marked as such: the caller decides on `isInsecure`. @throws {DecodeError} */
  static fromBytes(bytes: Uint8Array): CkksParams {
    const reader = new ByteReader('CKKS parameters', bytes);
    if (reader.u32() !== PARAMS_MAGIC || reader.u8() !== 1) throw reader.error('bad magic or version');
    const mark = reader.u8();
    if (mark > 1) throw reader.error('unknown security mark');
    const [logN, alpha, countQ, countP] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
    if (reader.remaining !== 8 * (countQ + countP + 1)) throw reader.error('wrong length');
    const logQ = Array.from({ length: countQ }, () => reader.f64());
    const logP = Array.from({ length: countP }, () => reader.f64());
    const logScale = reader.f64();
    try {
      const security = mark === 1 ? 'insecure-for-tests' : 128;
      return CkksParams.create({ logN, logQ, logP, logScale, alpha, security });
    } catch (error) {
      if (error instanceof SubrosaError) throw new DecodeError('CKKS parameters', error.message);
      throw error;
    }
  }
}

const PARAMS_MAGIC = 0x50535253; // 'SRSP'
const PARAMS_PREFIX_BYTES = 10;

function doubleBytes(value: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.f64(value);
  return writer.finish();
}
