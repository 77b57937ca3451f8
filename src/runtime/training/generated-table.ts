/**
 * Tables for demonstrations, benches and tests: correlated blocks of columns of 0 and 1, a few of which matter, like the genotypes of the
 * first competitions on encrypted regression. The same seed gives the same table on every machine.
 */
import type { LabelledTable } from './labelled-table.ts';

export interface GeneratedTableOptions {
  readonly rows: number;
  readonly columns: number;
  readonly seed: number;
  /** How many columns matter; default a tenth of them, at least two. */
  readonly causal?: number;
}

/** 32 bits of a generator of Steele, Lea and Flood (SplitMix), as numbers in [0, 1): for data, not for secrets. */
export function uniformNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

/** Columns of one block follow a common hidden bit with this probability. */
const CORRELATION = 0.5;
const BLOCK = 5;

export function generatedTable({ rows, columns, seed, causal }: GeneratedTableOptions): LabelledTable {
  const uniform = uniformNumbers(seed);
  const count = causal ?? Math.max(2, Math.round(columns / 10));
  const frequencies = Array.from({ length: columns }, () => 0.15 + 0.5 * uniform());
  const effects = Array.from({ length: columns }, (_, j) =>
    j % Math.floor(columns / count) === 0 ? (uniform() < 0.5 ? -1 : 1) * (0.5 + uniform()) : 0,
  );
  const mean = effects.reduce((sum, effect, j) => sum + effect * frequencies[j]!, 0);
  const values = new Float64Array(rows * columns);
  const labels = new Uint8Array(rows);
  for (let i = 0; i < rows; i++) {
    let [score, hidden] = [-mean, 0];
    for (let j = 0; j < columns; j++) {
      if (j % BLOCK === 0) hidden = uniform();
      const draw = uniform() < CORRELATION ? hidden : uniform();
      const value = draw < frequencies[j]! ? 1 : 0;
      values[i * columns + j] = value;
      score += value * effects[j]!;
    }
    labels[i] = uniform() < 1 / (1 + Math.exp(-score)) ? 1 : 0;
  }
  return { columns: Array.from({ length: columns }, (_, j) => `gene${j + 1}`), values, labels };
}
