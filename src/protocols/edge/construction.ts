/**
 * The two ways to hide a layer's input from each edge. Both are exact, and hide perfectly from one edge as long as the pseudorandom
 * words are fresh; both fall to two edges that pool what they see.
 *
 * - `sharing`: x = x_A + x_B, x_A expanded from a seed that A gets once per request, x_B = x - x_A for B.
 * - `paired`: the original's. A gets x + R + S, B gets R; the device removes L(S) from the difference. S and L(S) are made once by the
 *   owner, R is fresh. S hides nothing that R does not hide already; without R, two requests reveal their difference.
 */
import * as arg from '../../base/arguments.ts';
import { ShapeError } from '../../base/errors.ts';
import type { ApplyLinearAsync } from '../../nn/integer/integer-evaluate.ts';
import type { LayerPlan, PlannedLayer } from './layer-plan.ts';
import { MaskStream, type RootKey } from './mask-stream.ts';
import type { RequestMode } from './messages.ts';
import { addShares, liftSum, packedShareBytes, ringMask, subtractShares } from './share-ring.ts';

export type ConstructionName = 'sharing' | 'paired';

/** (S, L(S)) of each layer, words of its ring. */
export interface LayerPairs {
  readonly inputs: readonly Uint32Array[];
  readonly outputs: readonly Uint32Array[];
}

/** The secrets of one request. */
export interface RequestSeeds {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

/** What each edge gets for one layer; null where the seed already says it. */
export interface LayerShares {
  readonly a: Uint32Array | null;
  readonly b: Uint32Array;
  /** A's share, known to the device in any case. */
  readonly aWords: Uint32Array;
}

export interface Construction {
  readonly modeA: RequestMode;
  readonly modeB: RequestMode;
  /** What stands in the begin messages. */
  readonly seedForA: (seeds: RequestSeeds) => Uint8Array;
  readonly seedForB: (seeds: RequestSeeds) => Uint8Array;
  open(seeds: RequestSeeds): Promise<RequestMasks>;
}

/** One request's masks, used for each layer once. */
export interface RequestMasks {
  /** May run ahead of the layer: needs no input. */
  prepare(layer: number, planned: PlannedLayer, batch: number): void;
  share(layer: number, planned: PlannedLayer, x: Int32Array, batch: number): Promise<LayerShares>;
  /** The integers W x from what the edges answered; without relay both, with it A's sum alone. */
  combine(
    layer: number,
    planned: PlannedLayer,
    batch: number,
    answers: readonly Uint32Array[],
  ): Promise<Int32Array>;
  /** What edge B, computing y_B, had to give to edge A; y_B itself without a relay. May be asked after {@link combine}. */
  relayed(layer: number, planned: PlannedLayer, batch: number, outputB: Uint32Array): Promise<Uint32Array>;
}

/** Where masks come from. */
export type MaskSource = Pick<MaskStream, 'words'>;

const NOTHING = new Uint8Array(32);

/** Ready words by layer, so that a layer's masks are made while the edges work on the one before. */
class PreparedMasks {
  readonly #stream: MaskSource;
  readonly #direction: 'in' | 'out';
  readonly #ready = new Map<number, Promise<Uint32Array>>();

  constructor(stream: MaskSource, direction: 'in' | 'out') {
    this.#stream = stream;
    this.#direction = direction;
  }

  prepare(layer: number, count: number, bits: number): Promise<Uint32Array> {
    let words = this.#ready.get(layer);
    if (words === undefined) {
      words = this.#stream.words({ layer, direction: this.#direction }, count, bits);
      this.#ready.set(layer, words);
    }
    return words;
  }

  take(layer: number, count: number, bits: number): Promise<Uint32Array> {
    const words = this.prepare(layer, count, bits);
    this.#ready.delete(layer);
    return words;
  }
}

export function sharing(relay: boolean): Construction {
  arg.checkArguments('sharing', [relay], { relay: arg.flag });
  return {
    modeA: relay ? 'relay-seeded' : 'seeded',
    modeB: relay ? 'relay-vector' : 'vector',
    seedForA: (seeds) => seeds.input,
    seedForB: (seeds) => (relay ? seeds.output : NOTHING),
    async open(seeds) {
      const inputs = new PreparedMasks(await MaskStream.open(seeds.input), 'in');
      const outputs = relay ? new PreparedMasks(await MaskStream.open(seeds.output), 'out') : null;
      return {
        prepare(layer, planned, batch) {
          void inputs.prepare(layer, batch * planned.inputs, planned.bits);
          void outputs?.prepare(layer, batch * planned.outputs, planned.bits);
        },
        async share(layer, { inputs: size, bits }, x, batch) {
          const aWords = await inputs.take(layer, batch * size, bits);
          return { a: null, b: subtractShares(x, aWords, bits), aWords };
        },
        async combine(layer, { outputs: size, bits }, batch, [first, second]) {
          if (outputs === null) return liftSum(first!, second!, bits);
          const mask = await outputs.take(layer, batch * size, bits);
          return liftSum(subtractShares(first!, mask, bits), new Uint32Array(mask.length), bits);
        },
        async relayed(layer, { outputs: size, bits }, batch, outputB) {
          if (outputs === null) return outputB;
          return addShares(outputB, await outputs.take(layer, batch * size, bits), bits);
        },
      };
    },
  };
}

/**
 * `openMasks` is for the demonstration of what the pair hides without R; anything but {@link MaskStream} gives inputs away.
 * @throws {ShapeError} when the pairs are not those of the plan's layers.
 */
export function paired(
  plan: LayerPlan,
  pairs: LayerPairs,
  openMasks: (seed: Uint8Array) => Promise<MaskSource> = MaskStream.open,
): Construction {
  arg.checkArguments('paired', [plan, pairs, openMasks], {
    plan: arg.options,
    pairs: arg.like('a LayerPairs', 'inputs', 'outputs'),
    openMasks: arg.optional(arg.callback),
  });
  plan.layers.forEach(({ inputs, outputs }, i) => {
    const got = `${pairs.inputs[i]?.length} and ${pairs.outputs[i]?.length}`;
    if (got !== `${inputs} and ${outputs}`)
      throw new ShapeError(`the pair of layer ${i}`, `${inputs} and ${outputs}`, got);
  });
  return {
    modeA: 'vector',
    modeB: 'vector',
    seedForA: () => NOTHING,
    seedForB: () => NOTHING,
    async open(seeds) {
      const fresh = new PreparedMasks(await openMasks(seeds.input), 'in');
      return {
        prepare(layer, planned, batch) {
          void fresh.prepare(layer, batch * planned.inputs, planned.bits);
        },
        async share(layer, { inputs: size, bits }, x, batch) {
          const b = await fresh.take(layer, batch * size, bits);
          const aWords = addShares(addShares(x, repeated(pairs.inputs[layer]!, batch), bits), b, bits);
          return { a: aWords, b, aWords };
        },
        async combine(layer, { bits }, batch, [first, second]) {
          const fixed = addShares(second!, repeated(pairs.outputs[layer]!, batch), bits);
          return liftSum(subtractShares(first!, fixed, bits), new Uint32Array(fixed.length), bits);
        },
        relayed: async (_layer, _planned, _batch, outputB) => outputB,
      };
    },
  };
}

function repeated(words: Uint32Array, batch: number): Uint32Array {
  const all = new Uint32Array(words.length * batch);
  for (let row = 0; row < batch; row++) all.set(words, row * words.length);
  return all;
}

/** S of each layer, which the device expands from its key again. */
export async function pairInputs(root: RootKey, plan: LayerPlan): Promise<Uint32Array[]> {
  const seed = root.derive('pair', plan.modelId);
  const stream = await MaskStream.open(seed);
  seed.fill(0);
  return await Promise.all(
    plan.layers.map(({ inputs, bits }, layer) => stream.words({ layer, direction: 'in' }, inputs, bits)),
  );
}

/** The owner's part of `paired`: S expanded from the device's key, L(S) computed. */
export async function makePairs(
  root: RootKey,
  plan: LayerPlan,
  apply: ApplyLinearAsync,
): Promise<LayerPairs> {
  const inputs = await pairInputs(root, plan);
  const outputs: Uint32Array[] = [];
  for (const [layer, { map, bits }] of plan.layers.entries()) {
    const image = await apply(layer, map, new Int32Array(inputs[layer]!.buffer), 1);
    outputs.push(Uint32Array.from(image, (value) => value & ringMask(bits)));
  }
  return { inputs, outputs };
}

/** Bytes of L(S), packed: what `paired` stores beside the key. The original stored S too, at 20 bytes an element. */
export function pairBytes(plan: LayerPlan): { stored: number; original: number } {
  const ORIGINAL_ELEMENT_BYTES = 20;
  let [stored, original] = [0, 0];
  for (const { inputs, outputs, bits } of plan.layers) {
    stored += packedShareBytes(outputs, bits);
    original += ORIGINAL_ELEMENT_BYTES * (inputs + outputs);
  }
  return { stored, original };
}
