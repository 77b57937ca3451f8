/** A program for people: its layers with what each costs, and what a request costs. */
import type { Bucket } from '../../../compiler/offer.ts';
import { type AnyProgram, inputIntegers, isExact } from '../../../compiler/exact/exact-program.ts';
import { layoutText } from '../../../compiler/packed/layout.ts';
import { offerOf } from '../../../compiler/program-facts.ts';
import { type Report, reportOf } from '../../../compiler/report.ts';
import { type MeteredStep, meterProgram } from '../../../runtime/meter-machine.ts';
import { formatBytes, formatMs, formatTable } from '../terminal/table.ts';
import { type Paint, printable } from '../terminal/terminal.ts';

export interface LayerRow {
  readonly layer: string;
  readonly steps: string;
  readonly level: number;
  readonly ciphertexts: number;
  readonly keySwitches: number;
  readonly multiplyAdds: number;
  readonly referenceMs: number;
  /** Of the result, where it has one: extent@slots of each digit, copies, sums. */
  readonly layout?: string;
}

/** Steps that work on one layer, together. */
export function layerRows(program: AnyProgram, bucket: Bucket): LayerRow[] {
  const rows: LayerRow[] = [];
  let open: MeteredStep[] = [];
  const close = () => {
    const last = open.at(-1);
    if (last === undefined) return;
    const sum = (of: (step: MeteredStep) => number) => open.reduce((total, step) => total + of(step), 0);
    rows.push({
      layer: open[0]!.name,
      steps: open.map((step) => step.op).join(', '),
      level: open[0]!.level,
      ciphertexts: last.count,
      keySwitches: sum((step) => step.keySwitches),
      multiplyAdds: sum((step) => step.multiplyAdds),
      referenceMs: sum((step) => step.referenceMs),
      ...layoutOf(program, metered),
    });
    open = [];
  };
  let metered = 0;
  for (const step of meterProgram(program, bucket)) {
    if (BEGINNINGS.has(step.op)) close();
    open.push(step);
    metered++;
  }
  close();
  return rows;
}

/** Steps that a row begins with. */
const BEGINNINGS: ReadonlySet<MeteredStep['op']> = new Set([
  'linear',
  'multiply',
  'pack',
  'affine',
  'transform',
  'multiplyPlain',
]);

function layoutOf(program: AnyProgram, value: number): { layout?: string } {
  if (isExact(program)) return {};
  const layout = program.packed?.layouts[program.values[value]!.layout!];
  return layout === undefined ? {} : { layout: layoutText(layout) };
}

export function formatProgram(program: AnyProgram, paint: Paint): string {
  const largest = program.buckets.at(-1)!;
  const report = reportOf(program);
  const offer = offerOf(program);
  const rows = layerRows(program, largest);
  const packed = isExact(program) ? undefined : program.packed;
  const isPacked = packed !== undefined;
  const work = isPacked ? 'layout' : 'multiply-adds';
  const head = ['layer', 'steps', 'level', 'cts', 'key switches', work, 'reference ms'].map((text) =>
    paint.dim(text),
  );
  const lines = rows.map((row) => [
    printable(row.layer).slice(0, 28),
    shortened(row.steps),
    String(row.level),
    String(row.ciphertexts),
    row.keySwitches === 0 ? '' : String(row.keySwitches),
    isPacked ? (row.layout ?? '') : row.multiplyAdds === 0 ? '' : `${(row.multiplyAdds / 1e9).toFixed(2)} G`,
    formatMs(row.referenceMs),
  ]);
  const right = { align: 'right' } as const;
  const table = formatTable([head, ...lines], [{}, {}, right, right, right, isPacked ? {} : right, right]);
  const total = rows.reduce((sum, { referenceMs }) => sum + referenceMs, 0);
  const [low, high] = offer.outputRange;
  const first = report.buckets[0]!;
  const last = report.buckets.at(-1)!;
  const batchLines = (): string[] => [
    `\nfor ${largest.block} samples at once: ${formatMs(total)} ms on one thread of the reference processor, ${formatBytes(report.peakBytes)} of memory\n`,
    `one to ${first.block} samples: ${formatBytes(first.bytesUp)} up, ${formatBytes(first.bytesDown)} down; ${last.block}: ${formatBytes(last.bytesUp)} up, ${formatBytes(last.bytesDown)} down; keys ${formatBytes(report.keyBytes)} once\n`,
  ];
  return [
    `\n${paint.bold(program.name)}  ${program.inputs} inputs within ${inputsWithin(program)}, ${program.outputs} outputs, program ${offer.programId.slice(0, 16)}\n`,
    `N = 2^${program.params.logN}, ${program.params.logQ.length} + ${program.params.logP.length} primes, log2(QP) = ${report.logQP.toFixed(1)}, 128-bit security; depth ${report.depth}\n`,
    ...exactLines(report),
    '\n',
    table,
    ...(packed !== undefined
      ? [
          `\nfor one sample: ${formatMs(total)} ms on one thread of the reference processor, ${formatBytes(report.peakBytes)} of memory beside ${formatBytes(report.weightBytes ?? 0)} of encoded weights; ${formatBytes(first.bytesUp)} up, ${formatBytes(first.bytesDown)} down; ${packed.plan ?? 'tailored'} keys, ${packed.keys.galois.length} for rotations, ${formatBytes(report.keyBytes)} once\n`,
          `layouts: extent@slots of each digit of an element's index, the highest first; xN@M copies or sums M slots apart\n`,
        ]
      : batchLines()),
    report.exact === undefined
      ? `error of a score ${offer.outputError.toExponential(1)} of a range ${(high - low).toPrecision(3)} (2^${Math.log2(offer.outputError / (high - low)).toFixed(1)})\n`
      : 'scores are exact integers\n',
    ...decisionLines(report),
  ].join('');
}

/** 'rotateAdd, rotateAdd' is 'rotateAdd x2'. */
function shortened(steps: string): string {
  const runs: { op: string; times: number }[] = [];
  for (const op of steps.split(', ')) {
    const last = runs.at(-1);
    if (last?.op === op) last.times++;
    else runs.push({ op, times: 1 });
  }
  return runs.map(({ op, times }) => (times > 1 ? `${op} x${times}` : op)).join(', ');
}

function inputsWithin(program: AnyProgram): string {
  const round = (value: number) => Number(value.toPrecision(4));
  if (!isExact(program)) return `±${round(program.inputBound)}`;
  const [low, high] = inputIntegers(program);
  return `${program.inputRange.map(round).join(' .. ')}, rounded to ${low} .. ${high}`;
}

/** What a decision behind the scores costs, and how sure it is. */
function decisionLines({ decision }: Report): string[] {
  if (decision === undefined) return [];
  const [low, high] = decision.window.map((score) => score.toFixed(2));
  return [
    `decides: scores from ${low} to ${high} in levels, ${decision.lookups} lookups; an answer is wrong with probability 2^${decision.failureBits.toFixed(1)} at most; of the keys ${formatBytes(decision.keyBytes)} are for that\n`,
  ];
}

/** What makes an exact program exact. */
function exactLines({ exact }: Report): string[] {
  if (exact === undefined) return [];
  const widest = exact.wires.reduce((a, b) => (b.integerBits > a.integerBits ? b : a));
  return [
    `exact integers: at most 2^${widest.integerBits.toFixed(1)} (${printable(widest.name)}), ${exact.channels} plaintext moduli hold 2^${(exact.plaintextBits - 1).toFixed(1)}; a query is ${exact.channels} messages\n`,
    `a reply hides how its scores came about with ${Math.floor(exact.hiding)} bits of statistical security\n`,
  ];
}
