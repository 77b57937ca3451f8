/** `npm run -s bench -- NAME [--json | --markdown] [--quick] [--processor-time] [--data DIR] [--task T] [--part P]` */
import { parseArgs } from 'node:util';
import { cryptonn } from './cryptonn.ts';
import { engine } from './engine.ts';
import { fe } from './function-encryption.ts';
import { integer } from './integer.ts';
import { layers } from './layers.ts';
import { type Bench, formatReport } from './report.ts';
import { sizes } from './sizes.ts';
import { speech } from './speech.ts';

const BENCHES: Readonly<Record<string, Bench>> = { cryptonn, engine, fe, integer, layers, sizes, speech };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    'processor-time': { type: 'boolean', default: false },
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
    `usage: npm run -s bench -- ${Object.keys(BENCHES).join('|')} [--json | --markdown] [--quick] [--processor-time] [--data DIR] [--task T] [--part P]\n`,
  );
  process.exit(2);
}
try {
  const note = (line: string) => process.stderr.write(`${line}\n`);
  const report = await bench(
    {
      data: values.data,
      quick: values.quick,
      task: values.task,
      part: values.part,
      processorTime: values['processor-time'],
    },
    note,
  );
  const { markdown, ...printed } = report;
  const isMarkdown = values.markdown && markdown !== undefined;
  const text = values.json ? JSON.stringify(printed) : isMarkdown ? markdown : formatReport(report);
  process.stdout.write(`${text}\n`);
} catch (error) {
  process.stderr.write(`bench ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
