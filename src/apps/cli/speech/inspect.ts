/** `subrosa inspect`: what a model is, what a client may learn of it, and what a request will cost. */
import { basename, join } from 'node:path';
import { UsageError } from '../../../base/errors.ts';
import { compile } from '../../../compiler/compile.ts';
import type { Offer } from '../../../compiler/offer.ts';
import { offerOf } from '../../../compiler/program-facts.ts';
import { type BucketCost, type Report, reportOf } from '../../../compiler/report.ts';
import { inspectProgram } from '../models/inspect-program.ts';
import { formatBounds } from '../models/bounds-table.ts';
import { PROGRAM_SUFFIX } from '../../server/program-files.ts';
import { readModelCard } from './model-files.ts';
import type { EngineParts } from '../parts.ts';
import { formatBytes, formatTable } from '../terminal/table.ts';
import { type Paint, paintFor, type Terminal } from '../terminal/terminal.ts';

export interface InspectFlags {
  readonly models: string;
  readonly network?: string;
  readonly json?: boolean;
  readonly steps?: boolean;
  readonly svg?: string;
}

export async function inspect(
  name: string,
  flags: InspectFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  if (name.endsWith(PROGRAM_SUFFIX)) {
    inspectProgram(name, flags, terminal);
    return;
  }
  if (flags.steps === true || flags.svg !== undefined)
    throw new UsageError(
      `--steps and --svg are for programs (${PROGRAM_SUFFIX} files): make one with subrosa compile`,
    );
  const directory = name.includes('/') ? name : join(flags.models, name);
  const polynomial = await parts.loadNetwork(directory, flags.network);
  const program = compile(polynomial, { name: basename(directory) });
  const [offer, report] = [offerOf(program), reportOf(program)];
  const card = readModelCard(directory);
  if (flags.json === true) {
    terminal.out(`${JSON.stringify({ card: card?.facts ?? null, offer, report })}\n`);
    return;
  }
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const layers = polynomial.layers.map(({ rows, cols, gather }) =>
    gather === undefined ? `${cols}→${rows}` : `conv ${cols}→${rows}`,
  );
  terminal.out(`\n${paint.bold(offer.model)}  ${layers.join(', ')}, ${polynomial.bits}-bit weights\n\n`);
  terminal.out(formatOffer(offer, report, paint));
  terminal.out(`\n${formatCosts(report.buckets, paint)}`);
  terminal.out(`\n${formatBounds(report.bounds, paint)}`);
  if (card !== null) terminal.out(`\n${card.text}`);
}

function formatOffer(offer: Offer, report: Report, paint: Paint): string {
  const rows = [
    ['program', offer.programId.slice(0, 16)],
    [
      'parameters',
      `N = 2^${offer.params.logN}, log2(QP) = ${report.logQP.toFixed(1)}, 128-bit classical (MATZOV model)`,
    ],
    ['inputs', `${offer.inputs} per frame, clipped to ±${offer.inputBound}`],
    [
      'scores',
      `${offer.outputs} per frame, error ${offer.outputError.toExponential(1)} of range ${offer.outputRange.map((end) => end.toFixed(1)).join('..')}`,
    ],
    ['keys', `${formatBytes(report.keyBytes)}, ${offer.galois.length} rotations and relinearisation`],
    [
      'work',
      `${(report.multiplyAdds / 1e9).toFixed(2)} G multiply-adds, ${report.squarings} squarings, depth ${report.depth}`,
    ],
  ];
  return formatTable(
    rows.map(([label = '', text = '']) => [paint.dim(label), text]),
    [{}, {}],
  );
}

function formatCosts(costs: readonly BucketCost[], paint: Paint): string {
  const head = ['frames', 'per ciphertext', 'key switches', 'up', 'down'].map((text) => paint.dim(text));
  const rows = costs.map((cost) => [
    String(cost.block),
    String(cost.interleave),
    String(cost.keySwitches),
    formatBytes(cost.bytesUp),
    formatBytes(cost.bytesDown),
  ]);
  return formatTable([head, ...rows], Array(5).fill({ align: 'right' }));
}
