/**
 * A linear map on slots, encoded: its diagonals over q_0 .. q_level and the special primes, so that products with keys can be
 * weighted before P is divided away. Diagonal d multiplies the slots rotated by d: out[j] = sum_d diagonal_d[j] in[j + d mod N/2].
 */
import type { Level, ParamsId, Scale } from '../../base/brand.ts';
import type { Words } from '../../kernel/kernel.ts';
import { Owned } from '../../ring/arena.ts';
import type { WeightedGiantStep } from '../rlwe/double-hoisting.ts';
import type { GiantStep } from '../rlwe/giant-steps.ts';
import type { CkksContextBase } from './context-base.ts';

/** What is known of a transform besides its values. */
interface LinearTransformFacts {
  readonly context: CkksContextBase;
  readonly level: number;
  readonly scale: number;
  /** Largest sum of |weights| over the rows of the matrix, with what encoding adds. */
  readonly rowNorm: number;
  /** One polynomial each in memory, in this order. */
  readonly giants: readonly GiantStep[];
}

export class LinearTransform extends Owned {
  readonly context: CkksContextBase;
  readonly level: Level;
  readonly scale: Scale;
  readonly rowNorm: number;
  readonly #giants: readonly GiantStep[];
  #words: Words;

  /** Takes ownership of `words`: per diagonal level + 1 limbs of q, then those of p. */
  constructor(words: Words, { context, level, scale, rowNorm, giants }: LinearTransformFacts) {
    super();
    this.context = context;
    this.level = level as Level;
    this.scale = scale as Scale;
    this.rowNorm = rowNorm;
    this.#giants = giants;
    this.#words = words;
  }

  get paramsId(): ParamsId {
    return this.context.params.id;
  }

  /** Borrowed weights in the order of evaluation. @throws {DisposedError} */
  get giantSteps(): WeightedGiantStep[] {
    this.assertLive('a linear transform');
    const { params } = this.context;
    const each = (this.level + 1 + params.p.length) * params.n;
    let at = 0;
    return this.#giants.map(({ step, babies }) => ({
      step,
      babies: babies.map((baby) => ({ step: baby, weight: this.#words.sub(each * at++, each) })),
    }));
  }

  protected override free(): void {
    this.#words.wipe();
  }
}
