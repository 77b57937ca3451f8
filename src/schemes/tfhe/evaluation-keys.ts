/**
 * What a server needs to compute: for each bit s_i two ring ciphertexts (b, a) with phases g s_i and g s_i S, g = 2^digitShift, the rows
 * of an external product [CGGI20, section 3]; the key-switching key; and a public key, with which results are randomised again. All
 * uniform halves come from seeds.
 */
import type { ParamsId, Seed } from '../../base/brand.ts';
import { DisposedError } from '../../base/errors.ts';
import { Drbg, SEED_BYTES, seedFromBytes } from '../../base/random.ts';
import type { Words } from '../../kernel/kernel.ts';
import { handOver } from '../../ring/arena.ts';
import { copyWords } from '../../ring/poly.ts';
import { errorInto } from '../../ring/samplers.ts';
import { Scratch } from '../../ring/scratch.ts';
import { FIRST, type TfheContext } from './context.ts';
import { keySwitchBodies, setBodies, uniformPanels } from './key-switching-key.ts';
import type { TfheParams } from './params.ts';
import { type TfheSecretKey, tfheSecrets } from './secret-key.ts';
import {
  HEADER_BYTES,
  readTfheHeader,
  readResidues,
  residueBytes,
  TfheKind,
  writeTfheHeader,
  writeResidues,
} from './wire.ts';

/** What evaluators borrow. */
export interface TfheKeyWords {
  /** `[n, 2, 2]` polynomials as {@link Kernel.blindRotate} reads them. */
  readonly rotation: Words;
  /** Panels of the key-switching key. */
  readonly panels: Int32Array;
  /** (b, a) with b = -a S + e, NTT domain. */
  readonly publicKey: Words;
}

/** Of the uniform halves of ring ciphertexts, and of the words of the key-switching key. */
interface PublicSeeds {
  readonly ring: Seed;
  readonly lwe: Seed;
}

let wordsOf: (keys: TfheEvaluationKeys) => TfheKeyWords;

export class TfheEvaluationKeys implements Disposable {
  readonly paramsId: ParamsId;
  readonly #context: TfheContext;
  readonly #words: TfheKeyWords;
  readonly #seeds: PublicSeeds;
  readonly #bodies: Int32Array;
  readonly #all: Words;
  #isDisposed = false;

  static {
    wordsOf = (keys) => {
      if (keys.#isDisposed) throw new DisposedError('evaluation keys');
      return keys.#words;
    };
  }

  /** `halves` are the first halves of all ring ciphertexts, the public key's last: borrowed. Takes `panels`, uniform words. */
  private constructor(
    context: TfheContext,
    seeds: PublicSeeds,
    halves: Words,
    panels: Int32Array,
    bodies: Int32Array,
  ) {
    const { kernel, params, ring } = context;
    const { n, lweDimension } = params;
    this.paramsId = params.id;
    this.#context = context;
    this.#seeds = seeds;
    this.#bodies = bodies;
    using uniform = kernel.allocate(halves.length);
    kernel.uniform(ring.tables, uniform, seeds.ring, FIRST);
    setBodies(panels, params, bodies);
    const all = handOver(kernel.allocate(2 * halves.length), (words) => {
      for (let row = 0; row < halves.length / n; row++) {
        copyWords(words.sub(2 * row * n, n), halves.sub(row * n, n));
        copyWords(words.sub((2 * row + 1) * n, n), uniform.sub(row * n, n));
      }
      return words;
    });
    const rows = 4 * lweDimension * n;
    this.#words = { rotation: all.sub(0, rows), panels, publicKey: all.sub(rows, 2 * n) };
    this.#all = all;
  }

  /** Keys for ciphertexts under `key`: about a second of work and 100 MB for 16 messages. @throws {ParamsMismatchError} */
  static generate(context: TfheContext, key: TfheSecretKey): TfheEvaluationKeys {
    const { kernel, params, ring, random } = context;
    context.assertOwn('a secret key', key);
    const { n, lweDimension, digitShift } = params;
    const secrets = tfheSecrets(key);
    const fresh = random.seed();
    using drbg = new Drbg(fresh);
    fresh.fill(0);
    const seeds = { ring: drbg.nextPublicSeed(), lwe: drbg.nextPublicSeed() };
    const count = 2 * lweDimension + 1;
    using scratch = new Scratch(kernel);
    const [halves, product] = [scratch.allocate(count * n), scratch.allocate(count * n)];
    kernel.uniform(ring.tables, product, seeds.ring, FIRST);
    kernel.mul(ring.tables, product, product, secrets.words, FIRST);
    errorInto(ring, halves, drbg.nextKey('e'), FIRST);
    kernel.sub(ring.tables, halves, halves, product, FIRST);
    const [scaled, masked] = [scratch.allocate(n), scratch.allocate(n)];
    // g, below the prime.
    const gadget = 2 ** digitShift;
    kernel.mulScalar(ring.tables, scaled, secrets.words, [gadget], FIRST);
    for (let i = 0; i < lweDimension; i++) {
      const bit = secrets.lwe[i]!;
      const [first, second] = [halves.sub(2 * i * n, n), halves.sub((2 * i + 1) * n, n)];
      kernel.addScalar(ring.tables, first, first, [bit * gadget], FIRST);
      kernel.mulScalar(ring.tables, masked, scaled, [bit], FIRST);
      kernel.add(ring.tables, second, second, masked, FIRST);
    }
    const noiseKey = drbg.nextKey('e');
    try {
      const panels = uniformPanels(params, seeds.lwe);
      const bodies = keySwitchBodies(context, secrets, panels, noiseKey);
      return new TfheEvaluationKeys(context, seeds, halves, panels, bodies);
    } finally {
      noiseKey.fill(0);
    }
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** Bytes on the wire. */
  static byteLength(params: TfheParams): number {
    return HEADER_BYTES + bodyBytes(params);
  }

  /** Header, seed, the first halves of ring ciphertexts, the bodies of the key-switching key. @throws {DisposedError} */
  toBytes(): Uint8Array {
    const { kernel, params } = this.#context;
    const { n } = params;
    const { rotation, publicKey } = wordsOf(this);
    const writer = writeTfheHeader(TfheKind.evaluationKeys, this.paramsId, bodyBytes(params));
    writer.bytes(this.#seeds.ring);
    writer.bytes(this.#seeds.lwe);
    using half = kernel.allocate(n);
    for (const words of [rotation, publicKey]) {
      for (let at = 0; at < words.length; at += 2 * n) {
        copyWords(half, words.sub(at, n));
        writeResidues(writer, this.#context, half);
      }
    }
    for (const body of this.#bodies) writer.u32(body >>> 0);
    return writer.finish();
  }

  /** @throws {DecodeError} {@link ParamsMismatchError} */
  static fromBytes(context: TfheContext, bytes: Uint8Array): TfheEvaluationKeys {
    const { kernel, params } = context;
    const reader = readTfheHeader('evaluation keys', bytes, TfheKind.evaluationKeys, params.id);
    if (reader.remaining !== bodyBytes(params)) throw reader.error('wrong length');
    const seeds = {
      ring: seedFromBytes(reader.bytes(SEED_BYTES)),
      lwe: seedFromBytes(reader.bytes(SEED_BYTES)),
    };
    const count = 2 * params.lweDimension + 1;
    using halves = kernel.allocate(count * params.n);
    for (let row = 0; row < count; row++) readResidues(reader, context, halves.sub(row * params.n, params.n));
    const bodies = Int32Array.from({ length: params.keySwitchRows }, () => reader.u32() | 0);
    reader.end();
    return new TfheEvaluationKeys(context, seeds, halves, uniformPanels(params, seeds.lwe), bodies);
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#all[Symbol.dispose]();
  }
}

/** @throws {DisposedError} */
export function tfheKeyWords(keys: TfheEvaluationKeys): TfheKeyWords {
  return wordsOf(keys);
}

function bodyBytes(params: TfheParams): number {
  return (
    2 * SEED_BYTES + (2 * params.lweDimension + 1) * residueBytes(params, params.n) + 4 * params.keySwitchRows
  );
}
