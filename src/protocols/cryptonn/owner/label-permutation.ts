/**
 * The renaming of classes under which labels leave their owners. The trainer learns which samples share a class; which class that is,
 * is not said, and no secret: whoever knows what such data looks like finds out (prior-attack.ts). Owners of one training share the seed.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { shake256 } from '@noble/hashes/sha3.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Seed } from '../../../base/brand.ts';
import { OutOfRangeError } from '../../../base/errors.ts';

/** Bytes per draw; with 48 bits and at most 1,024 classes the bias is below 2^-38. */
const DRAW_BYTES = 6;

export class LabelPermutation {
  readonly classes: number;
  /** The same for owners with the same seed, and nothing else about it: hex. */
  readonly identity: string;
  readonly #renamed: Int32Array;
  readonly #original: Int32Array;

  constructor(seed: Seed, classes: number) {
    arg.checkArguments('new LabelPermutation', [seed, classes], { seed: arg.bytes, classes: arg.number });
    this.classes = classes;
    const label = utf8ToBytes('label permutation identity');
    this.identity = bytesToHex(shake256(concatBytes(seed, label), { dkLen: 32 }));
    this.#renamed = Int32Array.from({ length: classes }, (_, i) => i);
    const stream = shake256(concatBytes(seed, utf8ToBytes('label permutation')), {
      dkLen: DRAW_BYTES * classes,
    });
    for (let i = classes - 1; i > 0; i--) {
      let draw = 0;
      for (let b = 0; b < DRAW_BYTES; b++) draw = draw * 256 + (stream[DRAW_BYTES * i + b] as number);
      const j = draw % (i + 1);
      const kept = this.#renamed[i] as number;
      this.#renamed[i] = this.#renamed[j] as number;
      this.#renamed[j] = kept;
    }
    stream.fill(0);
    this.#original = new Int32Array(classes);
    this.#renamed.forEach((to, from) => {
      this.#original[to] = from;
    });
  }

  /** Names that the trainer sees. @throws {OutOfRangeError} for a label that is no class; names the index. */
  rename(labels: ArrayLike<number>): Int32Array {
    return this.#map(labels, this.#renamed);
  }

  /** True classes of what the trained network answers. @throws {OutOfRangeError} */
  restore(labels: ArrayLike<number>): Int32Array {
    return this.#map(labels, this.#original);
  }

  #map(labels: ArrayLike<number>, table: Int32Array): Int32Array {
    return Int32Array.from({ length: labels.length }, (_, i) => {
      const to = table[labels[i] as number];
      // The label itself is data: it stays out of the message.
      if (to === undefined)
        throw new OutOfRangeError(`label ${i}`, `a class below ${this.classes}`, 'another value');
      return to;
    });
  }
}

printOnOneLine(LabelPermutation);
arg.guard('LabelPermutation', LabelPermutation.prototype, {
  rename: { labels: arg.numbers },
  restore: { labels: arg.numbers },
});
