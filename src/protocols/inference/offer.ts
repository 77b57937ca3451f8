/** An offer read from the network: closed schema, bounded numbers, and nothing that weakens the client. */
import * as z from 'zod';
import { DecodeError, InvalidParamsError, ParamsMismatchError } from '../../base/errors.ts';
import type { Offer } from '../../compiler/program.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';

const bits = z.array(z.number().gt(10).lte(50)).min(1).max(24);
const hex = z.string().regex(/^[0-9a-f]{64}$/);
const features = z.int().min(1).max(65_536);
const positive = z
  .number()
  .positive()
  .lt(2 ** 90);

const schema: z.ZodType<Offer> = z.strictObject({
  model: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/),
  programId: hex,
  params: z.strictObject({
    logN: z.int().min(12).max(16),
    logQ: bits,
    logP: bits,
    logScale: z.number().gt(0).lte(90),
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
  outputScale: positive,
  outputError: positive,
  outputRange: z.tuple([z.number(), z.number()]),
});

/**
 * The schema has no room for the mark of insecure parameters, so a server cannot talk a client into them.
 *
 * @throws {DecodeError} when the value is not an offer. {@link InsecureParamsError} {@link ParamsMismatchError}
 */
export function parseOffer(value: unknown): Offer {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new DecodeError('an offer', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
  }
  const offer = parsed.data;
  const params = CkksParams.create(offer.params);
  if (params.id !== offer.paramsId) throw new ParamsMismatchError('an offer', params.id, offer.paramsId);
  for (const { block, interleave } of offer.buckets) {
    if (block * interleave !== params.slots)
      throw new InvalidParamsError('a bucket does not fill the slots', { block });
  }
  return offer;
}
