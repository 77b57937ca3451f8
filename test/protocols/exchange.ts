/** One whole exchange over memory: keys, query, reply, scores. */
import type { AnyProgram } from '../../src/compiler/exact/exact-program.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';

const NET = modelName('net');
const SOMEONE = tenantId('someone');

export async function exchange(
  kernel: Kernel,
  model: PolynomialNetwork | { readonly program: AnyProgram },
  inputs: Float32Array,
  samples: number,
) {
  const served = 'program' in model ? model : { name: 'net', network: model };
  using responder = await InferenceResponder.open([served], kernel);
  using client = await InferenceClient.create(responder.offers()[0]!, kernel);
  const enrolment = client.enrolment();
  const keyId = responder.enrol(SOMEONE, NET, enrolment);
  const query = client.query(inputs, samples);
  const answer = responder.answer(SOMEONE, NET, keyId, query.bytes);
  const scores = client.open(query, answer.bytes);
  return { scores, query, answer, offer: client.offer, enrolment, secret: client.exportSecret() };
}

export function largestError(scores: Float32Array, truth: Float64Array): number {
  return truth.reduce((worst, value, i) => Math.max(worst, Math.abs(value - scores[i]!)), 0);
}
