/** Programs in the words of the frozen description, with a deterministic exchange for each. */
import { readFileSync } from 'node:fs';
import { bytesToHex } from '@noble/hashes/utils.js';
import { vi } from 'vitest';
import { systemRandom } from '../../src/base/random.ts';
import { sha256Digest } from '../../src/base/sha256.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Program } from '../../src/compiler/program.ts';
import { droppedBits, floodBits, offerOf } from '../../src/compiler/program-facts.ts';
import { reportOf } from '../../src/compiler/report.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { QUERY_PREFIX_BYTES, readReply } from '../../src/protocols/inference/messages.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { randomConvolution, randomInputs } from '../protocols/random-network.ts';

const shipped = (name: string) =>
  PolynomialNetwork.fromBytes(readFileSync(new URL(`../../models/${name}.bin`, import.meta.url)));

/** Networks that shipped before, kept for this. */
const former = (name: string) =>
  PolynomialNetwork.fromBytes(readFileSync(new URL(`../golden/sentences-v1/${name}.bin`, import.meta.url)));

/** Shipped networks, of the present and of former versions, and a generated one. */
export const GOLDEN_NETWORKS: readonly (readonly [name: string, make: () => PolynomialNetwork])[] = [
  ['digits-dnn', () => shipped('digits/polynomial-dnn-4bit')],
  ['digits-cnn', () => shipped('digits/polynomial-cnn-4bit')],
  ['sentences-dnn', () => former('polynomial-dnn-4bit')],
  ['sentences-cnn', () => former('polynomial-cnn-4bit')],
  // What its inputs are came into the file later, and into offers with it.
  ['cryptonets', () => shipped('mnist/cryptonets-polynomial-8bit').withInput(undefined)],
  ['generated', () => randomConvolution(4, 4)],
];

const frozen = JSON.parse(
  readFileSync(new URL('../golden/inference-programs.v1.json', import.meta.url), 'utf8'),
) as Record<string, unknown>[];

export function frozenProgram(name: string): Record<string, unknown> {
  return frozen.find((each) => each['name'] === name)!;
}

/** Everything relinearised at once, but for the last square: that is finished when the scores are packed. */
export function eagerProgram(name: string, network: PolynomialNetwork): Program {
  const last = network.layers.length - 2;
  const placement = Array.from({ length: last + 1 }, (_, i) =>
    i === last ? { relinearize: 2, rescale: 2 } : { relinearize: 0, rescale: 0 },
  );
  return compile(network, { name, placement });
}

/** Levels, parts and scales, layer by layer. */
export function describeSteps({ steps, values }: Program): object[] {
  const lines: object[] = [];
  const first = values[0]!;
  steps.forEach((step, i) => {
    const to = values[step.to]!;
    const layer = steps.slice(0, i).filter(({ op }) => op === 'linear').length;
    if (step.op === 'expand') lines.push({ op: 'expand', level: first.level, parts: 2, scale: first.scale });
    if (step.op === 'linear')
      lines.push({ op: 'linear', layer, level: to.level, parts: to.parts, scale: to.scale });
    if (step.op === 'multiply') {
      const relinearize = steps[i + 1]!.op === 'relinearize';
      const { scale } = relinearize ? values[i + 3]! : to;
      lines.push({ op: 'square', layer: layer - 1, level: to.level, parts: 2, relinearize, scale });
    }
    if (step.op === 'pack') {
      const { level, parts, scale } = to;
      lines.push(
        { op: 'pack', level, parts, scale },
        { op: 'finish', level, parts, scale: values.at(-1)!.scale },
      );
    }
  });
  return lines;
}

export function describeProgram(program: Program): object {
  const { programId: _, ...offer } = offerOf(program);
  const report = reportOf(program);
  return {
    name: program.name,
    offer,
    steps: describeSteps(program),
    bounds: report.bounds,
    buckets: report.buckets.map(({ interleave: _, ...cost }) => ({
      ...cost,
      floodBits: floodBits(program, { ...cost, interleave: offer.buckets[0]!.interleave }),
      droppedBits: droppedBits(program, { ...cost, interleave: offer.buckets[0]!.interleave }),
    })),
    keyBytes: report.keyBytes,
    multiplyAdds: report.multiplyAdds,
    squarings: report.squarings,
  };
}

const REPLY_SECRET = sha256Digest(new TextEncoder().encode('golden replies'));

/** Hashes of the ciphertexts of a query and its reply, every seed fixed. */
export async function fixedExchange(kernel: Kernel, program: Program) {
  let count = 0;
  const spy = vi
    .spyOn(systemRandom, 'seed')
    .mockImplementation(() => sha256Digest(new TextEncoder().encode(`golden ${count++}`)) as never);
  try {
    using responder = await InferenceResponder.open([{ program }], kernel, { replySecret: REPLY_SECRET });
    using client = await InferenceClient.create(responder.offers()[0]!, kernel);
    const [tenant, model] = [tenantId('someone'), modelName(program.name)];
    const keyId = responder.enrol(tenant, model, client.enrolment());
    const query = client.query(randomInputs(10, program.inputs, 7), 10);
    const answer = responder.answer(tenant, model, keyId, query.bytes);
    const hash = (bytes: Uint8Array) => bytesToHex(sha256Digest(bytes));
    return {
      ciphertextsOfQuery: hash(query.bytes.slice(QUERY_PREFIX_BYTES)),
      ciphertextsOfReply: hash(readReply(answer.bytes).ciphertexts),
    };
  } finally {
    spy.mockRestore();
  }
}
