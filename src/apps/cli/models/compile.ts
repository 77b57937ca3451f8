/** `subrosa compile`: a trained model in, a program that servers run on encrypted data out, and what that costs. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DataError, UsageError } from '../../../base/errors.ts';
import type { Budget } from '../../../compiler/costs/budget.ts';
import { compile, type ProgramLayout } from '../../../compiler/compile.ts';
import type { KeyPlanName } from '../../../compiler/packed/key-plans.ts';
import { compileExact } from '../../../compiler/exact/compile-exact.ts';
import { type AnyProgram, type ExactProgram, isExact } from '../../../compiler/exact/exact-program.ts';
import { programId, writeProgram } from '../../../compiler/program-file.ts';
import { offerOf } from '../../../compiler/program-facts.ts';
import { reportOf } from '../../../compiler/report.ts';
import { applyCalibration, writeCalibration } from '../../../nn/activations/calibration-file.ts';
import { calibrate, type CalibratedModel } from '../../../nn/activations/calibration.ts';
import type { ReplacedLayer } from '../../../nn/activations/approximate.ts';
import type { ModelGraph } from '../../../nn/graph/model-graph.ts';
import { type BudgetResult, searchBudget } from './budget-search.ts';
import { parseBudget } from './budget-spec.ts';
import { budgetJson, formatBudgetRows, formatShortfall } from './budget-table.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { retrain, type RetrainedEpoch, type RetrainingData } from '../../../nn/retraining/retrain.ts';
import { readLabelFile } from './label-file.ts';
import { type MeasuredAccuracy, measureAccuracy } from './model-accuracy.ts';
import { type ModelFlags, readModelFile } from './model-file.ts';
import { formatProgram, layerRows } from './program-table.ts';
import { type Hearing, hearingOf, readSamples, type Samples } from './sample-files.ts';
import type { EngineParts } from '../parts.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatTable } from '../terminal/table.ts';
import { type Paint, paintFor, printable, type Terminal } from '../terminal/terminal.ts';

export interface CompileFlags extends ModelFlags {
  readonly output: string;
  readonly name?: string;
  readonly calibrate?: readonly string[];
  readonly calibrateLabels?: string;
  readonly calibration?: string;
  readonly keepCalibration?: string;
  readonly inputBound?: number;
  readonly precision: number;
  readonly weightBits?: number;
  readonly layout: ProgramLayout;
  readonly keys?: KeyPlanName;
  readonly drop: number;
  readonly maxDegree: number;
  readonly budget?: string;
  readonly retrain?: readonly string[];
  readonly retrainLabels?: string;
  readonly epochs: number;
  readonly exact?: boolean;
  readonly inputRange?: readonly number[];
  readonly inputBits?: number;
  readonly hiding?: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

const MAX_CALIBRATION_SAMPLES = 4096;
const MAX_RETRAINING_SAMPLES = 65_536;
const MAX_PACKED_SAMPLES = 256;
/** Of the weights that activations are chosen for. */
const CALIBRATION_BITS = 8;
const RINGS = [13, 14, 15];
/** What a budget tries; below, low-degree networks lose too much. */
const BUDGET_BITS = { batch: [8, 6, 4], packed: [16, 12] };
const LEAST_BUDGET_BITS = 4;

export async function compileModel(
  path: string,
  flags: CompileFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (existsSync(flags.output) && flags.force !== true)
    throw new UsageError(`${flags.output} is there already; --force replaces it`);
  const isMixed = [flags.inputRange, flags.inputBits, flags.hiding].some((each) => each !== undefined);
  if (flags.exact !== true && isMixed)
    throw new UsageError('--input-range, --input-bits and --hiding belong to --exact');
  if (flags.exact === true && flags.budget !== undefined)
    throw new UsageError('--budget chooses among approximate programs: leave --exact or --budget out');
  const budget = flags.budget === undefined ? undefined : parseBudget(flags.budget);
  if (budget?.drop !== undefined && flags.calibrate === undefined)
    throw new UsageError('a budget for the drop needs --calibrate: what is lost is measured on samples');
  if (flags.calibration !== undefined && flags.retrain !== undefined)
    throw new UsageError('--retrain starts from samples: --calibrate in place of --calibration');
  if (flags.calibration !== undefined && flags.keepCalibration !== undefined)
    throw new UsageError('--keep-calibration is for what --calibrate measures: leave --calibration out');
  if (flags.retrain !== undefined && flags.calibrate === undefined)
    throw new UsageError('--retrain starts from the fits of --calibrate: give both');
  const float = readModelFile(path, flags);
  using kernel = await parts.openKernel((reason) => terminal.err(`note ${reason}\n`));
  const hears = await hearingOf(float.inputs[0]!, kernel);
  const subject = { ...subjectOf(path, float, flags, { kernel, hears }), tell: toldOnTerminal(terminal) };
  const compiled = await withSpinner(terminal, `compiling ${printable(basename(path))}`, async (spinner) => {
    if (budget === undefined) return compiledBy(subject, flags);
    const result = await budgetResult(subject, flags, budget, async (text) => {
      spinner.say(text);
      await nextTurn();
    });
    return { ...(result.chosen?.made ?? result.rows[0]!.made), result };
  });
  const { calibrated, result, program } = compiled;
  for (const warning of calibrated?.report.warnings ?? []) terminal.err(`warning ${warning}\n`);
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  if (budget !== undefined && result !== undefined) {
    if (flags.json !== true) terminal.out(`${formatBudgetRows(result, budget, paint)}\n`);
    if (result.chosen === undefined) {
      if (flags.json === true) terminal.out(`${JSON.stringify({ budget: budgetJson(result) })}\n`);
      const lines = result.shortfalls.map((each) => `\n  ${formatShortfall(each)}`);
      throw new DataError(`no program keeps the budget${lines.join('')}`);
    }
  }
  const accuracy = compiled.accuracy ?? accuracyOf(subject, compiled);
  writeFileSync(flags.output, writeProgram({ program }));
  if (flags.keepCalibration !== undefined) keepCalibration(flags.keepCalibration, subject, calibrated);
  report({ float, program, calibrated, accuracy, budget: result && budgetJson(result) }, flags, terminal);
}

function keepCalibration(
  path: string,
  { float, samples }: CompileSubject,
  calibrated: PreparedModel | undefined,
): void {
  if (calibrated === undefined) throw new UsageError('--keep-calibration needs --calibrate');
  const about = `${float.source.file ?? 'a model'}, measured on ${samples?.count ?? 0} samples`;
  writeFileSync(path, writeCalibration(float, calibrated.fits, about));
}

/** What is compiled, and the samples to measure it on. */
interface CompileSubject {
  readonly name: string;
  readonly float: ModelGraph;
  /** With the polynomials of a calibration file. */
  readonly polynomial?: ModelGraph | undefined;
  readonly kernel: MatrixMultiply;
  readonly samples?: Samples | undefined;
  readonly labels?: Uint8Array | undefined;
  /** Ranges come from the first two thirds of the samples, accuracies from the rest. */
  readonly fitted: number;
  readonly retraining?: RetrainingData | undefined;
  readonly tell?: (line: string) => void;
}

/** What takes minutes says how far it is, where somebody watches. */
function toldOnTerminal(terminal: Terminal): (line: string) => void {
  return (line) => {
    if (terminal.errIsTerminal) terminal.err(`\r\u001b[2K${line}\n`);
  };
}

function subjectOf(
  path: string,
  float: ModelGraph,
  flags: CompileFlags,
  { kernel, hears }: { readonly kernel: MatrixMultiply; readonly hears: Hearing | undefined },
): CompileSubject {
  const input = float.inputs[0]!;
  const samples = flags.calibrate && readSamples(flags.calibrate, input, MAX_CALIBRATION_SAMPLES, { hears });
  const labels = flags.calibrateLabels === undefined ? undefined : readLabelFile(flags.calibrateLabels);
  if (labels !== undefined && samples !== undefined && labels.length < samples.count)
    throw new DataError(`${flags.calibrateLabels}: ${labels.length} labels for ${samples.count} samples`);
  const polynomial =
    flags.calibration === undefined ? undefined : applyCalibration(float, readTextFile(flags.calibration));
  // With a calibration file, all samples are held out.
  const fitted =
    samples === undefined || polynomial !== undefined ? 0 : Math.max(1, Math.ceil((2 * samples.count) / 3));
  const retraining = retrainingOf(flags, float);
  return { name: flags.name ?? nameOf(path), float, polynomial, kernel, samples, labels, fitted, retraining };
}

/** @throws {DataError} when there are fewer labels than samples. */
function retrainingOf(flags: CompileFlags, float: ModelGraph): RetrainingData | undefined {
  if (flags.retrain === undefined) return undefined;
  const { data, count } = readSamples(flags.retrain, float.inputs[0]!, MAX_RETRAINING_SAMPLES);
  const labels = flags.retrainLabels === undefined ? undefined : readLabelFile(flags.retrainLabels);
  if (labels !== undefined && labels.length < count)
    throw new DataError(`${flags.retrainLabels}: ${labels.length} labels for ${count} samples`);
  return { inputs: data, labels: labels?.subarray(0, count) };
}

/** Ready to be compiled; `retrained` when that was asked for. */
interface PreparedModel extends CalibratedModel {
  readonly retrained?: readonly RetrainedEpoch[];
}

interface CompiledModel {
  readonly program: AnyProgram;
  readonly calibrated: PreparedModel | undefined;
  readonly accuracy?: MeasuredAccuracy | undefined;
  readonly result?: BudgetResult<CompiledModel>;
}

function preparedBy(
  { float, polynomial, samples, labels, fitted, kernel, retraining, tell }: CompileSubject,
  { epochs, drop, maxDegree, layout, weightBits = CALIBRATION_BITS }: CompileFlags,
): PreparedModel | undefined {
  const fit = samples?.data.subarray(0, fitted * featuresOf(float));
  if (fit === undefined || polynomial !== undefined) return undefined;
  const data = { inputs: [fit], ...(labels && { labels: labels.subarray(0, fitted) }) };
  const bendSquares = layout === 'packed';
  const calibrated = calibrate(float, data, { drop, maxDegree, weightBits, bendSquares });
  if (retraining === undefined) return calibrated;
  const { inputs } = retraining;
  tell?.(`training on ${inputs.length / featuresOf(float)} samples with polynomials`);
  const learned = retrain(calibrated.graph, float, retraining, {
    epochs,
    bits: Math.min(weightBits, CALIBRATION_BITS),
    multiply: kernel,
    onEpoch: ({ epoch, loss, agreement }) =>
      tell?.(
        `epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}, the float model's decision ${(100 * agreement).toFixed(2)} %`,
      ),
  });
  return { ...calibrated, graph: learned.graph, retrained: learned.epochs };
}

function compiledBy(
  subject: CompileSubject,
  flags: CompileFlags,
  calibrated = preparedBy(subject, flags),
  logN?: readonly number[],
): CompiledModel {
  const graph = calibrated?.graph ?? subject.polynomial ?? subject.float;
  if (flags.exact === true) return { program: exactProgramOf(graph, subject.name, flags), calibrated };
  const program = compile(graph, {
    name: subject.name,
    precision: flags.precision,
    layout: flags.layout,
    ...(flags.keys !== undefined && { keys: flags.keys }),
    ...(flags.weightBits !== undefined && { weightBits: flags.weightBits }),
    ...(flags.inputBound !== undefined && { inputBound: flags.inputBound }),
    ...(logN && { logN }),
  });
  return { program, calibrated };
}

function accuracyOf(
  { float, polynomial, kernel, samples, labels, fitted }: CompileSubject,
  { program, calibrated }: CompiledModel,
): MeasuredAccuracy | undefined {
  const held = samples === undefined ? 0 : heldOut(samples.count - fitted, program);
  if (samples === undefined || held === 0) return undefined;
  return measureAccuracy({
    float,
    polynomial: calibrated?.graph ?? polynomial ?? float,
    program,
    data: samples.data.subarray(fitted * program.inputs, (fitted + held) * program.inputs),
    count: held,
    labels: labels?.subarray(fitted, fitted + held),
    multiply: kernel,
  });
}

/** Programs of fewer bits, lower degrees and larger rings. */
async function budgetResult(
  subject: CompileSubject,
  flags: CompileFlags,
  budget: Budget,
  say: (text: string) => Promise<void>,
): Promise<BudgetResult<CompiledModel>> {
  const drop = budget.drop ?? flags.drop;
  const calibrations = new Map<number, PreparedModel | undefined>();
  const degrees: number[] = [];
  for (const maxDegree of subject.samples === undefined ? [flags.maxDegree] : [2, 4]) {
    if (maxDegree > flags.maxDegree) continue;
    await say(`fitting polynomials of degree ${maxDegree}`);
    const made = preparedBy(subject, { ...flags, drop, maxDegree });
    calibrations.set(maxDegree, made);
    degrees.push(maxDegree);
    // What the lower degree reaches needs no higher one.
    if (made === undefined || made.report.polynomial.agreement >= 1 - drop) break;
  }
  const most = flags.weightBits;
  const bitsOf = (layout: 'batch' | 'packed'): number[] =>
    most === undefined
      ? BUDGET_BITS[layout]
      : [0, 2, 4].map((fewer) => most - fewer).filter((bits, i) => i === 0 || bits >= LEAST_BUDGET_BITS);
  const layouts = flags.layout === 'auto' ? (['packed', 'batch'] as const) : [flags.layout];
  await say('compiling for the budget');
  return searchBudget<CompiledModel>({
    budget,
    degrees,
    layouts: layouts.map((layout) => ({ layout, weightBits: bitsOf(layout) })),
    logN: RINGS,
    make: (choice) => {
      const made = compiledBy(
        subject,
        { ...flags, layout: choice.layout, weightBits: choice.weightBits },
        calibrations.get(choice.maxDegree),
        [choice.logN],
      );
      const accuracy = accuracyOf(subject, made);
      const lost = accuracy === undefined ? 0 : 1 - accuracy.encryptedAgreement;
      if (isExact(made.program)) throw new UsageError('a budget chooses among approximate programs');
      return { program: made.program, made: { ...made, accuracy }, drop: lost };
    },
  });
}

/** Packed programs are simulated slot by slot. */
function heldOut(count: number, program: AnyProgram): number {
  return isExact(program) || program.packed === undefined ? count : Math.min(count, MAX_PACKED_SAMPLES);
}

/** @throws {UsageError} for an exact program without the interval of its inputs. */
function exactProgramOf(graph: ModelGraph, name: string, flags: CompileFlags): ExactProgram {
  const { weightBits, inputBound, inputRange, inputBits, hiding } = flags;
  const isKnown = graph.inputs[0]?.clip.every(Number.isFinite) === true;
  if (!isKnown && inputRange === undefined && inputBound === undefined)
    throw new UsageError(
      'an exact program needs the interval of its inputs: --input-range LOW,HIGH, or --image',
    );
  const [low, high, ...more] = inputRange ?? [];
  if (inputRange !== undefined && (low === undefined || high === undefined || more.length > 0))
    throw new UsageError('--input-range takes two numbers, as 0,1');
  return compileExact(graph, {
    name,
    ...(weightBits !== undefined && { weightBits }),
    ...(low !== undefined && high !== undefined && { inputRange: [low, high] }),
    ...(inputRange === undefined && inputBound !== undefined && { inputRange: [-inputBound, inputBound] }),
    ...(inputBits !== undefined && { inputBits }),
    ...(hiding !== undefined && { hiding }),
  });
}

function featuresOf(graph: ModelGraph): number {
  return graph.inputs[0]!.shape.reduce((a, b) => a * b, 1);
}

interface Compiled extends CompiledModel {
  readonly float: ModelGraph;
  readonly budget: unknown;
}

function report(
  { float, program, calibrated, accuracy, budget }: Compiled,
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
      `${JSON.stringify({ program: described, coverage, calibration: calibrated?.report ?? null, ...(calibrated?.retrained && { retrained: calibrated.retrained }), accuracy: accuracy ?? null, layers, ...(budget !== undefined && { budget }) })}\n`,
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

function readTextFile(path: string): string {
  if (!existsSync(path)) throw new DataError(`there is no file ${path}`);
  return readFileSync(path, 'utf8');
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
