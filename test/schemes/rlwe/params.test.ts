import { describe, expect, test } from 'vitest';
import { DecodeError, InsecureParamsError, InvalidParamsError } from '../../../src/base/errors.ts';
import { CkksParams, type CkksSpec } from '../../../src/schemes/ckks/params.ts';
import { BgvCrtParams } from '../../../src/schemes/bgv/crt/crt-params.ts';
import { BgvParams } from '../../../src/schemes/bgv/params.ts';
import { isInsecureParamsId } from '../../../src/schemes/rlwe/params.ts';
import { logQPCeiling } from '../../../src/schemes/rlwe/security.ts';
import { INSECURE_CRT, INSECURE_TINY_BGV } from '../bgv/insecure-params.ts';
import { INSECURE_TINY } from '../ckks/insecure-params.ts';

/** Security Guidelines for Implementing Homomorphic Encryption, ternary secret, 128 bits classical. */
const TABLE = [26, 53, 106, 214, 430, 868, 1747, 3523];

/** A chain whose bits add up to `total`, none above 50; `logN + 9` at least, so that enough primes exist. */
function chain(logN: number, total: number): CkksSpec {
  const count = Math.max(2, Math.ceil(total / 49));
  const each = total / count;
  return { logN, logQ: Array.from({ length: count - 1 }, () => each), logP: [each], logScale: 30 };
}

describe('the ceiling', () => {
  test('is the published table', () => {
    expect(TABLE.map((_, i) => logQPCeiling(i + 10))).toEqual(TABLE);
    expect(logQPCeiling(9)).toBe(0);
  });

  test.each([11, 12, 13, 14, 15])('accepts the table and rejects table + 1 bit at logN %i', (logN) => {
    const ceiling = logQPCeiling(logN);
    expect(CkksParams.create(chain(logN, ceiling)).logQP).toBeLessThanOrEqual(ceiling);
    expect(() => CkksParams.create(chain(logN, ceiling + 1))).toThrow(InsecureParamsError);
  });

  test('counts the special primes', () => {
    expect(() => CkksParams.create({ logN: 13, logQ: [42, 42, 42, 42], logP: [47], logScale: 36 })).toThrow(
      InsecureParamsError,
    );
    expect(CkksParams.create({ logN: 13, logQ: [42, 42, 42, 42], logP: [46], logScale: 36 }).isInsecure).toBe(
      false,
    );
  });

  test('can be passed only with the literal, which marks the parameters', () => {
    const spec = { logN: 8, logQ: [40, 30], logP: [40], logScale: 30 };
    expect(() => CkksParams.create(spec)).toThrow(InsecureParamsError);
    const params = CkksParams.create({ ...spec, security: 'insecure-for-tests' });
    expect(params.isInsecure && isInsecureParamsId(params.id)).toBe(true);
    const secure = CkksParams.create({ logN: 13, logQ: [44, 40], logP: [44], logScale: 40 });
    expect(isInsecureParamsId(secure.id)).toBe(false);
    const marked = CkksParams.create({
      logN: 13,
      logQ: [44, 40],
      logP: [44],
      logScale: 40,
      security: 'insecure-for-tests',
    });
    expect(marked.id.slice(8)).not.toBe(secure.id.slice(8));
  });

  test.each([
    ['CKKS', CkksParams, CkksParams.create(INSECURE_TINY)],
    ['BGV', BgvParams, BgvParams.create(INSECURE_TINY_BGV)],
    ['BGV of several moduli', BgvCrtParams, BgvCrtParams.create(INSECURE_CRT)],
  ] as const)('%s: bytes bring a marked set in only when asked', (_, Params, marked) => {
    const bytes = marked.toBytes();
    expect(() => Params.fromBytes(bytes)).toThrow(/marked insecure/);
    expect(() => Params.fromBytes(bytes, { allowInsecure: false })).toThrow(DecodeError);
    const read = Params.fromBytes(bytes, { allowInsecure: true });
    expect([read.id, isInsecureParamsId(read.id)]).toEqual([marked.id, true]);
    // Without its mark the same set is over the ceiling.
    bytes[5] = 0;
    expect(() => Params.fromBytes(bytes, { allowInsecure: true })).toThrow(/128-bit secure/);
  });
});

describe('the literal', () => {
  const spec: CkksSpec = { logN: 13, logQ: [42.5, 42, 42, 42], logP: [44], logScale: 36 };

  test('fixes distinct primes 1 mod 2N of the sizes asked for', () => {
    const params = CkksParams.create(spec);
    expect(new Set(params.primes).size).toBe(5);
    for (const q of params.primes) expect(q % 16384).toBe(1);
    params.q.forEach(({ q }, i) => {
      expect(Math.log2(q)).toBeLessThan(spec.logQ[i]!);
      expect(Math.log2(q)).toBeGreaterThan(spec.logQ[i]! - 2 ** -16);
    });
    expect(params.id).toBe(CkksParams.create(spec).id);
  });

  test('every field enters the identifier', () => {
    const base: CkksSpec = { ...spec, security: 'insecure-for-tests' };
    const others: CkksSpec[] = [
      { ...base, logScale: 35 },
      { ...base, logQ: [42, 42, 42, 42] },
      { ...base, logP: [43] },
      { ...base, alpha: 2 },
      { ...base, logN: 12 },
      spec,
    ];
    expect(new Set([base, ...others].map((s) => CkksParams.create(s).id)).size).toBe(7);
  });

  test('survives the wire; other bytes are other parameters or a DecodeError', () => {
    const bytes = CkksParams.create(spec).toBytes();
    expect(CkksParams.fromBytes(bytes).id).toBe(CkksParams.create(spec).id);
    for (let i = 0; i < bytes.length; i++) {
      const mutant = bytes.slice();
      mutant[i]! ^= 0x55;
      try {
        expect(CkksParams.fromBytes(mutant)).toBeInstanceOf(CkksParams);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
      expect(() => CkksParams.fromBytes(bytes.subarray(0, i))).toThrow(DecodeError);
    }
  });

  test.each<[string, Partial<CkksSpec>]>([
    ['a fractional degree', { logN: 12.5 }],
    ['no ciphertext prime', { logQ: [] }],
    ['no special prime', { logP: [] }],
    ['a prime of 51 bits', { logQ: [51] }],
    ['a prime below 2N', { logQ: [10] }],
    ['a prime that is not a number', { logQ: [Number.NaN] }],
    ['a zero alpha', { alpha: 0 }],
    ['a negative scale', { logScale: -1 }],
  ])('refuses %s', (_, change) => {
    expect(() => CkksParams.create({ ...spec, security: 'insecure-for-tests', ...change })).toThrow(
      InvalidParamsError,
    );
  });
});
