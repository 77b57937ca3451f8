/**
 * What an owner has let out of its data, over all data sets and authorities. An authority counts ranks per data set; the same data in
 * eight of them gives eight projections, which a trainer puts together. So the owner keeps a ledger: per source of data, everything
 * that was ever encrypted of it, and refuses what would exceed the budget.
 *
 * A source is known by its samples, not by names of files: of each sample the ledger has a keyed fingerprint, of which values lie on which
 * side of the middle between its smallest and its largest. Renamed files, subsets, other orders of samples, other scales and offsets and
 * negatives have the same fingerprints, and small noise leaves those of many samples; one in common makes two sources one, whole. Where
 * samples have few values, different data may have equal fingerprints and count as one source. Not recognised: shifted, cropped or resized
 * images, values in another order, columns left out, added or split over data sets.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { bytesToHex, concatBytes, hexToBytes } from '@noble/hashes/utils.js';
import * as z from 'zod';
import { DecodeError, InvalidParamsError } from '../../../base/errors.ts';
import type { RandomSource } from '../../../base/random.ts';
import { sha256Mac } from '../../../base/sha256.ts';
import { PLAIN_RESIDUE_PRODUCTS, type ResidueProducts } from '../../../kernel/portable/residue-products.ts';
import {
  type DatasetSpec,
  DEFAULT_BUDGET_SHARE,
  datasetDigest,
  PROJECTION_BOUND,
} from '../agreement/dataset-spec.ts';
import { rankBudget } from '../agreement/leak-budget.ts';
import { projectionMatrix } from '../agreement/projection.ts';
import { RankEchelon } from '../agreement/rank-echelon.ts';

const FINGERPRINT_BYTES = 8;
const MAX_LEDGER_BYTES = 2 ** 28;
const hex32 = z.string().regex(/^[0-9a-f]{64}$/);

const grantSchema = z.strictObject({
  dataset: z.string(),
  /** Of the whole specification. */
  digest: hex32,
  mode: z.enum(['faithful', 'projected']),
  features: z.int().min(1).max(65_536),
  projection: z
    .strictObject({ rank: z.int().min(1).max(4096), seed: hex32, sigma: z.int().min(0) })
    .optional(),
  /** How often: fresh noise each time averages out. */
  encryptions: z.int().min(1),
});
type Grant = z.infer<typeof grantSchema>;

const ledgerSchema = z.strictObject({
  version: z.literal(1),
  key: hex32,
  sources: z.array(
    z.strictObject({
      /** Fingerprints of samples, one after another, hex. */
      samples: z.string().regex(/^([0-9a-f]{16})*$/),
      grants: z.array(grantSchema),
    }),
  ),
});

interface Source {
  readonly samples: Set<string>;
  readonly grants: readonly Grant[];
}

/** What an encryption would add to everything before it. */
export interface LedgerReview {
  /** Dimensions of the samples that are known outside before, and afterwards; all of them after faithful training. */
  readonly rankBefore: number;
  readonly rank: number;
  readonly features: number;
  /** Encryptions of this source so far, under whatever data set. */
  readonly encryptions: number;
  readonly datasets: readonly string[];
  /** Deviation of what is left of the noise when all encryptions are averaged; 0 when one of them had none. */
  readonly sigma: number;
  /** An encryption of this source before had noise, and this one has none. */
  readonly losesNoise: boolean;
}

export class OwnerLedger {
  readonly #key: Uint8Array;
  #sources: readonly Source[];

  private constructor(key: Uint8Array, sources: readonly Source[]) {
    this.#key = key;
    this.#sources = sources;
  }

  static create(random: RandomSource): OwnerLedger {
    return new OwnerLedger(random.seed(), []);
  }

  /** @throws {DecodeError} */
  static fromBytes(bytes: Uint8Array): OwnerLedger {
    const bad = (reason: string) => new DecodeError("an owner's ledger", reason);
    if (bytes.length > MAX_LEDGER_BYTES) throw bad(`it is longer than ${MAX_LEDGER_BYTES} bytes`);
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      throw bad('it is not JSON');
    }
    const parsed = ledgerSchema.safeParse(value);
    if (!parsed.success) throw bad(parsed.error.issues[0]?.message ?? 'invalid');
    const sources = parsed.data.sources.map(({ samples, grants }) => ({
      samples: new Set(samples.match(/.{16}/g) ?? []),
      grants,
    }));
    return new OwnerLedger(hexToBytes(parsed.data.key), sources);
  }

  /** Secret: whoever has the key can test whether a sample that it knows is in the ledger. */
  toBytes(): Uint8Array {
    const sources = this.#sources.map(({ samples, grants }) => ({ samples: [...samples].join(''), grants }));
    const text = JSON.stringify({ version: 1, key: bytesToHex(this.#key), sources });
    return new TextEncoder().encode(text);
  }

  /** `inputs` `[samples, features]` as integers. Changes nothing. */
  review(
    spec: DatasetSpec,
    inputs: Int32Array,
    products: ResidueProducts = PLAIN_RESIDUE_PRODUCTS,
  ): LedgerReview {
    return this.#reviewOf(spec, this.#found(this.#fingerprints(inputs, spec.features)).grants, products);
  }

  /**
   * Notes an encryption before it happens; `mayExceedDefault` allows what the data set's own share allows, faithful mode included.
   * @throws {InvalidParamsError} when the rank would rise beyond the budget; then nothing is noted.
   */
  approve(
    spec: DatasetSpec,
    inputs: Int32Array,
    mayExceedDefault = false,
    products: ResidueProducts = PLAIN_RESIDUE_PRODUCTS,
  ): LedgerReview {
    const samples = this.#fingerprints(inputs, spec.features);
    const { grants, others, samples: known } = this.#found(samples);
    const review = this.#reviewOf(spec, grants, products);
    const budget = budgetOf(spec, mayExceedDefault);
    const { rank, rankBefore, features, datasets } = review;
    if (rank > budget && rank > rankBefore)
      throw new InvalidParamsError(
        `with "${spec.id}", ${rank} of ${features} dimensions of these data would be known outside, over the budget of ${budget}; before it are ${rankBefore}, by ${datasets.join(', ') || 'none'}`,
        { rank, budget },
      );
    const grant = grantOf(spec);
    const same = grants.find(({ digest }) => digest === grant.digest);
    const noted: Grant[] =
      same === undefined
        ? [...grants, grant]
        : grants.map((each) => (each === same ? { ...each, encryptions: each.encryptions + 1 } : each));
    for (const sample of samples) known.add(sample);
    this.#sources = [...others, { samples: known, grants: noted }];
    return review;
  }

  /** All sources that have a sample in common with these, as one. */
  #found(samples: readonly string[]) {
    const isShared = (source: Source) => samples.some((sample) => source.samples.has(sample));
    const found = this.#sources.filter(isShared);
    const grants: Grant[] = [];
    for (const grant of found.flatMap((source) => source.grants)) {
      const at = grants.findIndex(({ digest }) => digest === grant.digest);
      const same = grants[at];
      if (same === undefined) grants.push(grant);
      else grants[at] = { ...same, encryptions: same.encryptions + grant.encryptions };
    }
    return {
      grants,
      samples: new Set(found.flatMap((source) => [...source.samples])),
      others: this.#sources.filter((source) => !found.includes(source)),
    };
  }

  #reviewOf(spec: DatasetSpec, grants: readonly Grant[], products: ResidueProducts): LedgerReview {
    const { features } = spec;
    const next = grantOf(spec);
    const rankBefore = rankOf(grants, features, products);
    const noises = [...grants, next].map(({ projection, encryptions }) => ({
      sigma: projection?.sigma ?? 0,
      encryptions,
    }));
    const precision = noises.reduce((sum, { sigma, encryptions }) => sum + encryptions / sigma ** 2, 0);
    return {
      ...{ rankBefore, features, rank: rankOf([...grants, next], features, products) },
      encryptions: grants.reduce((sum, { encryptions }) => sum + encryptions, 0),
      datasets: [...new Set(grants.map(({ dataset }) => dataset))],
      sigma: Number.isFinite(precision) ? 1 / Math.sqrt(precision) : 0,
      losesNoise: next.projection?.sigma === 0 && grants.some((each) => (each.projection?.sigma ?? 0) > 0),
    };
  }

  /** Of samples with more than one kind of value: constant ones are everybody's. */
  #fingerprints(inputs: Int32Array, features: number): string[] {
    const out = new Set<string>();
    const width = new Uint8Array(new Uint32Array([features]).buffer);
    for (let start = 0; start + features <= inputs.length; start += features) {
      const bits = new Uint8Array(Math.ceil(features / 8));
      let [low, high] = [Infinity, -Infinity];
      for (let j = 0; j < features; j++) {
        const value = inputs[start + j] as number;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      if (low === high) continue;
      // Of an image and its negative the same half.
      const first = Math.sign(2 * firstOffMiddle(inputs, start, low + high) - low - high);
      for (let j = 0; j < features; j++)
        if (first * (2 * (inputs[start + j] as number) - low - high) < 0) bits[j >> 3]! |= 1 << (j & 7);
      const mac = sha256Mac(this.#key, concatBytes(width, bits));
      out.add(bytesToHex(mac.subarray(0, FINGERPRINT_BYTES)));
    }
    return [...out];
  }
}

/** The first value of a sample that is not exactly between its smallest and its largest, whose sum is `sum`. */
function firstOffMiddle(inputs: Int32Array, start: number, sum: number): number {
  let at = start;
  while (2 * (inputs[at] as number) === sum) at++;
  return inputs[at] as number;
}

function grantOf(spec: DatasetSpec): Grant {
  const { id: dataset, mode, features, projection } = spec;
  const common = { dataset, digest: datasetDigest(spec), mode, features, encryptions: 1 };
  if (projection === undefined) return common;
  const { rank, seed, noise } = projection;
  return { ...common, projection: { rank, seed, sigma: noise?.sigma ?? 0 } };
}

function rankOf(grants: readonly Grant[], features: number, products: ResidueProducts): number {
  if (grants.some(({ mode }) => mode === 'faithful')) return features;
  const span = new RankEchelon(features, products);
  for (const { projection } of grants) {
    if (projection === undefined) continue;
    const matrix = projectionMatrix(projection.seed, projection.rank, features);
    for (let row = 0; row < projection.rank; row++)
      span.add(matrix.subarray(row * features, (row + 1) * features));
  }
  return span.rank;
}

/** Dimensions of a source that may be known outside. */
export function budgetOf(spec: DatasetSpec, mayExceedDefault: boolean): number {
  const { features, inputBound, mode, projection } = spec;
  if (mode === 'faithful') return mayExceedDefault ? features : 0;
  const share = mayExceedDefault
    ? Math.max(DEFAULT_BUDGET_SHARE, projection?.budgetShare ?? 0)
    : DEFAULT_BUDGET_SHARE;
  return rankBudget(features, inputBound, PROJECTION_BOUND, share);
}

printOnOneLine(OwnerLedger);
arg.guard('OwnerLedger', OwnerLedger, {
  create: { random: arg.randomSource },
  fromBytes: { bytes: arg.bytes },
});
arg.guard('OwnerLedger', OwnerLedger.prototype, {
  review: {
    spec: arg.options,
    inputs: arg.typed('an Int32Array', Int32Array),
    products: arg.optional(arg.like('a ResidueProducts', 'subtractProduct')),
  },
  approve: {
    spec: arg.options,
    inputs: arg.typed('an Int32Array', Int32Array),
    mayExceedDefault: arg.optional(arg.flag),
    products: arg.optional(arg.like('a ResidueProducts', 'subtractProduct')),
  },
});
