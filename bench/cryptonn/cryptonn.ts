/**
 * Training on encrypted MNIST. `--part dense` and `--part lenet`: faithful mode beside clear training; `--part clear`: the latter
 * alone, all 60,000 samples; `--part projected`: keys for a public projection, all samples; `--part noise`: the same with noise in
 * the products; `--part ddh`: one batch under DDH, extrapolated; `--part leak`: what projections
 * tell somebody with look-alike images; `--part operations`: what the schemes take for each operation.
 * Accuracy is on the 10,000 test images, in the clear. Without `--samples` the faithful parts and noise run on a subset;
 * `--checkpoint DIR` makes the faithful parts resumable. Seconds are of the clock that `--processor-time` chooses. `--svg` draws
 * the learning curves, `--markdown` is the table of results.
 */
import { curveSvg, type NamedCurve } from '../../src/apps/cryptonn/curve-picture.ts';
import { UsageError } from '../../src/base/errors.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { openKernel } from '../../src/kernel/open.ts';
import { DatasetSchemes } from '../../src/protocols/cryptonn/agreement/dataset-schemes.ts';
import { drawnSource, measureLookAlike } from '../../src/apps/cryptonn/measured-leak.ts';
import { runClear } from './cryptonn-clear.ts';
import { firstImages, leakSpec, type MnistDigits, readDigits, readMnistImages } from './cryptonn-data.ts';
import { runFaithful } from './cryptonn-faithful.ts';
import { type ProjectedRun, runProjected } from './cryptonn-projected.ts';
import { trainingTable } from './cryptonn-table.ts';
import { denseTask, lenetTask } from './cryptonn-tasks.ts';
import { functionEncryptionRows } from '../function-encryption.ts';
import { type BenchClock, processorClock, wallClock } from '../in-turn.ts';
import { type Bench, type BenchOptions, type BenchRow, reportFor } from '../report.ts';

const EPOCHS = 2;
const RANKS = [64, 128, 256] as const;
/** More than the two epochs of the original, in rows of their own. */
const LONG_EPOCHS = 10;
const NOISE_RANK = 128;
/** About a sixth, once and five times the deviation of P x itself over MNIST. */
const SIGMAS = [100, 600, 3000] as const;
const NOISE_SAMPLES = 12_000;
const DELTA = 1e-6;
const LEAK_RANKS = [16, 24, 32, 48, 64, 104] as const;
/** Half of them are known to the attack. */
const LEAK_SAMPLES = 12_000;

/** What every part is given. */
interface PartRun {
  readonly options: BenchOptions;
  readonly kernel: Kernel;
  readonly digits: MnistDigits;
  readonly clock: BenchClock;
  readonly note: (line: string) => void;
}

interface PartResult {
  readonly rows: readonly BenchRow[];
  readonly curves: readonly NamedCurve[];
}

const faithfulPart =
  (task: typeof denseTask) =>
  async ({ options, kernel, digits, clock, note }: PartRun): Promise<PartResult> => {
    const { samples = task.samples, epochs = EPOCHS, checkpoint } = options;
    const run = { task, samples, epochs, checkpoint, schemeName: 'lattice', clock };
    const { rows, curve } = await runFaithful(run, kernel, digits, note);
    return { rows, curves: [{ name: `${task.network}, faithful`, points: curve }] };
  };

async function clearPart({ options, kernel, digits, clock, note }: PartRun): Promise<PartResult> {
  const { samples = digits.train.labels.length, epochs = EPOCHS } = options;
  const rows: BenchRow[] = [];
  for (const task of [denseTask, lenetTask])
    rows.push(await runClear({ task, samples, epochs, clock }, kernel, digits, note));
  return { rows, curves: [] };
}

async function projectedRuns(
  { kernel, digits, note }: PartRun,
  runs: readonly ProjectedRun[],
): Promise<PartResult> {
  const results = [];
  for (const run of runs) results.push(await runProjected(run, kernel, digits, note));
  return { rows: results.flatMap(({ rows }) => rows), curves: results.flatMap(({ curves }) => curves) };
}

function projectedPart(part: PartRun): Promise<PartResult> {
  const { options, digits, clock } = part;
  const { samples = digits.train.labels.length, epochs = EPOCHS } = options;
  const ranks = options.quick ? [128] : RANKS;
  return projectedRuns(
    part,
    ranks.map((rank) => ({ rank, samples, epochs: [...new Set([epochs, LONG_EPOCHS])], clock })),
  );
}

function noisePart(part: PartRun): Promise<PartResult> {
  const { samples = NOISE_SAMPLES, epochs = LONG_EPOCHS } = part.options;
  const run = { rank: NOISE_RANK, samples, epochs: [epochs], clock: part.clock };
  return projectedRuns(part, [run, ...SIGMAS.map((sigma) => ({ ...run, noise: { sigma, delta: DELTA } }))]);
}

/**
 * Few steps under DDH, with their weights compared, and what they make of all samples: seconds times steps. That row is an
 * extrapolation and says so; it has no accuracy, since nothing was trained so long.
 */
async function ddhPart({ options, kernel, digits, clock, note }: PartRun): Promise<PartResult> {
  using schemes = new DatasetSchemes(kernel);
  const { schemeFor } = schemes;
  const task = { ...denseTask, spec: { ...denseTask.spec, id: 'dense-ddh', scheme: 'ddh' as const } };
  const { samples = task.spec.batch, epochs = 1, checkpoint } = options;
  const run = { task, samples, epochs, checkpoint, schemeFor, schemeName: 'ddh', clock };
  const { rows } = await runFaithful(run, kernel, digits, note);
  const [measured] = rows;
  if (measured === undefined) return { rows, curves: [] };
  const all = Math.floor(digits.train.labels.length / task.spec.batch) * task.spec.batch;
  const times = (all * EPOCHS) / (Number(measured['samples']) * epochs);
  const scaled = (key: string) => times * Number(measured[key]);
  const extrapolated: BenchRow = {
    ...{ mode: 'faithful, extrapolated', scheme: 'ddh', network: task.network, epochs: EPOCHS, samples: all },
    ...{ seconds: scaled('seconds'), clearSeconds: scaled('clearSeconds'), keysIssued: scaled('keysIssued') },
    // Owners encrypt each sample once.
    ...{ encryptSeconds: scaled('encryptSeconds') / EPOCHS, keySeconds: scaled('keySeconds') },
  };
  return { rows: [...rows, extrapolated], curves: [] };
}

/**
 * What a projection of each rank gives away to somebody with look-alikes: half of the images known, the others tried. No training, so no
 * accuracy. With real digits and with those that are drawn by code.
 */
async function leakPart({ options, kernel, note }: PartRun): Promise<PartResult> {
  const rows: BenchRow[] = [];
  const { samples = LEAK_SAMPLES } = options;
  const mnist = firstImages(readMnistImages(options.data), samples);
  const sources = [{ name: 'MNIST', images: mnist }, drawnSource()];
  for (const rank of options.quick ? [32] : LEAK_RANKS) {
    for (const source of sources) {
      const spec = leakSpec(rank);
      const { namesRecovered, varianceExplained, known } = measureLookAlike(spec, source, kernel);
      note(`rank ${rank}, ${source.name}: ${(100 * varianceExplained).toFixed(0)} % of the variance`);
      rows.push({ mode: 'leak', source: source.name, rank, known, namesRecovered, varianceExplained });
    }
  }
  return { rows, curves: [] };
}

/** One thread: figures are per core. */
async function operationsPart({ options, note }: PartRun): Promise<PartResult> {
  using one = await openKernel({ threads: 1 });
  return { rows: functionEncryptionRows(one, options, note), curves: [] };
}

const PARTS: Readonly<Record<string, (part: PartRun) => Promise<PartResult>>> = {
  dense: faithfulPart(denseTask),
  lenet: faithfulPart(lenetTask),
  clear: clearPart,
  projected: projectedPart,
  noise: noisePart,
  ddh: ddhPart,
  leak: leakPart,
  operations: operationsPart,
};

/** Only when they are asked for: they take minutes, or other benches show them as well. */
const SEPARATE = ['clear', 'ddh', 'leak', 'operations'];

export const cryptonn: Bench = async (options, note) => {
  using kernel = await openKernel();
  const digits = readDigits(options.data);
  const clock = options.processorTime ? processorClock : wallClock;
  const names = Object.keys(PARTS);
  const chosen = names.filter((name) =>
    options.part === undefined ? !SEPARATE.includes(name) : options.part === name,
  );
  if (chosen.length === 0) throw new UsageError(`--part is one of ${names.join(', ')}`);
  const results: PartResult[] = [];
  for (const name of chosen)
    results.push(await (PARTS[name] as typeof clearPart)({ options, kernel, digits, clock, note }));
  const rows = results.flatMap((result) => result.rows);
  const svg = curveSvg(results.flatMap(({ curves }) => curves));
  return { ...reportFor('cryptonn', kernel, rows), markdown: trainingTable(rows), svg };
};
