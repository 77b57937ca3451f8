/**
 * The parameters that the package uses, each with its security: the lattice estimator's figure at the next larger modulus that was
 * estimated, and beside it the primal attack as computed here. Both take module-LWE of rank k and degree d as LWE of dimension
 * n = d k, with secrets and errors of standard deviation 1, which is what the scheme's proof reduces to.
 */
import { LatticeParams, type LatticeSpec, logQCeiling } from '../../src/fe/lattice/params.ts';
import { axisSizes } from '../../src/protocols/cryptonn/agreement/axis-sizes.ts';
import type { AxisName, DatasetSpec } from '../../src/protocols/cryptonn/agreement/dataset-spec.ts';
import { fittingPacking } from '../../src/protocols/cryptonn/agreement/lattice-schemes.ts';
import { digitsSpec } from './cryptonn-data.ts';
import { denseTask, lenetTask } from './cryptonn-tasks.ts';
import type { BenchRow } from '../report.ts';

const NOISE = { sigma: 600, delta: 1e-6 } as const;
const PROJECTION = { rank: 128, seed: '5b'.repeat(32), budgetShare: 0.9, approvedBy: [] };

const projectedSpec: DatasetSpec = {
  ...{ ...digitsSpec, id: 'projected', mode: 'projected', batch: denseTask.spec.batch },
  projection: PROJECTION,
};
const noisySpec: DatasetSpec = { ...projectedSpec, projection: { ...PROJECTION, noise: NOISE } };
const labelledSpec: DatasetSpec = {
  ...denseTask.spec,
  faithful: { ...denseTask.spec.faithful!, labels: 'encrypted' },
};

/** As owners, trainer and authority derive it from the data set. */
function ofAxis(use: string, spec: DatasetSpec, axis: AxisName) {
  const sizes = axisSizes(spec, axis);
  const { length, inputBound, weightBound, vectors } = sizes;
  return { use, length, inputBound, weightBound, packing: fittingPacking(sizes, vectors) };
}

/** Of the commands and benches of training, batches of 64; then what the benches and tests of the scheme use. */
export const PARAMETERS_IN_USE: readonly (LatticeSpec & { readonly use: string })[] = [
  ofAxis('dense network, forward', denseTask.spec, 'forward'),
  ofAxis('dense network, along the batch', denseTask.spec, 'gradient'),
  ofAxis('encrypted labels', labelledSpec, 'labels'),
  ofAxis('LeNet-5, pooled 6 x 6 windows', lenetTask.spec, 'forward'),
  ofAxis('LeNet-5, along the batch', lenetTask.spec, 'gradient'),
  ofAxis('projection of images', projectedSpec, 'projection'),
  ofAxis(`the same with noise, sigma ${NOISE.sigma}, r = ${PROJECTION.rank}`, noisySpec, 'projection'),
  { use: 'windows 5 x 5', length: 25, inputBound: 256, weightBound: 256, packing: 4096 },
  { use: '25 values of 12 bits', length: 25, inputBound: 4096, weightBound: 4096, packing: 4096 },
  { use: 'images of 8 bits and bias', length: 785, inputBound: 256, weightBound: 256, packing: 64 },
  { use: 'images of 12 bits and bias', length: 785, inputBound: 4096, weightBound: 4096, packing: 64 },
];

/** Bits up to a modulus: lattice estimator, commit 27a581b, MATZOV model, standard deviation 1. The last is the ceiling. */
export const ESTIMATED_BITS: Readonly<Record<number, readonly (readonly [logQ: number, bits: number])[]>> = {
  4096: [
    [96, 141],
    [100, 135],
    [102, 132],
    [104, 129.7],
  ],
  8192: [
    [142, 198],
    [157, 178],
    [206, 132],
  ],
};

/** log2 of the root Hermite factor of block size b, by the usual asymptotic formula [Chen, 2013]. */
function logRootHermite(b: number): number {
  return (Math.log2(Math.PI * b) / b + Math.log2(b / (2 * Math.PI * Math.E))) / (2 * (b - 1));
}

/** Number of samples is tried in steps: the optimum is flat. */
const SAMPLE_STEP = 16;

/**
 * Bits of the primal attack on LWE with secrets and errors of standard deviation 1: the least block size b for which the short vector
 * of the embedding lattice, of dimension n + m + 1, is found [Alkim, Ducas, Poeppelmann, Schwabe 2016]; sieving in
 * 2^(0.292 b + 16.4), 8 times the dimension calls. Other attacks and models give a few bits less: see {@link ESTIMATED_BITS}.
 */
export function primalAttackBits(dimension: number, logQ: number): number {
  /** Dimension of the lattice where block size b suffices, or 0. */
  const solvedIn = (b: number) => {
    let best = { margin: Number.NEGATIVE_INFINITY, lattice: 0 };
    for (let samples = SAMPLE_STEP; samples < 3 * dimension; samples += SAMPLE_STEP) {
      const lattice = dimension + samples + 1;
      const margin =
        (2 * b - lattice - 1) * logRootHermite(b) + (samples / lattice) * logQ - Math.log2(b) / 2;
      if (margin > best.margin) best = { margin, lattice };
    }
    return best.margin >= 0 ? best.lattice : 0;
  };
  let [low, high] = [60, dimension];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (solvedIn(middle) > 0) high = middle;
    else low = middle;
  }
  return 0.292 * high + 16.4 + Math.log2(8 * solvedIn(high));
}

export function parameterRows(): BenchRow[] {
  return PARAMETERS_IN_USE.map(({ use, ...spec }) => {
    const params = new LatticeParams(spec);
    const { length, inputBound, weightBound, packing, rank, dimension, logQ, multipliers } = params;
    const bits = ESTIMATED_BITS[dimension]?.find(([estimated]) => logQ <= estimated)?.[1] ?? 0;
    return {
      ...{ use, length, inputBound, weightBound, packing, rank, dimension, logQ },
      ceiling: logQCeiling(dimension),
      ...{ multipliers: multipliers.join(', '), bits, primalBits: primalAttackBits(dimension, logQ) },
    };
  });
}

/** For the documentation. */
export function parameterTable(): string {
  const lines = parameterRows().map((row) => {
    const cells = Object.entries(row).map(([column, value]) => {
      if (column === 'logQ') return Number(value).toFixed(1);
      return column === 'primalBits' ? Number(value).toFixed(0) : String(value);
    });
    return `| ${cells.join(' | ')} |`;
  });
  return [
    '| use | l | Bx | By | d | k | n | log2 q | at most | multipliers | bits | primal attack |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
