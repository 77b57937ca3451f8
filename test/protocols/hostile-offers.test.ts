import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InvalidParamsError, LimitError, OutOfRangeError, SubrosaError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import type { Offer } from '../../src/compiler/offer.ts';
import { offerOf } from '../../src/compiler/program-facts.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { InferenceClient } from '../../src/protocols/inference/client.ts';
import { parseOffer } from '../../src/protocols/inference/offer.ts';
import { InferenceResponder } from '../../src/protocols/inference/responder.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { CkksParams, type CkksSpec } from '../../src/schemes/ckks/params.ts';
import { randomNetwork } from './random-network.ts';

const [FRAMES, FEATURES] = [100, 5];

let kernel: Kernel;
let honest: Offer;
beforeAll(async () => {
  kernel = await openKernel();
  const network = randomNetwork([FEATURES, 4, 3], 4, 5);
  using responder = await InferenceResponder.open([{ name: 'net', network }], kernel);
  honest = responder.offers()[0]!;
});
afterAll(() => {
  expect(kernel.liveWords).toBe(0);
  kernel[Symbol.dispose]();
});

/** What a client may have to say: nothing, a steady level as of features that are not centred, noise, and what a broken file gives. */
function recordings(features: number): Record<string, Float32Array> {
  const generator = new SeededGenerator(3);
  const of = (value: (i: number) => number) =>
    Float32Array.from({ length: FRAMES * features }, (_, i) => value(i));
  return {
    silence: of(() => 0),
    'quiet speech': of((i) => 0.2 + 0.05 * Math.sin(i)),
    'loud speech': of((i) => 6 + Math.sin(i)),
    noise: of(() => 3 * generator.normal()),
    'the largest values': of((i) => (i % 2 === 0 ? 1e30 : Number.POSITIVE_INFINITY)),
    'no number': of(() => Number.NaN),
  };
}

/** All that a server sees of a client with this input: how many messages of how many bytes, or where the client stopped. */
async function visible(offer: Offer, inputs: Float32Array): Promise<string> {
  try {
    using client = await InferenceClient.create(offer, kernel);
    try {
      return `sent ${client.enrolment().length}, ${client.query(inputs, FRAMES).bytes.length}`;
    } catch (error) {
      return `stopped at its data: ${(error as Error).name}`;
    }
  } catch (error) {
    return `refused the offer: ${(error as Error).name}`;
  }
}

function withParams(params: Offer['params'], changes: Partial<Offer> = {}): Offer {
  const { id, slots } = CkksParams.create(params as CkksSpec);
  const buckets = [128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768]
    .filter((block) => block <= slots)
    .map((block) => ({ block, interleave: slots / block }));
  return { ...honest, params, paramsId: id, buckets, galois: [3], outputScale: 2 ** 25, ...changes };
}

const SMALL = { logN: 13, logQ: [40, 40], logP: [42], logScale: 30 };

/** Offers in which some number is where it could decide over a client's data. */
function hostileOffers(): Offer[] {
  const small = withParams(SMALL);
  const bound = 2 ** (CkksParams.create(SMALL).logQAt(1) - 1);
  const offers: Offer[] = [];
  // The oracle as it was found: data with a mean above the threshold could not be encrypted.
  for (const threshold of [0.1, 0.3, 0.5, 0.7, 2, 7.9, 8.1, 16, 40]) {
    for (const { interleave } of small.buckets)
      offers.push({ ...small, inputScale: (bound / threshold) * interleave });
    offers.push({ ...small, inputScale: bound / threshold, inputBound: 1e6 });
  }
  for (const inputScale of [2 ** 89.9, 1e-9, 0.5, 1, 2 ** 31]) offers.push({ ...honest, inputScale });
  for (const inputBound of [1e-20, 1e-3, 1, 2 ** 60, 2 ** 89.9]) offers.push({ ...honest, inputBound });
  for (const outputScale of [1e-20, 1, 2 ** 30, 2 ** 80]) offers.push({ ...honest, outputScale });
  offers.push({ ...honest, outputRange: [-1e20, 1e20] }, { ...honest, outputRange: [1, 0] });
  offers.push({ ...honest, inputs: 4 }, { ...honest, inputs: 300 }, { ...honest, outputs: 65_536 });
  offers.push({ ...honest, buckets: [...honest.buckets].reverse() });
  offers.push(
    { ...honest, buckets: honest.buckets.slice(0, 1) },
    { ...honest, buckets: honest.buckets.slice(-1) },
  );
  offers.push(
    { ...honest, galois: [4] },
    { ...honest, galois: [3, 3] },
    { ...honest, galois: [2 ** 14 + 1] },
  );
  return offers;
}

describe('what a client sends', () => {
  it('is the same for every input, whatever numbers the server chose', async () => {
    let accepted = 0;
    for (const offer of hostileOffers()) {
      const seen = new Set<string>();
      for (const values of Object.values(recordings(offer.inputs))) seen.add(await visible(offer, values));
      expect([...seen], JSON.stringify(offer)).toHaveLength(1);
      const [outcome = ''] = seen;
      expect(outcome).not.toContain('stopped at its data');
      if (outcome.startsWith('sent')) accepted++;
    }
    // The family is no list of nonsense: a client may well use some of them.
    expect(accepted).toBeGreaterThan(5);
  });

  it('would depend on its data without the proof: the encoder alone refuses loud inputs and takes quiet ones', async () => {
    using context = await CkksContext.open(CkksParams.create(SMALL), { kernel });
    using arena = context.arena();
    const scale = 2 ** (context.params.logQAt(1) - 1) / 0.5;
    const encode = (level: number) => () =>
      context
        .encoder(arena)
        .encodeInterleaved([new Float64Array(context.params.slots).fill(level)], { scale });
    expect(encode(0.4)).not.toThrow();
    expect(encode(0.6)).toThrow(OutOfRangeError);
  });
});

describe('parseOffer', () => {
  it('takes the largest scale that fits and refuses the next', () => {
    const small = withParams(SMALL);
    const most = (2 ** (CkksParams.create(SMALL).logQAt(1) - 1) / 2 - 1) / small.inputBound;
    expect(parseOffer({ ...small, inputScale: most * (1 - 1e-12) }).inputScale).toBeLessThan(most);
    expect(() => parseOffer({ ...small, inputScale: most * (1 + 1e-12) })).toThrow(InvalidParamsError);
  });

  it('refuses buckets that place a threshold, repeat, or leave out the largest', () => {
    const { buckets } = honest;
    const slots = buckets.at(-1)!.block;
    for (const wrong of [
      [{ block: 1, interleave: slots }, ...buckets],
      [{ block: 64, interleave: slots / 64 }, ...buckets],
      [buckets[0], buckets[0], ...buckets.slice(1)],
      buckets.slice(0, -1),
      buckets.filter((_, i) => i !== 2),
    ])
      expect(() => parseOffer({ ...honest, buckets: wrong })).toThrow(InvalidParamsError);
    expect(parseOffer({ ...honest, buckets: buckets.slice(2) }).buckets).toHaveLength(buckets.length - 2);
  });

  it('refuses descriptions that do not fit the model, and tails that do', () => {
    const input = {
      ...{ name: 'x', shape: [FEATURES], kind: 'table', mean: [0], deviation: [1] },
      ...{ interval: [-1, 1], clip: [-1, 1] },
    };
    const tail = { nodes: [], outputs: [{ name: 'y', shape: [3], value: 0 }] };
    const offer = (changed: object, tailed: object = tail) =>
      parseOffer({ ...honest, about: { input: { ...input, ...changed }, tail: tailed } });
    expect(offer({}).about?.input.shape).toEqual([FEATURES]);
    const image = { channels: 1, size: [60_000, 60_000], fit: 'stretch', invert: false, white: 1 };
    for (const changed of [
      { shape: [FEATURES + 1] },
      { image },
      { deviation: [0] },
      { mean: [0, 0, 0] },
      { secret: 1 },
    ])
      expect(() => offer(changed), JSON.stringify(changed)).toThrow(SubrosaError);
    const beyond = { nodes: [{ op: 'select', in: 5, from: [0] }], outputs: tail.outputs };
    expect(() => offer({}, beyond)).toThrow(SubrosaError);
  });

  it('refuses layouts for more slots than there are before it walks them', () => {
    const offer = offerOf(compile(randomNetwork([40, 12, 5], 4, 1), { name: 'net', layout: 'packed' }));
    const packed = offer.packed!;
    expect(parseOffer(offer).packed).toEqual(packed);
    // A trace over slots that hold something else than copies, or nothing at all.
    expect(packed.isTraced).toBe(true);
    for (const change of [
      { rest: 'junk' as const },
      { copies: packed.output.copies / 2 },
      { copies: 1, period: packed.output.slots },
    ])
      expect(() =>
        parseOffer({ ...offer, packed: { ...packed, output: { ...packed.output, ...change } } }),
      ).toThrow(/has no trace/);
    // Two values share a slot besides, which only a walk would find: a mark for each slot of up to 1024 ciphertexts.
    const wide = { ...packed.output, count: 2, slots: 2 ** 20, copies: 1, period: 1 };
    const digits = [{ extent: 2, step: 1, weight: 0 }];
    for (const output of [
      { ...wide, digits },
      { ...packed.output, slots: 2 ** 20 },
    ])
      expect(() => parseOffer({ ...offer, packed: { ...packed, output } })).toThrow(/in these slots/);
    expect(() =>
      parseOffer({ ...offer, packed: { ...packed, output: { ...packed.output, digits } } }),
    ).toThrow(OutOfRangeError);
  });

  it('refuses keys and queries that no machine should make', () => {
    const logQ = new Array<number>(24).fill(50);
    const large = withParams({ logN: 16, logQ, logP: [50], logScale: 40 });
    const galois = Array.from({ length: 60 }, (_, i) => 2 * i + 3);
    expect(() => parseOffer({ ...large, galois })).toThrow(LimitError);
    expect(() => parseOffer({ ...large, inputs: 65_536, galois: [3] })).toThrow(LimitError);
  });
});
