/**
 * What owners, trainer and authority agree on before anything is encrypted. The digest of the whole specification goes into the
 * derivation of the master keys, so changing any rule of a data set gives keys that open nothing of the old one.
 */
import * as arg from '../../../base/arguments.ts';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';
import { DecodeError, InvalidParamsError } from '../../../base/errors.ts';
import { sha256Digest } from '../../../base/sha256.ts';
import { APPROVALS_NEEDED, type Approval, approvalSchema, validApprovals } from './dataset-approvals.ts';
import { rankBudget } from './leak-budget.ts';

/** Which vectors share a master key: features of a sample, samples of a batch, features under a projection. */
export const AXIS_NAMES = ['forward', 'gradient', 'projection', 'labels'] as const;
export type AxisName = (typeof AXIS_NAMES)[number];

const count = (most: number) => z.int().min(1).max(most);

/** Images and the windows that are encrypted of them. */
export const convolutionSchema = z.strictObject({
  channels: count(64),
  height: count(1024),
  width: count(1024),
  size: count(32),
  stride: count(32),
  padding: z.int().min(0).max(31),
  gradientSamples: count(4096),
});

/** The fields alone; {@link parseDatasetSpec} also checks that they fit together. */
export const datasetSpecSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  scheme: z.enum(['lattice', 'ddh', 'ddh-selective']),
  mode: z.enum(['faithful', 'projected']),
  /** Values of one sample. */
  features: count(65_536),
  /** An input value 1.0 is this integer: 100 for two decimals. */
  inputScale: count(65_535),
  /** Integers run from 0, or from -inputBound, to inputBound. */
  inputBound: count(65_535),
  classes: count(1024),
  /** Samples per encrypted batch. */
  batch: count(4096),
  /**
   * Faithful mode with a convolution: samples are images, and what is encrypted are their windows. Along the batch, the windows
   * of `gradientSamples` samples form one vector.
   */
  convolution: convolutionSchema.optional(),
  /** Projected mode: keys are issued for the rows of one public matrix and their combinations. */
  projection: z
    .strictObject({
      rank: count(4096),
      seed: z.string().regex(/^[0-9a-f]{64}$/),
      /** Share of the unique-solution rank that the authority may issue; above 0.25 two approvers signed. */
      budgetShare: z.number().gt(0).lte(1),
      /** Names alone, without a signature, are in logs of earlier versions; they approve nothing. */
      approvedBy: z.array(z.union([approvalSchema, z.string().min(1).max(64)])).max(8),
      /** Discrete Gaussian noise that owners put into every product, in the units of P x. */
      noise: z
        .strictObject({
          sigma: z.int().min(4).max(8192),
          /** For which epsilon is reported. */
          delta: z.number().gt(0).max(0.01),
          /** Euclidean, of a sample as integers; owners scale longer ones down to it. */
          largestNorm: count(2 ** 24).optional(),
        })
        .optional(),
    })
    .optional(),
  /** Faithful mode: bounds of key entries along the features and along the batch. */
  faithful: z
    .strictObject({
      acknowledged: z.literal('I understand what leaks'),
      weightBound: count(4095),
      gradientBound: count(4095),
      /** One-hot under the secret class names, instead of the names themselves. */
      labels: z.literal('encrypted').optional(),
    })
    .optional(),
});

export type DatasetSpec = z.infer<typeof datasetSpecSchema>;

/** Without the signatures of two approvers a projection spends at most this share of the unique-solution rank. */
export const DEFAULT_BUDGET_SHARE = 0.25;

/** Entries of the projection are -1, 0 and 1. */
export const PROJECTION_BOUND = 1;

/**
 * A specification, with the approvals that its share of the budget needs; whether their keys are enrolled, the authority decides.
 * @throws {DecodeError} when the value is not a specification. {@link InvalidParamsError} when it contradicts itself or its budget.
 */
export function parseDatasetSpec(value: unknown): DatasetSpec {
  const spec = parseUnapprovedSpec(value);
  const missing = approvalsMissing(spec);
  if (missing === 0) return spec;
  throw new InvalidParamsError(
    `a budget share of ${spec.projection?.budgetShare}, over ${DEFAULT_BUDGET_SHARE}, needs ${missing} more approvals signed by different keys under different names`,
    { missing },
  );
}

/**
 * The same without a look at approvals: to be approved, or as a log of an earlier version has it.
 * @throws {DecodeError} {@link InvalidParamsError}
 */
export function parseUnapprovedSpec(value: unknown): DatasetSpec {
  const parsed = datasetSpecSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DecodeError('a data set', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const spec = parsed.data;
  if ((spec.mode === 'projected') !== (spec.projection !== undefined))
    throw new InvalidParamsError('a projected data set needs a projection, and only that one has it', {});
  if ((spec.mode === 'faithful') !== (spec.faithful !== undefined))
    throw new InvalidParamsError(
      'a faithful data set needs its acknowledgement, and only that one has it',
      {},
    );
  if (spec.projection !== undefined) checkProjection(spec, spec.projection);
  if (spec.convolution !== undefined) checkConvolution(spec, spec.convolution);
  return spec;
}

function checkProjection(spec: DatasetSpec, projection: NonNullable<DatasetSpec['projection']>): void {
  const { rank, budgetShare } = projection;
  const budget = rankBudget(spec.features, spec.inputBound, PROJECTION_BOUND, budgetShare);
  if (rank > budget) {
    throw new InvalidParamsError(
      `a projection of rank ${rank} is over the budget of ${budget} for ${spec.features} values up to ${spec.inputBound}: lower the rank or have two approvers sign a larger share`,
      { rank, budget },
    );
  }
}

function checkConvolution(spec: DatasetSpec, convolution: NonNullable<DatasetSpec['convolution']>): void {
  const { channels, height, width, size, padding, gradientSamples } = convolution;
  if (spec.mode !== 'faithful')
    throw new InvalidParamsError('only a faithful data set encrypts the windows of a convolution', {});
  if (channels * height * width !== spec.features)
    throw new InvalidParamsError(`a sample has ${spec.features} values, not those of the images`, {});
  if (padding >= size || size > Math.min(height, width) + 2 * padding)
    throw new InvalidParamsError('the windows do not fit the images', { size, padding });
  if (spec.batch % gradientSamples !== 0)
    throw new InvalidParamsError(`a batch of ${spec.batch} does not divide into ${gradientSamples}`, {});
}

/** Whether the rules of the data set need approvals at all. */
export function needsApproval({ projection }: DatasetSpec): boolean {
  return projection !== undefined && projection.budgetShare > DEFAULT_BUDGET_SHARE;
}

/** The valid approvals of a data set by different keys and names. */
export function datasetApprovals(spec: DatasetSpec): Approval[] {
  const signed = (spec.projection?.approvedBy ?? []).filter((approval) => typeof approval !== 'string');
  return validApprovals(approvalText(spec), signed);
}

function approvalsMissing(spec: DatasetSpec): number {
  return needsApproval(spec) ? Math.max(0, APPROVALS_NEEDED - datasetApprovals(spec).length) : 0;
}

/** What approvers sign: the canonical JSON text without approvals. */
export function approvalText(spec: DatasetSpec): string {
  arg.checkArguments('approvalText', [spec], { spec: arg.options });
  const { projection } = spec;
  return specText(
    projection === undefined ? spec : { ...spec, projection: { ...projection, approvedBy: [] } },
  );
}

/** Fields in the order of the schema. */
function specText(spec: DatasetSpec): string {
  return JSON.stringify(parseUnapprovedSpec(spec));
}

/** SHA-256 of the canonical JSON text, hex. */
export function datasetDigest(spec: DatasetSpec): string {
  arg.checkArguments('datasetDigest', [spec], { spec: arg.options });
  return bytesToHex(sha256Digest(utf8ToBytes(specText(spec))));
}
