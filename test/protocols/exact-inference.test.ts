/** Exact programs end to end: every score is the integer that the integer network gives, or the program is refused. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DecodeError,
  InvalidParamsError,
  ProtocolError,
  UnsupportedOpError,
  UsageError,
} from '../../src/base/errors.ts';
import { compileExact } from '../../src/compiler/exact/compile-exact.ts';
import { type ExactProgram, inputIntegers } from '../../src/compiler/exact/exact-program.ts';
import { validateExactProgram } from '../../src/compiler/exact/validate-exact.ts';
import { denseLayout } from '../../src/compiler/packed/layout.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import { programId, readProgram, writeProgram } from '../../src/compiler/program-file.ts';
import { reportOf } from '../../src/compiler/report.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../src/nn/graph/linear-map.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { InferenceClient, type InferenceQuery } from '../../src/protocols/inference/client.ts';
import { readQuery, writeQuery } from '../../src/protocols/inference/messages.ts';
import { modelName, tenantId } from '../../src/protocols/inference/names.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { integerScores } from './integer-oracle.ts';
import { randomConvolution, randomInputs, randomNetwork } from './random-network.ts';

const NET = modelName('net');
const SOMEONE = tenantId('someone');

let kernel: Kernel;
beforeAll(async () => {
  kernel = await openKernel();
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

async function exactExchange(program: ExactProgram, inputs: Float32Array, samples: number) {
  using responder = await InferenceResponder.open([{ program }], kernel);
  const offer = parseOffer(JSON.parse(JSON.stringify(responder.offers()[0])));
  using client = await InferenceClient.create(offer, kernel);
  const keyId = responder.enrol(SOMEONE, NET, client.enrolment());
  const queries: InferenceQuery[] = [...client.queries(inputs, samples)];
  const answers = queries.map((query) => responder.answer(SOMEONE, NET, keyId, query.bytes).bytes);
  return {
    ...{ offer, queries, answers },
    integers: client.openIntegers(queries, answers),
    scores: client.openAll(queries, answers),
  };
}

/** What the client makes of real inputs. */
function asIntegers(program: ExactProgram, inputs: Float32Array): Float64Array {
  const { scale } = program.values[0]!;
  const [low, high] = program.inputRange;
  return Float64Array.from(inputs, (value) => Math.round(Math.min(high, Math.max(low, value)) * scale));
}

describe('exact inference', () => {
  it.each<[string, () => PolynomialNetwork, number, Parameters<typeof compileExact>[1]]>([
    ['no square', () => randomNetwork([9, 5], 4, 6), 9, { name: 'net', inputRange: [0, 1] }],
    [
      'one square, signed inputs',
      () => randomNetwork([9, 6, 5], 4, 1),
      9,
      { name: 'net', inputRange: [-2, 2] },
    ],
    [
      'two squares and a convolution, 8-bit inputs',
      () => randomConvolution(8, 4),
      24,
      { name: 'net', inputRange: [0, 1], inputBits: 8, logN: [13], hiding: 0 },
    ],
  ])('gives the integers of the integer network: %s', async (_, make, features, options) => {
    const network = make();
    const program = compileExact(network, options);
    const samples = 70;
    const inputs = randomInputs(samples, features, 7);
    const { integers, scores, offer, queries } = await exactExchange(program, inputs, samples);
    const { scores: truth, scale } = integerScores(network, asIntegers(program, inputs), offer.inputScale);
    expect(integers).toEqual(truth);
    expect(offer.outputScale).toBe(scale);
    expect(queries.length).toBe(program.moduli.length);
    // Reals are the same numbers, and the program in the clear says so.
    const clear = runClear(program, inputs);
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(clear[i]!, 4);
    });
    // The comparison can fail: a weight that differs by one is seen.
    const first = network.layers[0]!;
    const weights = first.weights.slice();
    weights[0]! += 1;
    const other = new PolynomialNetwork([{ ...first, weights }, ...network.layers.slice(1)], features, 9);
    expect(integerScores(other, asIntegers(program, inputs), offer.inputScale).scores).not.toEqual(truth);
  });

  it('holds the largest integers that the bounds allow', async () => {
    // All weights and inputs at their ends: the bound is reached, not only held.
    const ends = (rows: number, cols: number) => new Int32Array(rows * cols).fill(127);
    const layer = { step: 1 / 127, square: true };
    const layers = [
      { ...layer, weights: ends(3, 4), rows: 3, cols: 4, offset: new Float64Array(3) },
      { ...layer, weights: ends(2, 3), rows: 2, cols: 3, offset: new Float64Array(2), square: false },
    ];
    const network = new PolynomialNetwork(layers, 4, 8).withRanges([
      [-4, 4],
      [-50, 50],
    ]);
    const program = compileExact(network, { name: 'net', inputRange: [-1, 1], logN: [13], hiding: 10 });
    const { integers } = await exactExchange(program, new Float32Array(8).fill(1), 2);
    const [low, high] = inputIntegers(program);
    expect([low, high]).toEqual([-7, 8]);
    const most = 3n * 127n * (4n * 127n * 8n) ** 2n;
    expect(integers).toEqual([most, most, most, most]);
    const { wires, plaintextBits } = reportOf(program).exact!;
    expect(2 ** Math.max(...wires.map((wire) => wire.integerBits))).toBeCloseTo(Number(most), -6);
    expect(plaintextBits).toBeGreaterThan(1 + Math.log2(Number(most)));
  });

  it('refuses values that outgrow its moduli, naming the wire and its bits', () => {
    const program = compileExact(randomNetwork([9, 6, 5], 8, 1), {
      name: 'net',
      inputRange: [0, 1],
      inputBits: 8,
      hiding: 0,
    });
    expect(program.moduli.length).toBeGreaterThan(1);
    const fewer = { ...program, moduli: program.moduli.slice(0, -1) };
    expect(() => validateExactProgram(fewer)).toThrow(
      /integers of layer \d need \d+\.\d bits, the plaintext moduli hold/,
    );
    const deep = randomNetwork([4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4], 14, 3);
    expect(() => compileExact(deep, { name: 'net', inputRange: [0, 1], inputBits: 16 })).toThrow(
      /integers of layer \d+ need more than 900 bits/,
    );
  });

  it('refuses programs that promise to hide more than they can, and says how much they can', () => {
    const network = randomNetwork([9, 6, 5], 4, 1);
    const program = compileExact(network, { name: 'net', inputRange: [0, 1] });
    expect(program.hiding).toBeGreaterThanOrEqual(40);
    expect(() => validateExactProgram({ ...program, hiding: 200 })).toThrow(/replies hide/);
    const options = { name: 'net', inputRange: [0, 1] as const, logN: [12], hiding: 100 };
    expect(() => compileExact(network, options)).toThrow(/hide how it came about with \d+ bits at most/);
  });

  it('refuses what has no exact form', () => {
    const builder = new GraphBuilder();
    const identity = new DenseMap(2, 2, Float64Array.of(1, 0, 0, 1), new Float64Array(2));
    const first = builder.linear(builder.input(tensorInput('x', [2])), identity);
    const sum = builder.add(builder.multiply(first, first), first);
    const graph = builder.build(sum);
    expect(() => compileExact(graph, { name: 'net', inputRange: [0, 1] })).toThrow(UnsupportedOpError);
    expect(() => compileExact(randomNetwork([3, 2], 4, 1), { name: 'net' })).toThrow(/inputRange/);
  });

  it('survives its file, and nothing else does', () => {
    const program = compileExact(randomNetwork([5, 4, 3], 4, 5), {
      name: 'net',
      inputRange: [0, 1],
      hiding: 0,
    });
    const bytes = writeProgram({ program, card: 'exact' });
    const file = readProgram(bytes);
    expect(file.program).toEqual(program);
    expect(programId(file.program)).toBe(programId(program));
    for (let at = 0; at < bytes.length; at += 17) {
      const changed = bytes.slice();
      changed[at]! ^= 0x20;
      expect(() => readProgram(changed), `byte ${at}`).toThrow();
    }
    const level = program.values.map((value, i) => (i === 4 ? { ...value, level: value.level + 1 } : value));
    for (const wrong of [
      { ...program, values: level },
      { ...program, inputRange: [0, 1e9] as const },
      { ...program, steps: program.steps.slice(0, -1), values: program.values.slice(0, -1) },
      { ...program, buckets: [{ block: 4096, interleave: 2 }] },
      { ...program, moduli: [...program.moduli, program.moduli[0]!] },
    ])
      expect(() => validateExactProgram(wrong as ExactProgram)).toThrow();
  });

  it('refuses offers that would make a client fail on its data, and queries of another form', async () => {
    const program = compileExact(randomNetwork([5, 4, 3], 4, 5), {
      name: 'net',
      inputRange: [0, 1],
      hiding: 0,
    });
    const offer = offerOf(program);
    const { exact } = offer;
    for (const wrong of [
      { ...offer, inputScale: 2 ** 40 },
      { ...offer, exact: { ...exact, inputRange: [0, 2] } },
      { ...offer, exact: { ...exact, moduli: exact!.moduli.slice(1) } },
      { ...offer, outputRange: [0, 2 ** 80] },
      { ...offer, buckets: [{ block: 128, interleave: 64 }] },
      { ...offer, params: { ...offer.params, logScale: 30 } },
    ])
      expect(() => parseOffer(JSON.parse(JSON.stringify(wrong)))).toThrow();
    // Digits that would be walked for ever.
    const digits = new Array(16).fill({ extent: 2 ** 20, step: 1, weight: 0 });
    const endless = { ...denseLayout(2 ** 20, 2 ** 20), digits };
    const packed = { input: endless, output: endless, keys: { galois: [] } };
    expect(() => parseOffer({ ...offer, packed })).toThrow(/no layouts/);
    using responder = await InferenceResponder.open([{ program }], kernel);
    using client = await InferenceClient.create(offer, kernel);
    const keyId = responder.enrol(SOMEONE, NET, client.enrolment());
    const inputs = randomInputs(3, 5, 2);
    if (program.moduli.length > 1) expect(() => client.query(inputs, 3)).toThrow(UsageError);
    const [query] = [...client.queries(inputs, 3)];
    const message = readQuery(query!.bytes);
    const ask = (changes: Partial<typeof message>) =>
      responder.answer(SOMEONE, NET, keyId, writeQuery({ ...message, ...changes }));
    expect(() => ask({ bucket: program.moduli.length })).toThrow(ProtocolError);
    // The noise bound and the correction factor are the sender's word: only those of a fresh encryption are taken.
    for (const at of [48 + 8, 48 + 16]) {
      const ciphertexts = message.ciphertexts.slice();
      ciphertexts[at + 6]! ^= 1;
      expect(() => ask({ ciphertexts })).toThrow();
    }
    const reply = ask({}).bytes;
    expect(() => client.openAll([query!], [reply.slice(0, -1)])).toThrow(
      program.moduli.length > 1 ? Error : DecodeError,
    );
    expect(InvalidParamsError).toBeDefined();
  });
});
