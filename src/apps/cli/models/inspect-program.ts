/** `subrosa inspect FILE.subrosa`: the layers of a program, its steps, a picture of it. */
import { writeFileSync } from 'node:fs';
import { programId } from '../../../compiler/program-file.ts';
import { offerOf } from '../../../compiler/program-facts.ts';
import { programPicture } from '../../../compiler/program-picture.ts';
import { programText } from '../../../compiler/program-text.ts';
import { reportOf } from '../../../compiler/report.ts';
import { paintFor, printable, type Terminal } from '../terminal/terminal.ts';
import { formatBounds, formatWires } from './bounds-table.ts';
import { readProgramFile } from '../../server/program-files.ts';
import { formatProgram, layerRows } from './program-table.ts';
import { meterProgram } from '../../../runtime/meter-machine.ts';

export interface InspectProgramFlags {
  readonly json?: boolean;
  readonly steps?: boolean;
  readonly svg?: string;
}

export function inspectProgram(path: string, flags: InspectProgramFlags, terminal: Terminal): void {
  const { program, card } = readProgramFile(path);
  const largest = program.buckets.at(-1)!;
  if (flags.svg !== undefined) {
    const times = meterProgram(program, largest).map(({ referenceMs }) => referenceMs);
    writeFileSync(flags.svg, programPicture(program, times));
  }
  if (flags.json === true) {
    const { steps, values } = program;
    const shown = flags.steps === true ? { values, steps } : {};
    const described = {
      id: programId(program),
      offer: offerOf(program),
      report: reportOf(program),
      card: card ?? null,
    };
    terminal.out(`${JSON.stringify({ ...described, layers: layerRows(program, largest), ...shown })}\n`);
    return;
  }
  if (flags.steps === true) {
    terminal.out(programText(program));
    return;
  }
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  terminal.out(formatProgram(program, paint));
  const { bounds, exact } = reportOf(program);
  terminal.out(`\n${exact === undefined ? formatBounds(bounds, paint) : formatWires(exact.wires, paint)}`);
  if (card !== undefined) terminal.out(`\n${printable(card)}\n`);
  if (flags.svg !== undefined) terminal.out(`\n${paint.green('wrote')} ${printable(flags.svg)}\n`);
}
