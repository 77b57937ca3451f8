/** What a training has given away so far, as numbers and as one sentence. */
import { solvableUnknowns } from '../../protocols/cryptonn/leak-budget.ts';
import type { RemoteAuthority } from './remote-authority.ts';
import type { TrainingData } from './training-data.ts';

export interface TrainingLeakage {
  readonly keysIssued: number;
  readonly rankIssued: number;
  /** Values of the data set. */
  readonly unknowns: number;
  /** Of them, what linear algebra computes exactly. */
  readonly unknownsSolvable: number;
}

/** `imageRank` is the rank of the equations of one image where windows are encrypted, as {@link TrainingProgress} has it. */
export function leakageOf(
  authority: RemoteAuthority,
  { spec, samples }: TrainingData,
  imageRank?: number,
): TrainingLeakage {
  const { features, batch } = spec;
  const forward = Math.max(authority.rank('forward'), authority.rank('projection'));
  const gradient = authority.rank('gradient');
  return {
    keysIssued: authority.keys,
    rankIssued: forward + gradient,
    unknowns: samples * features,
    unknownsSolvable:
      spec.convolution === undefined
        ? solvableUnknowns({ features, batch, forward, gradient }, samples)
        : (imageRank ?? 0) * samples,
  };
}

/** One sentence that a trainer cannot overlook. */
export function whatLeaked({ spec }: TrainingData, leakage: TrainingLeakage): string {
  const { keysIssued, rankIssued, unknowns, unknownsSolvable } = leakage;
  const share = `${keysIssued} keys of rank ${rankIssued}: ${unknownsSolvable} of ${unknowns} unknowns of the data are solvable by linear algebra`;
  return spec.mode === 'faithful'
    ? `What leaked: ${share}; subrosa attack cryptonn shows the inputs.`
    : `What leaked: P x of every sample, as if it were published (${share}), and which samples share a class.`;
}
