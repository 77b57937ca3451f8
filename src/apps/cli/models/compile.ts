/** `subrosa compile`: a trained model in, a program that servers run on encrypted data out, and what that costs. */
import { existsSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { DataError, UsageError } from '../../../base/errors.ts';
import { compile, type ProgramLayout } from '../../../compiler/compile.ts';
import type { Program } from '../../../compiler/program.ts';
import { programId, writeProgram } from '../../../compiler/program-file.ts';
import { offerOf } from '../../../compiler/program-facts.ts';
import { reportOf } from '../../../compiler/report.ts';
import { calibrate, type CalibratedModel } from '../../../nn/activations/calibration.ts';
import type { ReplacedLayer } from '../../../nn/activations/approximate.ts';
import type { ModelGraph } from '../../../nn/graph/model-graph.ts';
import { readLabelFile } from './label-file.ts';
import { type MeasuredAccuracy, measureAccuracy } from './model-accuracy.ts';
import { type ModelFlags, readModelFile } from './model-file.ts';
import { formatProgram, layerRows } from './program-table.ts';
import { readSamples } from './sample-files.ts';
import type { EngineParts } from '../parts.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatTable } from '../terminal/table.ts';
import { type Paint, paintFor, printable, type Terminal } from '../terminal/terminal.ts';

export interface CompileFlags extends ModelFlags {
  readonly output: string;
  readonly name?: string;
  readonly calibrate?: readonly string[];
  readonly calibrateLabels?: string;
  readonly inputBound?: number;
  readonly precision: number;
  readonly weightBits?: number;
  readonly layout: ProgramLayout;
  readonly drop: number;
  readonly maxDegree: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

const MAX_CALIBRATION_SAMPLES = 4096;
const MAX_PACKED_SAMPLES = 256;
/** Of the weights that activations are chosen for. */
const CALIBRATION_BITS = 8;

export async function compileModel(
  path: string,
  flags: CompileFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (existsSync(flags.output) && flags.force !== true)
    throw new UsageError(`${flags.output} is there already; --force replaces it`);
  const float = readModelFile(path, flags);
  using kernel = await parts.openKernel((reason) => terminal.err(`note ${reason}\n`));
  const input = float.inputs[0]!;
  const samples = flags.calibrate && readSamples(flags.calibrate, input, MAX_CALIBRATION_SAMPLES);
  const labels = flags.calibrateLabels === undefined ? undefined : readLabelFile(flags.calibrateLabels);
  if (labels !== undefined && samples !== undefined && labels.length < samples.count)
    throw new DataError(`${flags.calibrateLabels}: ${labels.length} labels for ${samples.count} samples`);
  // Ranges come from the first two thirds, accuracies from the rest.
  const fitted = samples === undefined ? 0 : Math.max(1, Math.ceil((2 * samples.count) / 3));
  const { program, calibrated } = await withSpinner(
    terminal,
    `compiling ${printable(basename(path))}`,
    async () => {
      const fit = samples && samples.data.subarray(0, fitted * featuresOf(float));
      const model =
        fit &&
        calibrate(
          float,
          { inputs: [fit], ...(labels && { labels: labels.subarray(0, fitted) }) },
          { drop: flags.drop, maxDegree: flags.maxDegree, weightBits: flags.weightBits ?? CALIBRATION_BITS },
        );
      const made = compile(model?.graph ?? float, {
        name: flags.name ?? nameOf(path),
        precision: flags.precision,
        layout: flags.layout,
        ...(flags.weightBits !== undefined && { weightBits: flags.weightBits }),
        ...(flags.inputBound !== undefined && { inputBound: flags.inputBound }),
      });
      return { program: made, calibrated: model };
    },
  );
  for (const warning of calibrated?.report.warnings ?? []) terminal.err(`warning ${warning}\n`);
  const held = samples === undefined ? 0 : heldOut(samples.count - fitted, program);
  const accuracy =
    samples === undefined || held === 0
      ? undefined
      : measureAccuracy({
          float,
          polynomial: calibrated?.graph ?? float,
          program,
          data: samples.data.subarray(fitted * program.inputs, (fitted + held) * program.inputs),
          count: held,
          labels: labels?.subarray(fitted, fitted + held),
          multiply: kernel,
        });
  writeFileSync(flags.output, writeProgram({ program }));
  report({ float, program, calibrated, accuracy }, flags, terminal);
}

/** Packed programs are simulated slot by slot. */
function heldOut(count: number, program: Program): number {
  return program.packed === undefined ? count : Math.min(count, MAX_PACKED_SAMPLES);
}

function featuresOf(graph: ModelGraph): number {
  return graph.inputs[0]!.shape.reduce((a, b) => a * b, 1);
}

interface Compiled {
  readonly float: ModelGraph;
  readonly program: Program;
  readonly calibrated: CalibratedModel | undefined;
  readonly accuracy: MeasuredAccuracy | undefined;
}

function report(
  { float, program, calibrated, accuracy }: Compiled,
  flags: CompileFlags,
  terminal: Terminal,
): void {
  const linear = float.nodes.filter(({ op }) => op === 'linear').length;
  if (flags.json === true) {
    const layers = layerRows(program, program.buckets.at(-1)!);
    const described = {
      file: flags.output,
      id: programId(program),
      offer: offerOf(program),
      report: reportOf(program),
    };
    const coverage = { nodes: float.nodes.length, linear };
    terminal.out(
      `${JSON.stringify({ program: described, coverage, calibration: calibrated?.report ?? null, accuracy: accuracy ?? null, layers })}\n`,
    );
    return;
  }
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  terminal.out(`every node runs under encryption: ${float.nodes.length}, ${linear} of them linear\n`);
  if (calibrated !== undefined && calibrated.report.layers.length > 0)
    terminal.out(`\n${formatReplacements(calibrated.report.layers, paint)}`);
  terminal.out(formatProgram(program, paint));
  if (accuracy !== undefined) terminal.out(`\n${formatAccuracy(accuracy)}`);
  terminal.out(`\n${paint.green('wrote')} ${printable(flags.output)}\n`);
}

/** What took the place of activations, maxima and norms. */
function formatReplacements(layers: readonly ReplacedLayer[], paint: Paint): string {
  const head = ['replaced', 'by', 'over', 'error'].map((text) => paint.dim(text));
  const rows = layers.map(({ name, what, by, interval, error }) => [
    `${what} at ${printable(name).slice(0, 32)}`,
    by.kind === 'polynomial' || by.kind === 'pairwise' ? `${by.kind} of degree ${by.degree}` : by.kind,
    interval.map((end) => end.toPrecision(3)).join(' .. '),
    error === undefined ? '' : error.rms.toExponential(1),
  ]);
  return formatTable([head, ...rows], [{}, {}, {}, { align: 'right' }]);
}

function formatAccuracy(accuracy: MeasuredAccuracy): string {
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const { samples, float, polynomial, quantised, encrypted } = accuracy;
  const agreement = `the float model's decision: polynomial ${percent(accuracy.polynomialAgreement)}, integers ${percent(accuracy.quantisedAgreement)}, encrypted (simulated) ${percent(accuracy.encryptedAgreement)}`;
  if (float === undefined || polynomial === undefined || quantised === undefined || encrypted === undefined)
    return `on ${samples} held-out samples, ${agreement}\n`;
  return `accuracy on ${samples} held-out samples: float ${percent(float)}, polynomial ${percent(polynomial)}, integers ${percent(quantised)}, encrypted (simulated) ${percent(encrypted)}\n${agreement}\n`;
}

/** model-1.2.onnx -> model-1-2 */
function nameOf(path: string): string {
  const name = basename(path)
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64);
  return name === '' ? 'model' : name;
}
