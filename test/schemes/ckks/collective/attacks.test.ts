/** Attacks on shares: each wins against shares made without what protects them, and loses against those of the package. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProtocolError } from '../../../../src/base/errors.ts';
import { Drbg } from '../../../../src/base/random.ts';
import { seededRandom } from '../../../../src/base/testing.ts';
import type { Words } from '../../../../src/kernel/kernel.ts';
import { CkksCiphertext } from '../../../../src/schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../../src/schemes/ckks/context.ts';
import { CollectiveRefresh, refreshShareOf } from '../../../../src/schemes/ckks/collective/refresh.ts';
import { hiddenShareInto } from '../../../../src/schemes/ckks/collective/release.ts';
import { commitment, opensCommitment } from '../../../../src/schemes/rlwe/collective/commitment.ts';
import { CollectiveKeys } from '../../../../src/schemes/rlwe/collective/key-shares.ts';
import { SecretShare, shareWords } from '../../../../src/schemes/rlwe/collective/secret-share.ts';
import { commonSeed } from '../../../../src/schemes/rlwe/collective/session-random.ts';
import { uniformInto } from '../../../../src/ring/samplers.ts';
import { testValues } from '../insecure-params.ts';
import { makeParties, openJointContext, phaseOf, SESSION, sumOfShares } from './parties.ts';

let context: CkksContext;
let refresh: CollectiveRefresh;
beforeAll(async () => {
  context = await openJointContext('attacks on shares');
  refresh = new CollectiveRefresh(context, {
    parties: 3,
    messageBits: 52,
    coefficients: context.params.n,
  });
});
afterAll(() => context[Symbol.dispose]());

/** Coefficients of a share, as the attacker knows nothing of: for comparing. */
function coefficientsOf(words: Words, level: number): bigint[] {
  const { kernel, ring, params } = context;
  const mods = params.qMods(level);
  const copy = kernel.allocate(mods.length * params.n);
  copy.u64().set(words.u64().subarray(0, copy.length));
  kernel.nttInverse(ring.tables, copy, mods);
  const values = centred(copy.u64().slice(), level);
  copy[Symbol.dispose]();
  return values;
}

function centred(residues: BigUint64Array, level: number): bigint[] {
  const { q, n } = context.params;
  const primes = q.slice(0, level + 1).map((modulus) => BigInt(modulus.q));
  const product = primes.reduce((total, prime) => total * prime, 1n);
  return Array.from({ length: n }, (_, j) => {
    let value = 0n;
    primes.forEach((prime, i) => {
      const others = product / prime;
      let inverse = 1n;
      for (let power = others % prime, e = prime - 2n; e > 0n; e >>= 1n, power = (power * power) % prime)
        if (e & 1n) inverse = (inverse * power) % prime;
      value += residues[i * n + j]! * others * inverse;
    });
    value %= product;
    return 2n * value > product ? value - product : value;
  });
}

/** The opened part of an answer to a refresh, centred. */
function openedOf(share: Uint8Array): bigint[] {
  const count = (refresh.level + 1) * context.params.n;
  return centred(new BigUint64Array(share.slice(0, 8 * count).buffer), refresh.level);
}

function fresh(name: string): Drbg {
  return new Drbg(seededRandom(name).seed());
}

/** A ciphertext at the level of refreshes whose second part `change` has had its way with. */
function tampered(original: CkksCiphertext, change: (c1: Words) => void): CkksCiphertext {
  const words = context.kernel.allocate(original.words.length);
  words.u64().set(original.words.u64());
  change(words.sub(original.polyWords, original.polyWords));
  return new CkksCiphertext(words, original.facts);
}

function shapeOf(maskBits: number): Pick<CollectiveRefresh, 'level' | 'maskBits' | 'terms'> {
  return { level: refresh.level, terms: refresh.terms, maskBits };
}

/** Sums of coefficients modulo the primes of refreshes, centred. */
function sumModuloQ(parts: readonly (readonly bigint[])[]): bigint[] {
  const q = context.params.q
    .slice(0, refresh.level + 1)
    .reduce((total, { q: prime }) => total * BigInt(prime), 1n);
  return Array.from({ length: context.params.n }, (_, j) => {
    const total = ((parts.reduce((sum, part) => sum + part[j]!, 0n) % q) + q) % q;
    return 2n * total > q ? total - q : total;
  });
}

function nearestMultiple(value: bigint, bits: bigint): number {
  const half = 2n ** (bits - 1n);
  return Number((value + (value >= 0n ? half : -half)) / 2n ** bits);
}

function addConstant(c1: Words, constant: bigint): void {
  const { kernel, ring, params } = context;
  const mods = params.qMods(refresh.level);
  const residues = mods.map((limb) => Number(constant % BigInt(params.q[limb]!.q)));
  kernel.addScalar(ring.tables, c1, c1, residues, mods);
}

describe('a ciphertext that honest evaluation did not give', () => {
  test('with 2^140 more in c1, bare answers give the collective key: why parties compute what they answer', () => {
    using arena = context.arena();
    using parties = makeParties(context, 3, {});
    using encryptor = context.encryptor(parties.publicKey, arena);
    const honest = encryptor.encrypt(context.encoder(arena).encode(testValues(8, 1), { level: 2 }));
    const seed = commonSeed(SESSION, 'refresh 1');
    const bare = (share: SecretShare, c1: Words, maskBits: number): bigint[] => {
      using drbg = fresh('bare answer');
      return openedOf(refreshShareOf(context, shapeOf(maskBits), shareWords(share), c1, seed, drbg));
    };
    // Masks that are 64 bits wider than the message, as hiding it takes: the sum of all shares.
    const evil = tampered(honest, (c1) => addConstant(c1, 2n ** 140n));
    const opened = [coefficientsOf(evil.part(0, 0).words, refresh.level)];
    for (const share of parties.shares) opened.push(bare(share, evil.part(0, 1).words, 116));
    const read = sumModuloQ(opened).map((value) => nearestMultiple(value, 140n));
    expect(read).toEqual(coefficientsOf(parties.secret, 0).map(Number));
    evil[Symbol.dispose]();
    // As wide as the modulus has room for, as they are here: still each share of its own.
    const worse = tampered(honest, (c1) => {
      c1.u64().fill(0n);
      addConstant(c1, 2n ** 147n);
    });
    for (const share of parties.shares) {
      const single = bare(share, worse.part(0, 1).words, refresh.maskBits);
      expect(single.map((value) => nearestMultiple(value, 147n))).toEqual(
        coefficientsOf(shareWords(share), 0).map(Number),
      );
    }
    worse[Symbol.dispose]();
  });

  test('with c1 chosen after a known mask polynomial the masks cancel; here the mask follows from the ciphertext', () => {
    using arena = context.arena();
    using parties = makeParties(context, 3, {});
    using encryptor = context.encryptor(parties.publicKey, arena);
    const honest = encryptor.encrypt(context.encoder(arena).encode(testValues(8, 1), { level: 2 }));
    const victim = parties.shares[0]!;
    const truth = coefficientsOf(shareWords(victim), 0).map(Number);
    const { kernel, ring, params } = context;
    const aimedAt = (seed: ReturnType<typeof commonSeed>): CkksCiphertext =>
      tampered(honest, (c1) => {
        const top = kernel.allocate(params.q.length * params.n);
        uniformInto(ring, top, seed, params.qMods(params.maxLevel));
        c1.u64().set(top.u64().subarray(0, c1.length));
        top[Symbol.dispose]();
        addConstant(c1, 1000n);
      });
    /** opened + raised = (c1 - a') s_i + small. */
    const readKey = (bytes: Uint8Array): number[] => {
      const level = refresh.level;
      const opened = openedOf(bytes);
      const raised = kernel.allocate(params.q.length * params.n);
      const words = (level + 1) * params.n * 8;
      params.q.forEach((modulus, limb) => {
        const each = Math.ceil((params.n * modulus.bits) / 8);
        kernel.unpackBits(
          raised.sub(limb * params.n, params.n),
          bytes.slice(words + limb * each, words + (limb + 1) * each),
          modulus.bits,
        );
      });
      const lifted = coefficientsOf(raised, level);
      raised[Symbol.dispose]();
      return sumModuloQ([opened, lifted]).map((value) => Math.round(Number(value) / 1000) + 0);
    };
    const known = commonSeed(SESSION, 'refresh 1');
    const forControl = aimedAt(known);
    using drbg = fresh('bare answer');
    const bare = refreshShareOf(
      context,
      refresh,
      shareWords(victim),
      forControl.part(0, 1).words,
      known,
      drbg,
    );
    expect(readKey(bare)).toEqual(truth);
    // All that an attacker can compute beforehand is the mask of another ciphertext.
    const answer = refresh.share(victim, 1, forControl);
    const right = readKey(answer).filter((value, j) => value === truth[j]);
    expect(right.length).toBeLessThan(truth.length / 2);
    forControl[Symbol.dispose]();
  });
});

describe('asking again', () => {
  test('fresh errors average out to c1 s_i and so to s_i; here the same request gives the same bytes', () => {
    const { kernel, ring, params } = context;
    const mods = params.qMods(0);
    const q = params.q[0]!.q;
    using share = new SecretShare(context, SESSION);
    const c1 = kernel.allocate(params.n);
    uniformInto(ring, c1, commonSeed(SESSION, 'some ciphertext'), mods);
    const half = params.n / 2;
    /** The mean of what many answers for one second part show, rounded: the real parts, on half of the coefficients. */
    const averaged = (of: Words, streamOf: (round: number) => Drbg): number[] => {
      const rounds = 640;
      const out = kernel.allocate(params.n);
      const mean = new Float64Array(params.n);
      let first: Float64Array | undefined;
      for (let round = 0; round < rounds; round++) {
        using drbg = streamOf(round);
        hiddenShareInto(context, out, { c1: of, secret: shareWords(share), floodBits: 1, gap: 1, drbg });
        kernel.nttInverse(ring.tables, out, mods);
        const values = Float64Array.from(out.u64(), Number);
        first ??= values;
        for (let j = 0; j < params.n; j++) {
          const moved = values[j]! - first[j]!;
          mean[j]! += (moved - q * Math.round(moved / q)) / rounds;
        }
      }
      out[Symbol.dispose]();
      return Array.from(mean, (value, j) => Math.round(first![j]! + value));
    };
    /** From answers for c1 and for X^(n/2) c1, whose real parts are the imaginary ones of c1, all of c1 s_i, and s_i by division. */
    const recovered = (streamOf: (step: number, round: number) => Drbg): number[] => {
      const turned = kernel.allocate(params.n);
      kernel.mul(ring.tables, turned, c1, ring.monomial(half).sub(0, params.n), mods);
      const a = averaged(c1, (round) => streamOf(1, round));
      const b = averaged(turned, (round) => streamOf(2, round));
      const inverseOfTwo = (BigInt(q) + 1n) / 2n;
      const reduced = (value: bigint): number => Number(((value % BigInt(q)) + BigInt(q)) % BigInt(q));
      const product = new Float64Array(params.n);
      product[0] = reduced(BigInt(a[0]!));
      product[half] = reduced(-BigInt(b[0]!));
      for (let j = 1; j < half; j++) {
        product[half - j] = reduced((BigInt(a[half - j]!) - BigInt(b[j]!)) * inverseOfTwo);
        product[half + j] = reduced((-BigInt(a[half - j]!) - BigInt(b[j]!)) * inverseOfTwo);
      }
      const out = kernel.allocate(params.n);
      kernel.fromDoubles(ring.tables, out, product, mods);
      kernel.nttForward(ring.tables, out, mods);
      const factor = kernel.allocate(params.n);
      factor.u64().set(BigUint64Array.from(c1.u64(), (word) => power(word, BigInt(q) - 2n, BigInt(q))));
      kernel.mul(ring.tables, out, out, factor, mods);
      const result = coefficientsOf(out, 0).map(Number);
      for (const words of [out, factor, turned]) words[Symbol.dispose]();
      return result;
    };
    const truth = coefficientsOf(shareWords(share), 0).map(Number);
    expect(recovered((step, round) => fresh(`step ${step} round ${round}`))).toEqual(truth);
    const hash = new Uint8Array(32).fill(7);
    expect(recovered((step) => share.answer(step, hash))).not.toEqual(truth);
    c1[Symbol.dispose]();
  });

  test('another ciphertext for a step that was answered ends the share', () => {
    using arena = context.arena();
    using parties = makeParties(context, 3, {});
    using encryptor = context.encryptor(parties.publicKey, arena);
    const encoder = context.encoder(arena);
    const [a, b] = [1, 2].map((salt) => encryptor.encrypt(encoder.encode(testValues(8, salt), { level: 2 })));
    const share = parties.shares[0]!;
    const first = refresh.share(share, 1, a!);
    expect(refresh.share(share, 1, a!)).toEqual(first);
    expect(() => refresh.share(share, 1, b!)).toThrow(ProtocolError);
    // For ever, also for what it had answered.
    expect(() => refresh.share(share, 1, a!)).toThrow('the session is over');
  });
});

test('a rogue share of the public key gives everything to one party when nothing is committed to; here it opens no commitment', () => {
  const { kernel, ring, params } = context;
  using arena = context.arena();
  const honest = [0, 1].map(() => new SecretShare(context, SESSION));
  using own = new SecretShare(context, SESSION);
  using keys = new CollectiveKeys(context, SESSION, 3, {});
  const shares = [...honest, own].map((share) => keys.share(share, 0));
  const committed = shares.map((bytes, party) => commitment(SESSION, 'key 0', party, bytes));
  // The last party has seen the others' shares: it subtracts them from its own.
  const mods = params.qMods(params.maxLevel);
  const rogue = kernel.allocate(mods.length * params.n);
  const other = kernel.allocate(rogue.length);
  const unpacked = (out: Words, bytes: Uint8Array): void => {
    const each = bytes.length / mods.length;
    mods.forEach((limb, i) =>
      kernel.unpackBits(
        out.sub(i * params.n, params.n),
        bytes.slice(i * each, (i + 1) * each),
        params.q[limb]!.bits,
      ),
    );
  };
  unpacked(rogue, shares[2]!);
  for (const bytes of shares.slice(0, 2)) {
    unpacked(other, bytes);
    kernel.sub(ring.tables, rogue, rogue, other, mods);
  }
  const sent = new Uint8Array(shares[2]!.length);
  const each = sent.length / mods.length;
  mods.forEach((limb, i) =>
    kernel.packBits(
      sent.subarray(i * each, (i + 1) * each),
      rogue.sub(i * params.n, params.n),
      params.q[limb]!.bits,
    ),
  );
  for (const bytes of [shares[0]!, shares[1]!, sent]) keys.add(0, bytes);
  using publicKey = keys.publicKey();
  using encryptor = context.encryptor(publicKey, arena);
  const encoder = context.encoder(arena);
  const values = testValues(params.slots, 5);
  const rows = encryptor.encrypt(encoder.encode(values));
  // The attacker decrypts with its own share alone.
  const message = kernel.allocate(rows.polyWords);
  kernel.mul(ring.tables, message, rows.part(0, 1).words, shareWords(own).sub(0, message.length), mods);
  kernel.add(ring.tables, message, message, rows.part(0, 0).words, mods);
  kernel.nttInverse(ring.tables, message, mods);
  const coefficients = new Float64Array(params.n);
  kernel.toDoubles(ring.tables, coefficients, message, mods);
  const plain = encoder.encode(values);
  const expected = new Float64Array(params.n);
  const copy = kernel.allocate(message.length);
  copy.u64().set(plain.polynomial.words.u64());
  kernel.nttInverse(ring.tables, copy, mods);
  kernel.toDoubles(ring.tables, expected, copy, mods);
  const worst = coefficients.reduce((most, value, j) => Math.max(most, Math.abs(value - expected[j]!)), 0);
  expect(worst).toBeLessThan(2 ** 12);
  // With commitments the same share is refused before it is added.
  expect(opensCommitment(committed[2]!, SESSION, 'key 0', 2, shares[2]!)).toBe(true);
  expect(opensCommitment(committed[2]!, SESSION, 'key 0', 2, sent)).toBe(false);
  // Nor may it commit to what somebody else has.
  expect(opensCommitment(committed[0]!, SESSION, 'key 0', 2, shares[0]!)).toBe(false);
  for (const words of [rogue, other, message, copy, ...honest]) words[Symbol.dispose]();
});

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let [at, e] = [base % modulus, exponent]; e > 0n; e >>= 1n, at = (at * at) % modulus)
    if (e & 1n) result = (result * at) % modulus;
  return result;
}

test('what is encrypted under the collective key: all shares but one open noise, all of them open it (control)', () => {
  using arena = context.arena();
  using parties = makeParties(context, 3, {});
  const { slots, n } = context.params;
  const values = testValues(slots, 4);
  const message = context.encoder(arena).encode(values);
  using encryptor = context.encryptor(parties.publicKey, arena);
  const row = encryptor.encrypt(message);
  /** Largest coefficient of what a key makes of the row, relative to the scale. */
  const opened = (secret: Words) => phaseOf(context, row, secret).map((value) => value / row.scale);
  const size = (found: Float64Array) => found.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  using all = sumOfShares(context, parties.shares);
  const right = opened(all);
  // Slots in the unit square have coefficients of at most sqrt 2.
  expect(size(right)).toBeLessThan(2);
  for (const left of parties.shares) {
    using others = sumOfShares(
      context,
      parties.shares.filter((share) => share !== left),
    );
    const guessed = opened(others);
    // Uniform modulo Q: nothing of the size of a message, and no likeness.
    expect(size(guessed)).toBeGreaterThan(2 ** 40);
    const product = guessed.reduce((sum, value, i) => sum + value * right[i]!, 0);
    expect(Math.abs(product) / (Math.hypot(...guessed) * Math.hypot(...right))).toBeLessThan(
      5 / Math.sqrt(n),
    );
  }
});
