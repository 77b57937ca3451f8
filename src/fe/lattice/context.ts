/** What the objects of one lattice scheme compute with. */
import type { Kernel, RingTables } from '../../kernel/kernel.ts';
import type { LatticeParams } from './params.ts';

/** What the objects of one scheme share. */
export interface LatticeContext {
  readonly params: LatticeParams;
  readonly kernel: Kernel;
  /** Z_q[X]/(X^d + 1) over all primes of q. */
  readonly ring: RingTables;
  /** One prime, n words: integers of function keys. */
  readonly keyRing: RingTables;
  readonly mods: readonly number[];
}
