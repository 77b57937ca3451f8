/** Master keys of the schemes in use, made from the authority's seeds at first need and kept until disposal. */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../../base/brand.ts';
import type { RandomSource } from '../../../base/random.ts';
import { sha256Digest } from '../../../base/sha256.ts';
import type { FunctionKeys, MasterKeys } from '../../../fe/inner-product-scheme.ts';
import type { KeyDerivation } from './authority.ts';
import type { SchemeFor } from '../agreement/dataset-schemes.ts';
import type { AxisName, DatasetSpec } from '../agreement/dataset-spec.ts';

const SEED_BYTES = 32;

/** Seeds SHAKE256(seed || 0), SHAKE256(seed || 1), ...: setup becomes a function of the seed. */
function seededRandom(seed: Seed): RandomSource {
  let count = 0;
  return { seed: () => shake256(concatBytes(seed, Uint8Array.of(count++)), { dkLen: SEED_BYTES }) as Seed };
}

/** A hash, since the map's names outlive the seed, which the caller wipes. */
function nameOf(seed: Seed): string {
  return bytesToHex(sha256Digest(concatBytes(seed, Uint8Array.of(0xff, 0xff))));
}

export class MasterKeyring implements KeyDerivation<FunctionKeys>, Disposable {
  readonly #schemeFor: SchemeFor;
  readonly #keys = new Map<string, MasterKeys>();

  constructor(schemeFor: SchemeFor) {
    arg.checkArguments('new MasterKeyring', [schemeFor], { schemeFor: arg.callback });
    this.#schemeFor = schemeFor;
  }

  deriveKeys(seed: Seed, spec: DatasetSpec, axis: AxisName, weights: Int32Array): FunctionKeys {
    return this.#schemeFor(spec, axis).deriveKeys(this.#masterKeys(seed, spec, axis).secretKey, weights);
  }

  publicKey(seed: Seed, spec: DatasetSpec, axis: AxisName): Uint8Array {
    return this.#masterKeys(seed, spec, axis).publicKey.toBytes();
  }

  discardKeys(keys: FunctionKeys): void {
    keys[Symbol.dispose]();
  }

  forget(seed: Seed): void {
    const name = nameOf(seed);
    const keys = this.#keys.get(name);
    keys?.publicKey[Symbol.dispose]();
    keys?.secretKey[Symbol.dispose]();
    this.#keys.delete(name);
  }

  #masterKeys(seed: Seed, spec: DatasetSpec, axis: AxisName): MasterKeys {
    const name = nameOf(seed);
    let keys = this.#keys.get(name);
    if (keys === undefined) {
      keys = this.#schemeFor(spec, axis).setup(seededRandom(seed));
      this.#keys.set(name, keys);
    }
    return keys;
  }

  [Symbol.dispose](): void {
    for (const { publicKey, secretKey } of this.#keys.values()) {
      publicKey[Symbol.dispose]();
      secretKey[Symbol.dispose]();
    }
    this.#keys.clear();
  }
}

printOnOneLine(MasterKeyring);
arg.guard('MasterKeyring', MasterKeyring.prototype, {
  deriveKeys: {
    seed: arg.bytes,
    spec: arg.options,
    axis: arg.oneOf('forward', 'gradient', 'projection', 'labels'),
    weights: arg.typed('an Int32Array', Int32Array),
  },
  publicKey: {
    seed: arg.bytes,
    spec: arg.options,
    axis: arg.oneOf('forward', 'gradient', 'projection', 'labels'),
  },
  discardKeys: { keys: arg.like('a FunctionKeys', 'rows', 'toBytes') },
  forget: { seed: arg.bytes },
});
