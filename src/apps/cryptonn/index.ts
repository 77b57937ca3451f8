/**
 * subrosa/cryptonn: training a network on data that the trainer cannot read.
 *
 *   DatasetSpec, parseDatasetSpec      what all agree on before anything is encrypted
 *   Authority, MasterKeyring           holds master keys, decides which inner products may be known, keeps a log
 *   AuthorityFiles, buildAuthorityApp  its state on a disk, and its HTTP face for `listenApp` of subrosa/server
 *   DataOwner, LabelPermutation        encrypts batches under secret names of the classes, with its owner's consent
 *   OwnerLedger                        what was ever encrypted of an owner's data: give it to DataOwner, keep it on a disk
 *   measureLeak, PriorAttack           what a trainer that knows such data makes of P x
 *   signApproval, approverKey          approvals of a share over the default
 *   EncryptedBatch, FixedPointTrainer  what a trainer holds, and faithful training on it
 *   projectionKeys, projectedInputs    projected training: P x, and the inputs of an ordinary network
 *   RemoteAuthority                    the authority as owners and trainers see it over HTTP
 *   DatasetSchemes                     the encryption that a data set names, the same for everybody
 *   writeKeyRequest ... readBatch      the messages, for channels of one's own
 *   projectionPrivacy, rankBudget      what noise promises, and how much rank may be spent
 */
export { type RandomSource, systemRandom } from '../../base/random.ts';
export { openKernel, type OpenKernelOptions } from '../../kernel/open.ts';
export type { LogHead } from '../../protocols/cryptonn/agreement/log-head.ts';
export type { LogRecord } from '../../protocols/cryptonn/authority/audit-log.ts';
export {
  Authority,
  type KeyAnswer,
  type KeyDerivation,
  type KeyRequest,
} from '../../protocols/cryptonn/authority/authority.ts';
export {
  type Approval,
  type Approver,
  approverKey,
  signApproval,
} from '../../protocols/cryptonn/agreement/dataset-approvals.ts';
export type { AuthorityStorage } from '../../protocols/cryptonn/authority/authority-storage.ts';
export {
  batchAxes,
  type BatchContent,
  readBatch,
  writeBatch,
} from '../../protocols/cryptonn/agreement/batch-bytes.ts';
export { type AxisCiphertexts, type KeySource } from '../../protocols/cryptonn/trainer/axis-ciphertexts.ts';
export {
  type BatchProducts,
  ClearBatch,
  EncryptedBatch,
} from '../../protocols/cryptonn/trainer/batch-products.ts';
export { faithfulNetwork, foldProjection } from '../../protocols/cryptonn/trainer/clear-network.ts';
export { checkOwnerScales, DataOwner, type OwnerAxis } from '../../protocols/cryptonn/owner/data-owner.ts';
export type { OwnedBatch } from '../../protocols/cryptonn/agreement/batch-bytes.ts';
export { DatasetSchemes } from '../../protocols/cryptonn/agreement/dataset-schemes.ts';
export {
  approvalText,
  type AxisName,
  type DatasetSpec,
  datasetDigest,
  parseDatasetSpec,
  parseUnapprovedSpec,
} from '../../protocols/cryptonn/agreement/dataset-spec.ts';
export { EncryptedLabels } from '../../protocols/cryptonn/trainer/encrypted-labels.ts';
export {
  denseFirstLayer,
  type FirstLayer,
  pooledConvolution,
} from '../../protocols/cryptonn/trainer/first-layer.ts';
export {
  type FixedPointOptions,
  FixedPointTrainer,
  type StepReport,
} from '../../protocols/cryptonn/trainer/fixed-point-trainer.ts';
export {
  readKeyAnswer,
  readKeyRequest,
  writeKeyAnswer,
  writeKeyRequest,
} from '../../protocols/cryptonn/agreement/key-messages.ts';
export { LabelPermutation } from '../../protocols/cryptonn/owner/label-permutation.ts';
export {
  rankBudget,
  solvableUnknowns,
  uniqueSolutionRank,
} from '../../protocols/cryptonn/agreement/leak-budget.ts';
export { LENET_WINDOWS, lenetLayers } from '../../protocols/cryptonn/trainer/lenet.ts';
export { verifyAuthorityLog } from '../../protocols/cryptonn/authority/log-verification.ts';
export { MasterKeyring } from '../../protocols/cryptonn/authority/master-keyring.ts';
export type { SchemeFor } from '../../protocols/cryptonn/agreement/dataset-schemes.ts';
export {
  projectedInputs,
  type Standardisation,
  standardisationOf,
} from '../../protocols/cryptonn/trainer/projected-inputs.ts';
export { type OwnerConsent, risksOf } from '../../protocols/cryptonn/owner/owner-consent.ts';
export { type LedgerReview, OwnerLedger } from '../../protocols/cryptonn/owner/owner-ledger.ts';
export {
  type MeasuredLeak,
  measureLeak,
  PriorAttack,
} from '../../protocols/cryptonn/leakage/prior-attack.ts';
export { projectionKeys, projectionPrivacy } from '../../protocols/cryptonn/agreement/projection-noise.ts';
export { projectionMatrix } from '../../protocols/cryptonn/agreement/projection.ts';
export { attackTranscript } from '../../protocols/cryptonn/leakage/transcript-attack.ts';
export { buildAuthorityApp } from './authority-app.ts';
export { AuthorityFiles } from './authority-files.ts';
export { type AuthorityPolicy, readPolicy, withParty, writePolicy } from './policy-file.ts';
export { RemoteAuthority } from './remote-authority.ts';
