/**
 * The estimator by categories under encryption [CGHPS18], a stage at a time: scores, their order, the chosen columns, the counts of the
 * categories that these make, the linear system. Every stage works on whole vectors; nothing that happens depends on a value.
 *
 * Rows come as x + i y, a column of the table beside its label: one square then holds x y as well, and sums of both cost what sums of one do.
 */
import type { Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import { lookUpScaled } from '../../../circuits/discrete/scaled-table.ts';
import { doublings, type PatternOperations, type SlotPattern } from '../../../circuits/pattern-operations.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import { systemNorm } from './category-clear.ts';
import type { CategoryLayout } from './category-layout.ts';
import {
  type CategoryProgram,
  DIGIT_BITS,
  digitFunction,
  isZeroFunction,
  signFunction,
} from './category-program.ts';
import { COUNT_LIMIT, COUNT_SCALES, LOG, RIDGE, ROOT } from './category-tables.ts';
import { halvingsOf } from './linear-system.ts';

/** Values that are 0 or 1, or sums of them with their noise. */
const ROOM = 1.01;

/** Results belong to the arena of `operations`; arguments are borrowed unless a stage says otherwise. */
export class CategoryCircuit {
  readonly program: CategoryProgram;
  #operations: PatternOperations;
  #bootstrapper: Bootstrapper;

  constructor(program: CategoryProgram, operations: PatternOperations, bootstrapper: Bootstrapper) {
    this.program = program;
    this.#operations = operations;
    this.#bootstrapper = bootstrapper;
  }

  get #layout(): CategoryLayout {
    return this.program.layout;
  }

  get #scale(): number {
    return this.program.params.defaultScale;
  }

  /** A pattern of real numbers by row and column of slots, repeating after `rows` rows. */
  #pattern(rows: number, at: (row: number, column: number) => number): SlotPattern {
    const { width } = this.#layout;
    return { period: rows * width, at: (slot) => at(Math.floor(slot / width), slot % width) };
  }

  /** At most where rotations have keys: small tables end high. The argument is used up. */
  #capped(a: CkksCiphertext): CkksCiphertext {
    const { rotationLevel } = this.program;
    if (a.level <= rotationLevel) return a;
    const low = this.#operations.lowered(a, rotationLevel);
    a[Symbol.dispose]();
    return low;
  }

  /**
   * 4 s_j = 2 Im(n sum z^2 - (sum z)^2), z = x + i y, in every row of slots: s_j is n times the covariance of column j and the label.
   */
  scores(rows: readonly CkksCiphertext[]): CkksCiphertext {
    const operations = this.#operations;
    const { height, width } = this.#layout;
    const { rows: n } = this.program.spec;
    const overRows = doublings(height, width);
    const bound = 2 * n;
    let total: CkksCiphertext | undefined;
    let squares: CkksCiphertext | undefined;
    for (const z of rows) {
      const copy = operations.lowered(z, z.level);
      total = total === undefined ? copy : operations.addUp(total, copy, bound);
      const square = operations.multiply(z, z, bound);
      squares = squares === undefined ? square : operations.addUp(squares, square, bound);
    }
    total = operations.rotateSum(total!, overRows, bound);
    squares = operations.rotateSum(squares!, overRows, bound);
    operations.multiplyInteger(squares, n);
    const squared = operations.multiply(total, total, bound ** 2);
    operations.subtractFrom(squares, squared);
    const conjugate = operations.conjugate(squares);
    operations.subtractFrom(squares, conjugate);
    operations.multiplyByI(squares, -1);
    for (const used of [total, squared, conjugate]) used[Symbol.dispose]();
    return operations.restate(squares, { maxAbs: 4 * n ** 2 });
  }

  /**
   * For every ordered pair of columns whether i beats j: an odd number each in the two halves of the slots, u = 2 (s_i - s_j) + sgn(j - i) and
   * v = 2 (s_i + s_j) + 1, both with an offset that makes them positive. |s_i| > |s_j| where both have one sign.
   */
  pairs(scores: CkksCiphertext): CkksCiphertext {
    const operations = this.#operations;
    const { width } = this.#layout;
    const maxAbs = 2 ** this.program.scoreBits;
    const level = scores.level - 2;
    const target = { level, scale: this.#scale, maxAbs };
    const onDiagonal = this.#pattern(width, (i, j) => (i === j ? 1 / 2 : 0));
    const above = { ...target, level: level + 1 };
    using gathered = operations.masked(scores, onDiagonal, above, doublings(width));
    const first = this.#pattern(1, (_, j) => (j === 0 ? 1 : 0));
    const right = doublings(width).map((step) => -step);
    const ofRows = operations.masked(gathered, first, target, right);
    const ofColumns = operations.masked(
      scores,
      this.#pattern(2 * width, (row) => (row < width ? -1 / 2 : 1 / 2)),
      target,
    );
    const all = operations.addUp(ofRows, ofColumns, maxAbs);
    const offset = maxAbs / 2;
    operations.addPattern(
      all,
      this.#pattern(2 * width, (row, j) => offset + (row >= width || row <= j ? 1 : -1)),
    );
    return all;
  }

  /** 1 where a number of `bits` bits has its highest bit set, else -1: digit by digit from the lowest. The argument is used up. */
  signs(numbers: CkksCiphertext, bits: number): CkksCiphertext {
    const operations = this.#operations;
    const size = 2 ** DIGIT_BITS;
    let [current, left] = [numbers, bits];
    for (; left > DIGIT_BITS; left -= DIGIT_BITS) {
      // Numbers go round the circle: what the table sees is their lowest digit.
      using wrapped = operations.restate(operations.lowered(current, current.level), { maxAbs: size });
      using digit = this.#bootstrapper.apply(wrapped, digitFunction, operations.arena);
      const terms = [
        { ciphertext: current, re: 1 / size, im: 0 },
        { ciphertext: digit, re: -1 / size, im: 0 },
      ];
      const target = {
        level: Math.min(current.level, digit.level) - 1,
        scale: this.#scale,
        maxAbs: 2 ** (left - DIGIT_BITS),
      };
      const next = operations.weightedSum(terms, target);
      current[Symbol.dispose]();
      current = next;
    }
    const signs = this.#bootstrapper.apply(current, signFunction(left), operations.arena);
    current[Symbol.dispose]();
    return this.#capped(signs);
  }

  /**
   * How many columns beat column j, less the row of slots modulo `ranks`, in every row: 0 where the row asks for the rank that j has. The
   * argument is used up.
   */
  ranks(signs: CkksCiphertext): CkksCiphertext {
    const operations = this.#operations;
    const { width, ranks } = this.#layout;
    using moved = operations.rotate(signs, width ** 2);
    using both = operations.multiply(signs, moved, ROOM);
    signs[Symbol.dispose]();
    const offDiagonal = this.#pattern(width, (i, j) => (i === j ? 0 : 1 / 2));
    const target = { level: both.level - 1, scale: this.#scale, maxAbs: width };
    const sums = operations.masked(both, offDiagonal, target, doublings(width, width));
    operations.addPattern(
      sums,
      this.#pattern(ranks, (row) => (width - 1) / 2 - row),
    );
    return sums;
  }

  /** 1 at column j of row r (modulo `ranks`) where j is the r-th best. The argument is used up. */
  choices(ranks: CkksCiphertext): CkksCiphertext {
    const { width } = this.#layout;
    using wrapped = this.#operations.restate(ranks, { maxAbs: width });
    return this.#capped(this.#bootstrapper.apply(wrapped, isZeroFunction(width), this.#operations.arena));
  }

  /**
   * The chosen columns of all rows in one vector, cleaned: column q of slots and the ciphertext of the row as {@link CategoryLayout.columnOf}
   * has them.
   */
  chosen(choices: CkksCiphertext, rows: readonly CkksCiphertext[]): CkksCiphertext {
    const operations = this.#operations;
    const { width, ranks, outer, inner } = this.#layout;
    const { chosen } = this.program.spec;
    const span = width / outer;
    const folded = doublings(outer, span).reverse();
    const within = doublings(span).reverse();
    let packed: CkksCiphertext | undefined;
    // Each sum is put one column to the right of those before it, so the last comes first.
    for (let r = chosen - 1; r >= 0; r--) {
      const above = choices.level - 1;
      const ofRank = this.#pattern(ranks, (row) => (row === r ? 1 : 0));
      const spread = doublings(ranks, width);
      using selector = operations.masked(
        choices,
        ofRank,
        { level: above, scale: this.#scale, maxAbs: ROOM },
        spread,
      );
      for (let c0 = inner - 1; c0 >= 0; c0--) {
        const merged = this.#mergedColumns(selector, rows, c0, folded);
        if (packed !== undefined) packed = this.#movedRight(packed, 1);
        if (merged === undefined) continue;
        const sums = operations.rotateSum(merged, within, 2);
        const first = this.#pattern(1, (_, column) => (column % span === 0 ? 1 : 0));
        const target = { level: sums.level - 1, scale: this.#scale, maxAbs: 2 };
        const alone = operations.masked(sums, first, target);
        sums[Symbol.dispose]();
        packed = packed === undefined ? alone : operations.addUp(packed, alone, 2);
      }
    }
    using bits = operations.restate(packed!, { maxAbs: 1 });
    return this.#bootstrapper.refreshBits(bits, operations.arena);
  }

  #movedRight(a: CkksCiphertext, columns: number): CkksCiphertext {
    const moved = this.#operations.rotate(a, -columns);
    a[Symbol.dispose]();
    return moved;
  }

  /** The chosen column of the ciphertexts c0, inner + c0, 2 inner + c0 ..: a sum over the columns of a span each, side by side. */
  #mergedColumns(
    selector: CkksCiphertext,
    rows: readonly CkksCiphertext[],
    c0: number,
    folded: readonly number[],
  ): CkksCiphertext | undefined {
    const operations = this.#operations;
    const { width, outer, inner } = this.#layout;
    const span = width / outer;
    let merged: CkksCiphertext | undefined;
    for (let c1 = outer - 1; c1 >= 0; c1--) {
      if (merged !== undefined) merged = this.#movedRight(merged, span);
      const z = rows[c1 * inner + c0];
      if (z === undefined) continue;
      const sums = operations.rotateSum(operations.multiply(z, selector, 2), folded, 2);
      const first = this.#pattern(1, (_, column) => (column < span ? 1 : 0));
      const part = operations.masked(sums, first, { level: sums.level - 1, scale: this.#scale, maxAbs: 2 });
      sums[Symbol.dispose]();
      merged = merged === undefined ? part : operations.addUp(merged, part, 2);
    }
    return merged;
  }

  /** Indicators of the categories, `across` of them side by side in each vector. The argument is used up. */
  categories(chosenBits: CkksCiphertext): CkksCiphertext[] {
    const operations = this.#operations;
    const layout = this.#layout;
    const { inner, across, categories, bitsAcross } = layout;
    const { chosen } = this.program.spec;
    const isFirst = this.#pattern(1, (_, column) => (layout.packedAt(column).q === 0 ? 1 : 0));
    const right = doublings(across, inner).map((step) => -step);
    let bits = chosenBits;
    let factors: CkksCiphertext[] = [];
    const others: CkksCiphertext[] = [];
    for (let r = 0; r < chosen; r++) {
      const target = { level: bits.level - 1, scale: this.#scale, maxAbs: ROOM };
      const bit = operations.masked(bits, isFirst, target, right);
      if (r < bitsAcross) {
        // x or 1 - x, and 0 for categories that do not exist.
        const below = { ...target, level: target.level - 1 };
        const isUsed = (q: number): boolean => r > 0 || q < categories;
        const sign = (q: number): number => (isUsed(q) ? 2 * ((q >> r) & 1) - 1 : 0);
        const signs = this.#pattern(1, (_, column) => sign(layout.packedAt(column).q));
        const factor = operations.masked(bit, signs, below);
        operations.addPattern(
          factor,
          this.#pattern(1, (_, column) => {
            const { q } = layout.packedAt(column);
            return isUsed(q) ? 1 - ((q >> r) & 1) : 0;
          }),
        );
        factors.push(factor);
        bit[Symbol.dispose]();
      } else others.push(bit);
      if (r === chosen - 1) break;
      const next = operations.rotate(bits, inner);
      bits[Symbol.dispose]();
      bits = next;
    }
    bits[Symbol.dispose]();
    while (factors.length > 1) {
      const next: CkksCiphertext[] = [];
      for (let i = 0; i < factors.length; i += 2) {
        const [a, b] = [factors[i]!, factors[i + 1]];
        next.push(b === undefined ? a : operations.multiply(a, b, ROOM));
        if (b !== undefined) for (const used of [a, b]) used[Symbol.dispose]();
      }
      factors = next;
    }
    let vectors = factors;
    for (const bit of others) {
      // Both halves: those without the bit, then those with it.
      const withBit = vectors.map((vector) => operations.multiply(vector, bit, ROOM));
      const without = vectors.map((vector, i) => {
        const { level, scale } = withBit[i]!;
        const kept = operations.brought(vector, { level, scale, maxAbs: ROOM });
        operations.subtractFrom(kept, withBit[i]!);
        vector[Symbol.dispose]();
        return kept;
      });
      bit[Symbol.dispose]();
      vectors = [...without, ...withBit];
    }
    return vectors;
  }

  /**
   * Counts of every category, in all columns of one row of slots each: of its rows, of those with label 1, of those with label 0, in
   * consecutive blocks of rows; a fourth block is zero. `labels` holds 1 + i y for each row of the table. The indicators are used up.
   */
  counts(indicators: readonly CkksCiphertext[], labels: CkksCiphertext): CkksCiphertext {
    const operations = this.#operations;
    const layout = this.#layout;
    const { width, height, outer, inner, across, categories } = layout;
    const { rows: n } = this.program.spec;
    const bound = 2 * n;
    const overRows = doublings(height, width);
    const overCiphertexts = [...doublings(inner), ...doublings(outer, width / outer)];
    let gathered: CkksCiphertext | undefined;
    indicators.forEach((indicator, vector) => {
      let sums = operations.multiply(indicator, labels, ROOM);
      indicator[Symbol.dispose]();
      sums = operations.rotateSum(sums, [...overRows, ...overCiphertexts], bound);
      const isOwn = this.#pattern(categories, (row, column) => {
        const { q, c } = layout.packedAt(column);
        return c === 0 && q + vector * across === row ? 1 : 0;
      });
      const alone = operations.masked(sums, isOwn, {
        level: sums.level - 1,
        scale: this.#scale,
        maxAbs: bound,
      });
      sums[Symbol.dispose]();
      gathered = gathered === undefined ? alone : operations.addUp(gathered, alone, bound);
    });
    const first = operations.rotateSum(gathered!, doublings(width), bound);
    // Re of (T + i Y) times 1, -i and 1 + i: T, Y and T - Y. Halves, because the conjugate is added.
    const factors = [
      [1, 0],
      [0, -1],
      [1, 1],
      [0, 0],
    ] as const;
    const blocks = this.#pattern(4 * categories, (row, column) =>
      column === 0 ? factors[Math.floor(row / categories)]![0] / 2 : 0,
    );
    const pattern = {
      ...blocks,
      imaginaryAt: (slot: number) =>
        slot % width === 0 ? factors[Math.floor(slot / width / categories)]![1] / 2 : 0,
    };
    const right = doublings(width).map((step) => -step);
    const target = { level: first.level - 1, scale: this.#scale, maxAbs: bound };
    const spread = operations.masked(first, pattern, target, right);
    first[Symbol.dispose]();
    return operations.addUp(spread, operations.conjugate(spread), COUNT_LIMIT);
  }

  /**
   * E = I - A / norm - ridge and, in the last column, b / norm, as {@link solveEncrypted} takes them: A = U^T V U and b = U^T V L over the
   * categories, V = (Y + 1/2)(N + 1/2) / (T + 1) and L = ln(Y + 1/2) - ln(N + 1/2). The argument is used up.
   */
  system(counts: CkksCiphertext): CkksCiphertext {
    const operations = this.#operations;
    const { spec, layout } = this.program;
    const { width, order, categories, height } = layout;
    const { rows: n, chosen } = spec;
    const block = categories * width;
    const [root, log] = lookUpScaled(operations, this.#bootstrapper, counts, [ROOT, LOG], COUNT_SCALES);
    const halves = (a: CkksCiphertext): CkksCiphertext => {
      operations.addConstant(a, 1 / 2);
      return a;
    };
    using positives = halves(operations.rotate(counts, block));
    using negatives = halves(operations.rotate(counts, 2 * block));
    counts[Symbol.dispose]();
    const odds = operations.rotate(log!, block);
    {
      using other = operations.rotate(log!, 2 * block);
      operations.subtractFrom(odds, other);
    }
    log![Symbol.dispose]();
    // 1 for the columns of A, L for that of b.
    const isLast = (column: number): boolean => column % order === order - 1;
    const oddsTarget = { level: odds.level - 1, scale: this.#scale, maxAbs: 2 * Math.log(n + 1) };
    const ofLast = this.#pattern(1, (_, column) => (isLast(column) ? 1 : 0));
    using right = operations.masked(odds, ofLast, oddsTarget);
    operations.addPattern(
      right,
      this.#pattern(1, (_, column) => (isLast(column) ? 0 : 1)),
    );
    odds[Symbol.dispose]();
    using withRoot = operations.multiply(root!, positives, n);
    using weighted = operations.multiply(withRoot, right, n ** 2);
    // The design of each category, in the rows of the first block alone; its scale makes the product below arrive where a bootstrap takes it.
    const norm = systemNorm(n, chosen);
    const design = (category: number, i: number): number =>
      i < chosen ? (category >> i) & 1 : i === chosen ? 1 : 0;
    const entry = (row: number, column: number): number => {
      if (row >= categories) return 0;
      const [i, j] = [Math.floor(column / order) % order, column % order];
      const u = design(row, i) / norm;
      return isLast(column) ? u : -u * design(row, j);
    };
    const designLevel = Math.min(negatives.level - 1, root!.level);
    const lower = Math.min(weighted.level, designLevel - 1);
    const other = (this.#scale * operations.prime(lower)) / weighted.scale;
    const designTarget = {
      level: designLevel,
      scale: (other * operations.prime(designLevel)) / root!.scale,
      maxAbs: 1,
    };
    using designed = operations.masked(negatives, this.#pattern(4 * categories, entry), designTarget);
    using scaled = operations.multiply(root!, designed, 1);
    root![Symbol.dispose]();
    const product = operations.multiply(weighted, scaled, 1);
    const summed = operations.rotateSum(
      product,
      doublings(height, width).slice(0, Math.log2(4 * categories)),
      1,
    );
    const bound = 2 ** Math.ceil(-Math.log2(chosen + 1));
    using known = operations.restate(summed, { scale: this.#scale, maxAbs: bound });
    const state = this.#bootstrapper.refresh(known, operations.arena, { bound });
    operations.addPattern(
      state,
      this.#pattern(1, (_, column) => {
        const [i, j] = [Math.floor(column / order) % order, column % order];
        return i === j && i <= chosen ? 1 - RIDGE : 0;
      }),
    );
    return operations.restate(state, { maxAbs: 1 });
  }

  /**
   * What the owner opens, and zeros elsewhere: the index of the r-th best column at row r, column 0; the weights of the first row's last
   * column of the system, the constant last.
   */
  result(choices: CkksCiphertext, solution: CkksCiphertext): CkksCiphertext {
    const operations = this.#operations;
    const { width, height, order } = this.#layout;
    const { chosen, features } = this.program.spec;
    const indexTarget = { level: choices.level - 1, scale: this.#scale, maxAbs: features };
    const ofRanks = this.#pattern(height, (row, column) => (row < chosen && column < features ? column : 0));
    using sums = operations.masked(choices, ofRanks, indexTarget, doublings(width));
    const unit = 2 ** halvingsOf(chosen + 1);
    const target = { level: RESULT_LEVEL, scale: this.#scale, maxAbs: Math.max(features, unit) };
    const indices = operations.masked(
      sums,
      this.#pattern(height, (row, column) => (row < chosen && column === 0 ? 1 : 0)),
      target,
    );
    const weights = operations.masked(
      solution,
      this.#pattern(height, (row, column) =>
        row === 0 &&
        column < order ** 2 &&
        column % order === order - 1 &&
        Math.floor(column / order) <= chosen
          ? unit
          : 0,
      ),
      target,
    );
    return operations.addUp(indices, weights, target.maxAbs);
  }
}

/** Indices and weights at the default scale need more than one prime. */
const RESULT_LEVEL = 1;
