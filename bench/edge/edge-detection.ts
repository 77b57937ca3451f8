/** What the checks of the two-edge mode notice: measured against their formulas, false alarms, and the time of a check. */
import { applyIntegerLinear, type IntegerLinearMap } from '../../src/kernel/integer-linear-map.ts';
import { IntegerNetwork, SeededGenerator } from '../../src/nn/index.ts';
import { SAMPLING } from '../../src/apps/cli/edge/edge-run.ts';
import { integerNetwork } from '../../src/apps/cli/edge/edge-network.ts';
import { planLayers, type PlannedLayer } from '../../src/protocols/edge/layer-plan.ts';
import { ProjectionCheck, PROJECTION_PRIME } from '../../src/protocols/edge/projection-check.ts';
import { adjointOf, projectionImages } from '../../src/protocols/edge/projection-images.ts';
import {
  acceptsSamples,
  detectionProbability,
  drawIndices,
  samplesFor,
} from '../../src/protocols/edge/sampling-check.ts';
import { type BenchRow, timeMedian } from '../report.ts';

/** Of a layer's outputs; 'one' is a single element. */
export const WRONG_FRACTIONS = [1, 0.5, 0.1, 0.05, 0.01, 'one'] as const;
export type WrongFraction = (typeof WRONG_FRACTIONS)[number];

/** A layer with what checks it. */
export interface CheckedLayer {
  readonly planned: PlannedLayer;
  readonly projections: readonly ProjectionCheck[];
  /** Inputs in the layer's range. */
  readonly draw: () => Int32Array;
}

/** Seeds of the two projections: any will do. */
const SEEDS = [1, 2];

export async function checkedLayer(inputs: number, outputs: number): Promise<CheckedLayer> {
  const generator = new SeededGenerator(31);
  const drawn = (length: number) => Int8Array.from({ length }, () => generator.below(255) - 127);
  const map: IntegerLinearMap = { kind: 'dense', inputs, outputs, weights: drawn(inputs * outputs) };
  const network = new IntegerNetwork(
    { shape: [inputs], scale: 1, offset: 0, low: -128, high: 127 },
    [{ kind: 'linear', map, bias: new Int32Array(outputs) }],
    { scale: 1, softmax: false },
  );
  const { layers } = await planLayers(network);
  const apply = (_layer: number, each: IntegerLinearMap, x: Int32Array, batch: number) =>
    applyIntegerLinear(each, x, batch);
  const projections = await Promise.all(
    SEEDS.map(async (number) => {
      const seed = new Uint8Array(32).fill(number);
      const check = await ProjectionCheck.open(
        seed,
        await projectionImages(layers, seed, [adjointOf(map)], apply),
      );
      await check.prepare(0, outputs);
      return check;
    }),
  );
  return { planned: layers[0]!, projections, draw: () => Int32Array.from(drawn(inputs)) };
}

export type CheckKind =
  | { readonly kind: 'projection' }
  | { readonly kind: 'sampling'; readonly samples: number };

function accepts(
  { planned, projections }: CheckedLayer,
  check: CheckKind,
  x: Int32Array,
  y: Int32Array,
): boolean {
  if (check.kind === 'sampling') return acceptsSamples(planned.map, x, y, check.samples);
  return projections.map((each) => each.accepts(0, planned, x, y)).every((accepted) => accepted);
}

export interface Detection {
  readonly wrong: number;
  readonly runs: number;
  readonly caught: number;
  /** What the formula says, and what was measured in its standard deviations: 0 where the formula leaves no room for chance. */
  readonly expected: number;
  readonly measured: number;
  readonly sigmas: number;
}

/** Runs against one lie before another is drawn. */
const RUNS_OF_A_LIE = 50;

/** Wrong elements anywhere, off by anything that keeps within the layer's bound. */
export function measureDetection(
  layer: CheckedLayer,
  check: CheckKind,
  fraction: WrongFraction,
  runs: number,
): Detection {
  const { map, outputs, outputBound } = layer.planned;
  const wrong = fraction === 'one' ? 1 : Math.round(fraction * outputs);
  const generator = new SeededGenerator(17);
  let caught = 0;
  let x: Int32Array = new Int32Array();
  let lie: Int32Array = x;
  for (let run = 0; run < runs; run++) {
    if (run % RUNS_OF_A_LIE === 0) {
      x = layer.draw();
      lie = applyIntegerLinear(map, x, 1);
      for (const at of drawIndices(outputs, wrong)) {
        const error = 1 + generator.below(outputBound);
        lie[at]! += lie[at]! > 0 ? -error : error;
      }
    }
    if (!accepts(layer, check, x, lie)) caught++;
  }
  const expected =
    check.kind === 'sampling'
      ? detectionProbability(outputs, wrong, check.samples)
      : 1 - PROJECTION_PRIME ** -layer.projections.length;
  const sigma = Math.sqrt((expected * (1 - expected)) / runs);
  const measured = caught / runs;
  const off = Math.abs(measured - expected);
  // Below a millionth of a run the deviation means nothing: the formula says 1, but for rounding.
  const sigmas = off < 1e-6 / runs ? 0 : off / sigma;
  return { wrong, runs, caught, expected, measured, sigmas };
}

/** Honest layers that a check refused. */
export function falseAlarms(layer: CheckedLayer, check: CheckKind, runs: number): number {
  let alarms = 0;
  for (let run = 0; run < runs; run++) {
    const x = layer.draw();
    if (!accepts(layer, check, x, applyIntegerLinear(layer.planned.map, x, 1))) alarms++;
  }
  return alarms;
}

const RUNS = 2000;
const HONEST = 100_000;
/** So few that the formula stays away from 1. */
const FEW_SAMPLES = 20;

async function detectionTable(): Promise<BenchRow[]> {
  const layer = await checkedLayer(16, 10_000);
  const goal = samplesFor(layer.planned.outputs, SAMPLING);
  const checks: CheckKind[] = [
    ...[FEW_SAMPLES, goal].map((samples) => ({ kind: 'sampling', samples }) as const),
    { kind: 'projection' },
  ];
  return checks.flatMap((check) =>
    WRONG_FRACTIONS.map((fraction) => {
      const { runs, caught, expected, measured, sigmas } = measureDetection(layer, check, fraction, RUNS);
      return {
        ...{ check: check.kind, samples: check.kind === 'sampling' ? check.samples : layer.planned.outputs },
        ...{
          outputs: layer.planned.outputs,
          wrong: String(fraction),
          runs,
          caught,
          expected,
          measured,
          sigmas,
        },
      };
    }),
  );
}

async function honestTable(): Promise<BenchRow[]> {
  const layer = await checkedLayer(16, 200);
  const checks: CheckKind[] = [{ kind: 'sampling', samples: FEW_SAMPLES }, { kind: 'projection' }];
  return checks.map((check) => ({
    check: check.kind,
    honestLayers: HONEST,
    falseAlarms: falseAlarms(layer, check, HONEST),
  }));
}

/** Of all layers of AlexNet. What the vectors are does not change the time, so they are none of this network's. */
async function timeTable(runs: number): Promise<BenchRow[]> {
  const { layers } = await planLayers(await integerNetwork('alexnet'));
  const generator = new SeededGenerator(2);
  const drawn = layers.map(({ inputs, outputs }) => ({
    x: Int32Array.from({ length: inputs }, () => generator.below(255) - 127),
    y: Int32Array.from({ length: outputs }, () => generator.below(255) - 127),
  }));
  const images = layers.map(({ inputs }) =>
    Uint32Array.from({ length: inputs }, () => generator.below(PROJECTION_PRIME)),
  );
  const projection = await ProjectionCheck.open(new Uint8Array(32), images);
  for (const [i, { outputs }] of layers.entries()) await projection.prepare(i, outputs);
  const twice = () =>
    layers.forEach((layer, i) => {
      for (const _check of SEEDS) projection.accepts(i, layer, drawn[i]!.x, drawn[i]!.y);
    });
  const sampled = () =>
    layers.forEach(({ map, outputs }, i) => {
      acceptsSamples(map, drawn[i]!.x, drawn[i]!.y, samplesFor(outputs, SAMPLING));
    });
  return [
    { network: 'AlexNet', check: 'two projections', checkMs: timeMedian(runs, twice).median },
    { network: 'AlexNet', check: 'sampling', checkMs: timeMedian(runs, sampled).median },
  ];
}

export async function detectionRows(quick: boolean): Promise<BenchRow[]> {
  return [...(await detectionTable()), ...(await honestTable()), ...(await timeTable(quick ? 3 : 9))];
}
