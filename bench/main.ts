/** `npm run -s bench -- NAME [--json] [--quick] [--data DIR] [--task T] [--part errors|latency]` */
import { parseArgs } from 'node:util';
import { layers } from './layers.ts';
import { type Bench, formatReport } from './report.ts';
import { speech } from './speech.ts';

const BENCHES: Readonly<Record<string, Bench>> = { layers, speech };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    data: { type: 'string' },
    task: { type: 'string' },
    part: { type: 'string' },
  },
});
const name = positionals[0] ?? '';
const bench = BENCHES[name];
if (bench === undefined || positionals.length !== 1) {
  process.stderr.write(
    `usage: npm run -s bench -- ${Object.keys(BENCHES).join('|')} [--json] [--quick] [--data DIR] [--task T] [--part errors|latency]\n`,
  );
  process.exit(2);
}
try {
  const note = (line: string) => process.stderr.write(`${line}\n`);
  const report = await bench(
    { data: values.data, quick: values.quick, task: values.task, part: values.part },
    note,
  );
  process.stdout.write(`${values.json ? JSON.stringify(report) : formatReport(report)}\n`);
} catch (error) {
  process.stderr.write(`bench ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
