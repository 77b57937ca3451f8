/**
 * An offer read from the network: closed schema, bounded numbers, nothing that weakens the client, and nothing that lets the server
 * choose when the client fails.
 *
 * Rule: whatever a server writes here, a client that accepts it sends the same number of bytes for every input of one length. So
 * every number that the client's work on its data meets is proved here, before there is data: inputs fit the modulus at the stated
 * scale, buckets are the whole ladder of powers of two, keys and queries have sizes that a client can make.
 */
import * as z from 'zod';
import { DecodeError, InvalidParamsError, LimitError, ParamsMismatchError } from '../../base/errors.ts';
import type { DecisionTerms } from '../../compiler/decision/decision.ts';
import { decisionTermsSchema } from '../../compiler/decision/decision-schema.ts';
import { decisionKeyBytes } from '../../compiler/decision/decision-facts.ts';
import type { ExactTerms } from '../../compiler/exact/exact-offer.ts';
import {
  bgvParamsOf,
  type Bucket,
  ckksParamsOf,
  type Offer,
  offeredKeyPlan,
  type PackedOffer,
  queryCiphertexts,
  replyCiphertexts,
  ringParamsOf,
} from '../../compiler/offer.ts';
import { checkLayout, tracePeriod } from '../../compiler/packed/layout.ts';
import { layoutSchema, packedKeysSchema } from '../../compiler/packed/packed-schema.ts';
import { MODEL_NAME } from '../../compiler/program.ts';
import { MAX_PLAINTEXT_MODULI } from '../../schemes/bgv/intent.ts';
import { modelDescriptionSchema } from '../../compiler/description-schema.ts';
import { checkTail } from '../../nn/graph/tail-graph.ts';
import { fitsAnyVector } from '../../schemes/ckks/encoder.ts';
import type { CkksParams } from '../../schemes/ckks/params.ts';
import type { RlweParams } from '../../schemes/rlwe/params.ts';
import { ciphertextWireBytes } from '../../schemes/rlwe/wire/ciphertext-wire.ts';
import { EvaluationKeys } from '../../schemes/rlwe/keys/evaluation-keys.ts';
import { resolveKeyPlan } from '../../schemes/rlwe/keys/key-plan.ts';

const bits = z.array(z.number().gt(10).lte(50)).min(1).max(24);
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const features = z.int().min(1).max(65_536);
/** Wide enough for every network, narrow enough that products and quotients of a few stay ordinary doubles. */
const positive = z
  .number()
  .gt(2 ** -90)
  .lt(2 ** 90);
const score = z
  .number()
  .gt(-(2 ** 90))
  .lt(2 ** 90);

const exactTerms = z.strictObject({
  moduli: z
    .array(
      z
        .int()
        .min(3)
        .lt(2 ** 50),
    )
    .min(1)
    .max(MAX_PLAINTEXT_MODULI),
  inputRange: z.tuple([score, score]),
  replyLevel: z.int().min(0).max(24),
  hiding: z.int().min(-1000).max(1000),
});

const schema: z.ZodType<Offer> = z.strictObject({
  model: z.string().regex(MODEL_NAME),
  programId: hex,
  params: z.strictObject({
    logN: z.int().min(12).max(16),
    logQ: bits,
    logP: bits,
    logScale: z.number().gt(0).lte(90).exactOptional(),
  }),
  paramsId: hex,
  galois: z.array(z.int().min(3)).max(64),
  buckets: z
    .array(z.strictObject({ block: z.int().min(1).max(65_536), interleave: z.int().min(1).max(65_536) }))
    .min(1)
    .max(24),
  inputs: features,
  outputs: features,
  inputScale: positive,
  inputBound: positive,
  /** Of exact scores as large as the product of the plaintext moduli. */
  outputScale: z
    .number()
    .gt(2 ** -90)
    .lt(2 ** 400),
  outputError: positive,
  outputRange: z.tuple([score, score]),
  exact: exactTerms.exactOptional(),
  about: modelDescriptionSchema.exactOptional(),
  packed: z
    .strictObject({
      input: layoutSchema,
      output: layoutSchema,
      isTraced: z.literal(true).exactOptional(),
      keys: packedKeysSchema,
    })
    .exactOptional(),
  decision: decisionTermsSchema.exactOptional(),
});

/** Of the evaluation keys, and of the longest query. Those of the shipped models have 5 and 135 MB. */
const MAX_KEY_BYTES = 256 * 2 ** 20;
const MAX_QUERY_BYTES = 512 * 2 ** 20;

/** Integers of inputs are exact in a double, with room. */
const MAX_EXACT_INPUT = 2 ** 32;

/** Shorter blocks would show the number of samples more finely than SECURITY.md says. */
const SMALLEST_BLOCK = 128;

/** The largest score, times its scale, is at most this share of the last prime: the compiler's margin, and what garbage exceeds. */
const SCORE_SHARE = 1 / 8;

/**
 * The schema has no room for the mark of insecure parameters, so a server cannot talk a client into them.
 *
 * @throws {DecodeError} when the value is not an offer. {@link InsecureParamsError} {@link ParamsMismatchError}
 * {@link InvalidParamsError} when inputs within the bound would not fit the modulus in some bucket, or the offer contradicts itself.
 * {@link OutOfRangeError} for a layout in which two values share a slot, or one has none.
 * {@link LimitError} when keys or queries would be larger than any model needs.
 */
export function parseOffer(value: unknown): Offer {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DecodeError('an offer', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const offer = parsed.data;
  const params = ringParamsOf(offer);
  if (params.id !== offer.paramsId) throw new ParamsMismatchError('an offer', params.id, offer.paramsId);
  if (offer.exact === undefined) {
    const ckks = ckksParamsOf(offer);
    if (offer.packed === undefined) checkBuckets(offer, ckks);
    else checkPacked(offer, offer.packed, ckks);
    checkInputs(offer, ckks);
    checkScores(offer, ckks);
  } else checkExact(offer, offer.exact);
  if (offer.decision !== undefined) checkDecision(offer, offer.decision);
  checkSizes(offer, params);
  checkDescription(offer);
  return offer;
}

/** A bucket depends on the length alone, and its blocks double: a server cannot place a threshold where it likes. */
function checkBuckets({ buckets }: Offer, { slots }: CkksParams): void {
  buckets.forEach(({ block, interleave }, i) => {
    if (block * interleave !== slots)
      throw new InvalidParamsError('a bucket does not fill the slots', { block });
    if (block < SMALLEST_BLOCK)
      throw new InvalidParamsError(`a bucket is smaller than ${SMALLEST_BLOCK} samples`, { block });
    if (i > 0 && block !== 2 * (buckets[i - 1] as Bucket).block)
      throw new InvalidParamsError('the buckets do not double from one to the next', { block });
  });
  if (buckets.at(-1)?.interleave !== 1)
    throw new InvalidParamsError('the largest bucket does not have one feature per ciphertext', {});
}

/** One bucket of one sample, a slot of its own for every input and output, keys within the parameters. */
function checkPacked(
  { buckets, inputs, outputs, galois }: Offer,
  { input, output, isTraced }: PackedOffer,
  params: CkksParams,
): void {
  const [bucket] = buckets as [Bucket];
  if (buckets.length !== 1 || bucket.block !== 1 || bucket.interleave !== 1 || galois.length > 0)
    throw new InvalidParamsError(
      'an offer for one sample has one bucket, and its Galois elements with its keys',
      {},
    );
  for (const [what, layout, count] of [
    ['the inputs', input, inputs],
    ['the scores', output, outputs],
  ] as const) {
    // Before the slots are walked: their number is the server's word.
    if (layout.slots !== params.slots || layout.count !== count || layout.sums !== 1)
      throw new InvalidParamsError(`the layout of ${what} is not one of as many values in these slots`, {
        count,
      });
    checkLayout(layout);
  }
  if (isTraced && tracePeriod(output) === undefined)
    throw new InvalidParamsError('the layout of the scores has no trace', { period: output.period });
}

/**
 * Any integers modulo t are encrypted alike, so nothing in an exact offer could make a client fail on its data, as long as the integers are
 * those of doubles. One bucket, of all slots. Scores are right when they are below half of the product of the moduli.
 */
function checkExact(offer: Offer, { moduli, inputRange: [low, high], replyLevel }: ExactTerms): void {
  const { buckets, inputScale, inputBound, outputRange, outputScale, outputError, packed } = offer;
  const { components, slots } = bgvParamsOf(offer);
  // Nothing below reads its layouts, so nothing would prove them before they are walked.
  if (packed !== undefined) throw new InvalidParamsError('an exact offer has no layouts for one sample', {});
  if (buckets.length !== 1 || buckets[0]!.block !== slots || buckets[0]!.interleave !== 1)
    throw new InvalidParamsError('the bucket of an exact offer does not fill the slots', {});
  if (!(low < high && Math.max(-low, high) <= inputBound && inputBound * inputScale < MAX_EXACT_INPUT))
    throw new InvalidParamsError('the integers of the inputs are none, or too large', { low, high });
  // Below t in absolute value: a client refuses others while it encodes.
  if (!(inputBound * inputScale < Math.min(...moduli) - 1))
    throw new InvalidParamsError('the integers of the inputs do not fit the smallest plaintext modulus', {});
  const bits = moduli.reduce((sum, t) => sum + Math.log2(t), -1);
  const largest = Math.max(...outputRange.map(Math.abs));
  if (!(outputRange[0] < outputRange[1] && Math.log2(largest * outputScale) < bits))
    throw new InvalidParamsError('the scores do not fit the plaintext moduli', { outputRange });
  if (!(outputError < outputRange[1] - outputRange[0]) || replyLevel > components[0]!.maxLevel)
    throw new InvalidParamsError('the error of the scores, or the level of replies', { replyLevel });
}

/**
 * A coefficient of an encoded vector is a mean of its slots times roots of unity, so at most the largest slot: inputBound times the
 * scale in use, which is inputScale / interleave. Interleaved vectors have coefficients of their own.
 */
function checkInputs({ buckets, inputBound, inputScale }: Offer, params: CkksParams): void {
  for (const { block, interleave } of buckets) {
    const scale = inputScale / interleave;
    if (scale >= 1 && fitsAnyVector(params, params.maxLevel, inputBound, scale)) continue;
    throw new InvalidParamsError(
      `inputs up to ${inputBound} at scale 2^${Math.log2(scale).toFixed(1)} do not fit the modulus of the offer in the bucket of ${block} samples: whether a query could be encrypted would depend on its content`,
      { block, inputBound, inputScale },
    );
  }
}

/** The answer is a place among the outputs, so there are as many levels at least; nothing else follows from data. */
function checkDecision({ outputs, exact, packed }: Offer, { levels }: DecisionTerms): void {
  if (exact !== undefined || packed !== undefined || outputs < 2 || outputs > levels)
    throw new InvalidParamsError(
      `a decision is made among 2 to ${levels} scores of an approximate program for many samples`,
      { outputs },
    );
}

/** Files are read to exactly as many values as the model has inputs, and the tail fits its scores. */
function checkDescription({ about, inputs, outputs }: Offer): void {
  if (about === undefined) return;
  const { shape, image, mean, deviation } = about.input;
  const values = shape.reduce((a, b) => a * b, 1);
  const pixels = image === undefined ? inputs : image.channels * image.size[0] * image.size[1];
  const isPerChannel = [mean, deviation].every(({ length }) => length === 1 || inputs % length === 0);
  if (values !== inputs || pixels !== inputs || !isPerChannel)
    throw new InvalidParamsError(
      'the description of the inputs has another number of values than the model',
      {
        values,
        pixels,
        inputs,
      },
    );
  checkTail(about.tail, outputs);
}

function checkScores(
  { outputRange: [low, high], outputScale, outputError }: Offer,
  params: CkksParams,
): void {
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const last = (params.q[0] as { readonly q: number }).q;
  if (low < high && outputError < high - low && largest * outputScale <= SCORE_SHARE * last * (1 + 1e-9))
    return;
  throw new InvalidParamsError(
    'the interval of the scores is empty, or does not fit the modulus of a reply',
    {
      low,
      high,
    },
  );
}

function checkSizes(offer: Offer, params: RlweParams): void {
  const { buckets, galois, packed } = offer;
  const plan = offeredKeyPlan(offer);
  // Also refuses elements that no key can be made for, and names the element.
  if (resolveKeyPlan(params, plan).galois.length !== (packed?.keys.galois ?? galois).length)
    throw new InvalidParamsError('a Galois element is there twice', {});
  const keyBytes =
    EvaluationKeys.byteLength(params, plan) +
    (offer.decision === undefined ? 0 : decisionKeyBytes(offer.decision, params));
  if (keyBytes > MAX_KEY_BYTES) throw new LimitError('evaluation keys', MAX_KEY_BYTES, keyBytes);
  for (const bucket of buckets) {
    const count = Math.max(queryCiphertexts(offer, bucket), replyCiphertexts(offer, bucket));
    const shape = { parts: 2, level: params.maxLevel, isSeeded: true, count };
    const bytes = ciphertextWireBytes(params, shape, 16);
    if (bytes > MAX_QUERY_BYTES) throw new LimitError('a query', MAX_QUERY_BYTES, bytes);
  }
}
