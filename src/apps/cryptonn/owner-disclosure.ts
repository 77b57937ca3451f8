/** What an owner is shown before anything is encrypted, and what its ledger keeps of it. */
import { InvalidParamsError, UsageError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { LabelledImages } from '../../nn/index.ts';
import { countBeyond, fixedPoint } from '../../protocols/cryptonn/owner/data-owner.ts';
import {
  type DatasetSpec,
  datasetApprovals,
  datasetDigest,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
import { budgetOf, type LedgerReview } from '../../protocols/cryptonn/owner/owner-ledger.ts';
import { type MeasuredLeak, measureLeak } from '../../protocols/cryptonn/leakage/prior-attack.ts';
import { projectionPrivacy } from '../../protocols/cryptonn/agreement/projection-noise.ts';
import { whatNoisePromises } from './leakage.ts';
import { ledgerDirectory, withLedger } from './ledger-file.ts';
import { leakFigures, leakLines } from './measured-leak.ts';
import { scaledPixels } from './owner-session.ts';

export interface OwnerDisclosure {
  readonly review: LedgerReview;
  /** Dimensions that may be known outside. */
  readonly budget: number;
  /** Half of the owner's own samples against the other half; undefined in faithful mode, or where they are too few. */
  readonly leak: MeasuredLeak | undefined;
  /** Values beyond the bound, which are encrypted as the bound. */
  readonly clipped: number;
}

export interface DisclosureFlags {
  readonly white: number;
  readonly ledger?: string;
  readonly iUnderstandWhatLeaks?: boolean;
}

/**
 * Measures what leaks on the owner's own data and notes the encryption in the ledger, on the disk before it happens.
 * @throws {UsageError} when the budget is spent, or noise that an earlier encryption had is missing.
 */
export async function disclose(
  spec: DatasetSpec,
  images: LabelledImages,
  flags: DisclosureFlags,
  env: NodeJS.ProcessEnv,
  kernel: Kernel,
): Promise<OwnerDisclosure> {
  const { ledger: directory = ledgerDirectory(env), iUnderstandWhatLeaks: isUnderstood = false } = flags;
  const { inputScale, inputBound } = spec;
  // The same for all data: no authority can ask about them by a bound.
  if (inputScale > inputBound)
    throw new UsageError(
      `"${spec.id}" gives 1.0 the integer ${inputScale}, which is over its bound of ${inputBound}: nothing was encrypted`,
    );
  const pixels = scaledPixels(images, flags.white);
  const leak = ownLeak(spec, fixedPoint(pixels, inputScale, inputBound), images.labels, kernel);
  const inputs = fixedPoint(pixels, inputScale);
  const review = await withLedger(directory, (ledger) => {
    if (ledger.review(spec, inputs, kernel).losesNoise && !isUnderstood)
      throw new UsageError(
        'an earlier encryption of these data had noise, this one has none: add --i-understand-what-leaks if you want that',
      );
    try {
      return ledger.approve(spec, inputs, isUnderstood, kernel);
    } catch (error) {
      if (error instanceof InvalidParamsError)
        throw new UsageError(`${error.message}: nothing was encrypted`);
      throw error;
    }
  });
  const clipped = countBeyond(pixels, inputScale, inputBound);
  return { review, leak, clipped, budget: budgetOf(spec, isUnderstood) };
}

function ownLeak(
  spec: DatasetSpec,
  inputs: Int32Array,
  labels: Uint8Array,
  kernel: Kernel,
): MeasuredLeak | undefined {
  if (spec.projection === undefined) return undefined;
  try {
    return measureLeak(spec, { inputs, labels }, kernel, kernel, systemRandom);
  } catch (error) {
    // Too few samples to know anything from.
    if (error instanceof InvalidParamsError) return undefined;
    throw error;
  }
}

const OWN = 'your own samples';

export function disclosureLines(
  spec: DatasetSpec,
  { review, leak, clipped, budget }: OwnerDisclosure,
): string[] {
  const { rank, rankBefore, features, encryptions, datasets, sigma } = review;
  const before =
    encryptions === 0
      ? 'nothing of these data was encrypted before'
      : `before: rank ${rankBefore} by ${encryptions} encryptions for ${datasets.join(', ')}`;
  const privacy = projectionPrivacy(spec);
  const approvals = datasetApprovals(spec).map(({ name, key }) => `${name} (${key.slice(0, 16)}...)`);
  return [
    `${spec.id}  ${spec.mode} mode, digest ${datasetDigest(spec)}`,
    ...(approvals.length > 0 ? [`approved by the keys of ${approvals.join(' and ')}`] : []),
    `known outside afterwards: rank ${rank} of ${features}, budget ${budget} (${before})`,
    ...(clipped > 0
      ? [
          `${clipped} values are over ${spec.inputBound / spec.inputScale} and were cut to it: is --white right?`,
        ]
      : []),
    ...(privacy === undefined ? ['noise: none'] : [whatNoisePromises(privacy)]),
    ...(privacy !== undefined && encryptions > 0
      ? [
          `all encryptions together average the noise: ${sigma === 0 ? 'one of them had none' : `deviation ${sigma.toFixed(0)} is left`}`,
        ]
      : []),
    ...(spec.mode === 'faithful'
      ? ['The trainer computes every value of every sample, and what the classes are.']
      : leak === undefined
        ? [`What that gives away was not measured: too few samples for rank ${spec.projection?.rank}.`]
        : leakLines(leak, OWN)),
  ];
}

/** For programs. */
export function disclosureFigures(spec: DatasetSpec, { review, leak, clipped, budget }: OwnerDisclosure) {
  const { rank, rankBefore, encryptions } = review;
  return {
    ...{ mode: spec.mode, digest: datasetDigest(spec), rankKnown: rank, rankBefore, budget, encryptions },
    clipped,
    noise: spec.projection?.noise?.sigma ?? 0,
    ...(leak === undefined ? {} : { measuredLeak: leakFigures(leak, OWN) }),
  };
}
