/** What an owner has to say yes to before anything of its data is encrypted under the rules that somebody else wrote. */
import * as arg from '../../../base/arguments.ts';
import { InvalidParamsError } from '../../../base/errors.ts';
import { type DatasetSpec, datasetDigest, needsApproval } from '../agreement/dataset-spec.ts';
import type { OwnerLedger } from './owner-ledger.ts';

export interface OwnerConsent {
  /** Yes to faithful mode, to a share over the default, or to less noise than was promised. */
  readonly understandsWhatLeaks?: boolean;
  /** The least deviation of noise in P x that the owner was promised. */
  readonly promisedNoise?: number;
  /** Digest of the only specification that the owner encrypts under. */
  readonly expectedDigest?: string;
  /** Notes what is encrypted; the caller keeps it on a disk. */
  readonly ledger?: OwnerLedger;
}

/** What a specification gives away beyond the default, as clauses; empty when an owner need not be asked. */
export function risksOf(spec: DatasetSpec, promisedNoise = 0): string[] {
  arg.checkArguments('risksOf', [spec, promisedNoise], {
    spec: arg.options,
    promisedNoise: arg.optional(arg.number),
  });
  const { mode, projection } = spec;
  const risks: string[] = [];
  if (mode === 'faithful') risks.push('faithful training gives the trainer every value of every sample');
  if (needsApproval(spec)) risks.push(`its share of ${projection?.budgetShare} is over the default`);
  const sigma = projection?.noise?.sigma ?? 0;
  if (sigma < promisedNoise)
    risks.push(
      `noise of deviation ${promisedNoise} was promised, it has ${sigma === 0 ? 'none' : String(sigma)}`,
    );
  return risks;
}

/** @throws {InvalidParamsError} naming each risk that was not accepted, or for another specification than the expected one. */
export function assertConsent(spec: DatasetSpec, consent: OwnerConsent): void {
  const { understandsWhatLeaks = false, promisedNoise, expectedDigest } = consent;
  const digest = datasetDigest(spec);
  if (expectedDigest !== undefined && expectedDigest !== digest)
    throw new InvalidParamsError(`"${spec.id}" has the digest ${digest}, expected was ${expectedDigest}`, {});
  const risks = risksOf(spec, promisedNoise);
  if (risks.length > 0 && !understandsWhatLeaks)
    throw new InvalidParamsError(
      `"${spec.id}" needs an owner that understands what leaks: ${risks.join('; ')}`,
      { risks },
    );
}
