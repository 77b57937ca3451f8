/**
 * The estimator by categories on encrypted rows as a public program: how many rows, columns and chosen columns there are. Owner and trainer
 * derive everything else from it, and every file carries its hash [CGHPS18].
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { DataError } from '../../../base/errors.ts';
import { BootstrapPlan } from '../../../circuits/bootstrap/plan.ts';
import {
  bitFunction,
  type CircleFunction,
  identityFunction,
  tableFunction,
} from '../../../circuits/circle/circle-function.ts';
import { predictedSeconds, referenceCosts } from '../../../circuits/cost.ts';
import { scaledTableBootstraps } from '../../../circuits/discrete/scaled-table.ts';
import { doublings } from '../../../circuits/pattern-operations.ts';
import { CkksParams } from '../../../schemes/ckks/params.ts';
import type { KeyPlan } from '../../../schemes/rlwe/keys/key-plan.ts';
import { assertFields, assertForTests, assertIntegerWithin, specId } from '../program-fields.ts';
import { CategoryLayout, type CategoryShape } from './category-layout.ts';
import { COUNT_LIMIT, COUNT_SCALES, LOG, ROOT, SQUARINGS } from './category-tables.ts';
import { matrixMaps } from './linear-system.ts';

/** What a person writes down; public. JSON. */
export interface CategorySpec extends CategoryShape {
  readonly kind: 'category';
  readonly version: 1;
}

/** Bits of a digit of a score. */
export const DIGIT_BITS = 8;
const MAX_CHOSEN = 6;

/** The lowest digit of an integer. */
export const digitFunction = tableFunction(
  'digit',
  Array.from({ length: 2 ** DIGIT_BITS }, (_, v) => v),
);

/** 1 where an integer of `bits` bits has its highest bit set, else -1. */
export function signFunction(bits: number): CircleFunction {
  return tableFunction(
    'sign',
    Array.from({ length: 2 ** bits }, (_, v) => (v < 2 ** (bits - 1) ? -1 : 1)),
  );
}

/** 1 at integers that are 0 modulo `size`, else 0. */
export function isZeroFunction(size: number): CircleFunction {
  return tableFunction(
    'is zero',
    Array.from({ length: size }, (_, v) => (v === 0 ? 1 : 0)),
  );
}

export class CategoryProgram {
  readonly spec: CategorySpec;
  readonly params: CkksParams;
  readonly layout: CategoryLayout;
  readonly bootstrap: BootstrapPlan;

  /**
   * `insecure` are parameters for tests, marked so.
   *
   * @throws {OutOfRangeError} {@link InvalidParamsError} that says what does not fit.
   */
  constructor(spec: CategorySpec, insecure?: CkksParams) {
    arg.checkArguments('new CategoryProgram', [spec, insecure], {
      spec: arg.options,
      insecure: arg.optional(arg.like('a CkksParams', 'toBytes', 'qMods')),
    });
    assertSpec(spec);
    assertForTests(insecure);
    this.spec = Object.freeze({ ...spec });
    this.params = insecure ?? CkksParams.bootstrapping();
    this.layout = new CategoryLayout(this.params.slots, spec);
    this.bootstrap = new BootstrapPlan(this.params);
  }

  /** SHA-256 of the specification: what files must agree on. */
  get id(): string {
    return specId(ORDER.map((name) => this.spec[name]));
  }

  /** Bits of 2 (s_i +- s_j) + 1 with an offset that makes it positive: |s| is at most n^2 / 4. */
  get scoreBits(): number {
    return 1 + Math.ceil(Math.log2(this.spec.rows ** 2 + 2));
  }

  /** Digits that are taken off before the sign is seen. */
  get digits(): number {
    return Math.ceil(this.scoreBits / DIGIT_BITS) - 1;
  }

  /** Where rows are encrypted: a product, two masks, a level for each digit, and the first of a bootstrap. */
  get topLevel(): number {
    return this.bootstrap.inputLevel + 3 + this.digits;
  }

  /** Where the labels of the packed rows are encrypted: that of the categories' indicators. */
  get labelLevel(): number {
    const depth = Math.ceil(Math.log2(this.layout.bitsAcross)) + Math.log2(this.layout.vectors);
    return this.bootstrap.outputLevel(bitFunction) - 2 - depth;
  }

  /** Up to here there are keys for the rotations of the layout: what a table leaves higher is lowered. */
  get rotationLevel(): number {
    return Math.max(this.topLevel, this.labelLevel);
  }

  /** Ciphertexts of the owner: the rows, then the labels. */
  get ciphertexts(): number {
    return this.layout.ciphertexts + 1;
  }

  /** Steps of rotations and the highest level at which each is done. */
  get keyPlan(): KeyPlan {
    const { width, height, outer, inner, across, order } = this.layout;
    const { bootstrap, params } = this;
    const bits = bootstrap.outputLevel(bitFunction);
    const reals = bits - 2;
    const high = this.rotationLevel;
    const rotations = [
      ...doublings(width).flatMap((step) => [
        { step, maxLevel: high },
        { step: -step, maxLevel: high },
      ]),
      ...doublings(height, width).map((step) => ({ step, maxLevel: high })),
      { step: -(width / outer), maxLevel: high },
      { step: -1, maxLevel: high },
      { step: inner, maxLevel: bits },
      ...doublings(across, inner).map((step) => ({ step: -step, maxLevel: bits })),
      ...doublings(order, order ** 2).map((step) => ({ step, maxLevel: reals })),
      ...matrixMaps(order).flatMap(({ map, babySteps }) =>
        map.rotations(params.slots, babySteps).map((step) => ({ step, maxLevel: reals })),
      ),
    ].filter(({ step }) => step % params.slots !== 0);
    return bootstrap.keyPlan({ rotations });
  }

  /** The circle functions of the bootstraps of each step that has some; those of one bootstrap share an exponential. */
  get circleFunctions(): Readonly<Record<string, readonly (readonly CircleFunction[])[]>> {
    const { low, high } = scaledTableBootstraps([ROOT, LOG], COUNT_SCALES);
    const digits = Array.from({ length: this.digits }, () => [digitFunction]);
    const { width } = this.layout;
    const reals = identityFunction();
    const left = this.bootstrap.levelsLeft(reals);
    // The system starts at the level of a bootstrap's result, and a squaring takes two.
    const refreshes = Math.ceil(SQUARINGS / Math.floor(left / 2)) - 1;
    return {
      order: [...digits, [signFunction(this.scoreBits - this.digits * DIGIT_BITS)]],
      choices: [[isZeroFunction(width)]],
      'chosen columns': [[bitFunction]],
      system: [low, high, [reals]],
      solution: Array.from({ length: refreshes }, () => [reals]),
    };
  }

  get bootstraps(): number {
    return Object.values(this.circleFunctions).flat().length;
  }

  /** Key switches outside bootstraps. */
  get keySwitches(): number {
    const {
      width,
      height,
      ciphertexts,
      outer,
      inner,
      across,
      vectors,
      bitsAcross,
      ranks,
      order,
      categories,
    } = this.layout;
    const { chosen } = this.spec;
    const log = Math.log2;
    const scores = ciphertexts + 2 * log(height) + 2;
    const pairs = 2 * log(width);
    const ranked = 2 + log(width);
    // Of each chosen column: products and sums of every ciphertext, put side by side, then one below the other.
    const groups = Math.min(inner, ciphertexts);
    const merged = ciphertexts * (1 + log(outer)) + ciphertexts - groups + this.#emptyMoves;
    const selected = chosen * (log(ranks) + merged + groups * log(width / outer) + inner) - 1;
    const indicators =
      chosen * log(across) + chosen - 1 + Math.max(0, bitsAcross - 1) + Math.max(0, vectors - 1);
    const counts = vectors * (1 + log(height) + log(inner * outer)) + 2 * log(width) + 1;
    const system = 10 + log(4 * categories);
    const rotations = matrixMaps(order).reduce(
      (sum, { map, babySteps }) => sum + map.rotations(this.params.slots, babySteps).length,
      0,
    );
    const solution = SQUARINGS * (rotations + 1 + log(order));
    return scores + pairs + ranked + selected + indicators + counts + system + solution + log(width);
  }

  /** Moves of vectors past ciphertexts that are not there. */
  get #emptyMoves(): number {
    const { ciphertexts, outer, inner } = this.layout;
    let moves = 0;
    for (let c0 = 0; c0 < inner; c0++) {
      const present = Array.from({ length: outer }, (_, c1) => c1 * inner + c0 < ciphertexts);
      // From the last one down: what is there already moves past every place below it.
      const last = present.lastIndexOf(true);
      if (last > 0) moves += present.slice(0, last).filter((is) => !is).length;
    }
    return moves;
  }

  /** Seconds of one thread at the trainer, as far as the costs of a machine are known. */
  get predictedSeconds(): number {
    const { logN, p } = this.params;
    const costs = referenceCosts(logN, p.length);
    const bootstraps = Object.values(this.circleFunctions)
      .flat()
      .reduce((sum, functions) => sum + predictedSeconds(this.bootstrap.workOfMany(functions), costs), 0);
    return (this.keySwitches * costs.keySwitch(this.topLevel + 1)) / 1000 + bootstraps;
  }

  /** What each party learns, for people. */
  get whoLearnsWhat(): { readonly trainer: string[]; readonly owner: string[]; readonly nobody: string[] } {
    const { rows, features, chosen } = this.spec;
    return {
      trainer: [
        `that there are ${rows} rows and ${features} columns, that ${chosen} of them are chosen, and how long the run takes`,
      ],
      owner: [
        `which ${chosen} columns were chosen, and ${chosen + 1} weights`,
        'they are for the owner alone: exact weights that are handed on can give away the secret key',
      ],
      nobody: ['rows, labels, counts, scores, ranks, categories and the linear system, outside the owner'],
    };
  }
}

const ORDER = [
  'kind',
  'version',
  'rows',
  'features',
  'chosen',
] as const satisfies readonly (keyof CategorySpec)[];

/** A program from JSON that somebody sent. @throws {DataError} {@link OutOfRangeError} {@link InvalidParamsError} */
export function parseCategoryProgram(value: unknown): CategoryProgram {
  assertFields(value, ORDER);
  return new CategoryProgram(value as CategorySpec);
}

/** Two numbers of at most n^2 + 1 are told apart in 24 bits, and counts are below the limit of their tables. */
const MAX_ROWS = COUNT_LIMIT - 1;

function assertSpec(spec: CategorySpec): void {
  if (spec.kind !== 'category' || spec.version !== 1)
    throw new DataError('not a program for regression by categories');
  assertIntegerWithin('chosen columns', spec.chosen, 1, MAX_CHOSEN);
  assertIntegerWithin('features', spec.features, spec.chosen, 128);
  assertIntegerWithin('rows', spec.rows, 2 ** spec.chosen + 1, MAX_ROWS);
}

printOnOneLine(CategoryProgram);
