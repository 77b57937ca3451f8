/**
 * How much inner products reveal. Three thresholds, from weak to strong attackers:
 * linear algebra (rank = unknowns), bounded solutions (lattice reduction or counting), and what the authority issues.
 */
import * as arg from '../../../base/arguments.ts';

/** Bits of an integer in [-bound, bound] or [0, bound], as the threshold counts them: log2(bound + 1). */
export function boundBits(bound: number): number {
  return Math.log2(bound + 1);
}

/**
 * Number of keys from which the data is usually the only bounded solution: n bx / (bx + by + log2(n) / 2), for n unknowns of bx bits
 * and key entries of by bits. Lattice attacks reach it for n up to some tens and come near
 * it for a hundred.
 */
export function uniqueSolutionRank(length: number, inputBound: number, weightBound: number): number {
  arg.checkArguments('uniqueSolutionRank', [length, inputBound, weightBound], {
    length: arg.number,
    inputBound: arg.number,
    weightBound: arg.number,
  });
  const bx = boundBits(inputBound);
  return (length * bx) / (bx + boundBits(weightBound) + Math.log2(length) / 2);
}

/** The largest rank that an authority issues: a share of {@link uniqueSolutionRank}, rounded down. */
export function rankBudget(length: number, inputBound: number, weightBound: number, share: number): number {
  arg.checkArguments('rankBudget', [length, inputBound, weightBound, share], {
    length: arg.number,
    inputBound: arg.number,
    weightBound: arg.number,
    share: arg.number,
  });
  return Math.floor(share * uniqueSolutionRank(length, inputBound, weightBound));
}

/** Ranks of issued keys over one encrypted matrix per batch: `features` x `batch`, keys along either axis. */
export interface RevealedRanks {
  readonly features: number;
  readonly batch: number;
  /** Rank of the keys over the features of a sample, at most `features`. */
  readonly forward: number;
  /** Rank of the keys over the samples of a batch, at most `batch`. */
  readonly gradient: number;
}

/**
 * Unknowns that linear algebra alone eliminates, of the features x samples in the data set: per batch r B + r' n - r r', all of them
 * when either rank is full.
 */
export function solvableUnknowns(ranks: RevealedRanks, samples: number): number {
  arg.checkArguments('solvableUnknowns', [ranks, samples], {
    ranks: arg.like('a RevealedRanks', 'features', 'batch'),
    samples: arg.number,
  });
  const { features, batch, forward, gradient } = ranks;
  const perBatch = forward * batch + gradient * features - forward * gradient;
  return Math.round((perBatch * samples) / batch);
}
