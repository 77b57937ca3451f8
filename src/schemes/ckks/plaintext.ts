/** An encoded polynomial: integers scale * m, NTT domain over q_0 .. q_level. Wiped when disposed: it may hold a decrypted value. */
import type { Level, ParamsId, Scale } from '../../base/brand.ts';
import type { Words } from '../../kernel/kernel.ts';
import { Owned } from '../../ring/arena.ts';
import type { Poly } from '../../ring/poly.ts';
import type { CkksContextBase } from './context-base.ts';
import type { BoundAt } from './message-bound.ts';

export class CkksPlaintext extends Owned {
  readonly context: CkksContextBase;
  readonly level: Level;
  readonly scale: Scale;
  /** No slot is above it: see message-bound.ts. */
  readonly maxAbs: number;
  #words: Words;

  /** Takes ownership of `words`, (level + 1) * n of them. */
  constructor(context: CkksContextBase, words: Words, { level, scale, maxAbs }: BoundAt) {
    super();
    this.context = context;
    this.#words = words;
    this.level = level as Level;
    this.scale = scale as Scale;
    this.maxAbs = maxAbs;
  }

  get paramsId(): ParamsId {
    return this.context.params.id;
  }

  /** Borrowed. @throws {DisposedError} */
  get polynomial(): Poly<'ntt'> {
    this.assertLive('a plaintext');
    return { domain: 'ntt', mods: this.context.qMods(this.level), words: this.#words };
  }

  /** Decrypted values may not outlive their owner: they print as nothing. */
  toJSON(): string {
    return '[plaintext]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `CkksPlaintext(level ${this.level}, scale 2^${Math.log2(this.scale).toFixed(2)})`;
  }

  protected override free(): void {
    this.#words.wipe();
  }
}
