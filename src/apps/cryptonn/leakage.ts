/** What a training has given away so far, as numbers and as one sentence. */
import { solvableUnknowns } from '../../protocols/cryptonn/agreement/leak-budget.ts';
import type {
  PrivacyGuarantee,
  ProjectionPrivacy,
} from '../../protocols/cryptonn/agreement/projection-noise.ts';
import type { RemoteAuthority } from './remote-authority.ts';
import type { TrainingData } from './training-data.ts';

export interface TrainingLeakage {
  readonly keysIssued: number;
  readonly rankIssued: number;
  /** Values of the data set. */
  readonly unknowns: number;
  /** Of them, what linear algebra computes exactly. */
  readonly unknownsSolvable: number;
  /** Where owners put noise into the products: what it promises. */
  readonly privacy?: ProjectionPrivacy;
}

/** `imageRank` is the rank of the equations of one image where windows are encrypted, as {@link TrainingProgress} has it. */
export function leakageOf(
  authority: RemoteAuthority,
  { spec, samples, privacy }: TrainingData,
  imageRank?: number,
): TrainingLeakage {
  const { features, batch } = spec;
  const forward = Math.max(authority.rank('forward'), authority.rank('projection'));
  const gradient = authority.rank('gradient');
  const solvable = () => {
    // Each product comes with a noise value of its own, one unknown more.
    if (privacy !== undefined) return 0;
    if (spec.convolution !== undefined) return (imageRank ?? 0) * samples;
    return solvableUnknowns({ features, batch, forward, gradient }, samples);
  };
  return {
    keysIssued: authority.keys,
    rankIssued: forward + gradient,
    unknowns: samples * features,
    unknownsSolvable: solvable(),
    ...(privacy === undefined ? {} : { privacy }),
  };
}

/** One sentence that a trainer cannot overlook. */
export function whatLeaked({ spec }: TrainingData, leakage: TrainingLeakage): string {
  const { keysIssued, rankIssued, unknowns, unknownsSolvable, privacy } = leakage;
  const share = `${keysIssued} keys of rank ${rankIssued}: ${unknownsSolvable} of ${unknowns} unknowns of the data are solvable by linear algebra`;
  if (spec.mode === 'faithful') return `What leaked: ${share}; subrosa attack cryptonn shows the inputs.`;
  const what =
    privacy === undefined
      ? 'P x of every sample, as if it were published'
      : `P x of every sample with noise of deviation ${privacy.sigma}, as if that were published`;
  const promise = privacy === undefined ? '' : `\n${whatNoisePromises(privacy)}`;
  return `What leaked: ${what} (${share}), and which samples share a class; look-alike data tell which class.${promise}`;
}

/** For people: the guarantee, or that there is none. */
export function whatNoisePromises({ sample, value }: ProjectionPrivacy): string {
  const words = ({ epsilon, delta }: PrivacyGuarantee) =>
    delta < 1
      ? `epsilon ${epsilon.toFixed(2)}, delta ${delta.toExponential(1)}`
      : `nothing (epsilon ${epsilon.toFixed(0)})`;
  return `What the noise promises for a whole sample: ${words(sample)}; for one of its values: ${words(value)}; for labels: nothing.`;
}
