/** `npm run -s bench -- NAME [--json | --markdown | --svg] [--quick] [--simulate] [--processor-time] [--data DIR] [--task T] [--part P] [--samples N] [--epochs N] [--checkpoint DIR]` */
import { parseArgs } from 'node:util';
import { UsageError } from '../src/base/errors.ts';
import { copying } from './copying.ts';
import { cryptonn } from './cryptonn/cryptonn.ts';
import { edge } from './edge/edge.ts';
import { engine } from './engine/engine.ts';
import { fe } from './function-encryption.ts';
import { images } from './images/images.ts';
import { fleet } from './fleet/fleet.ts';
import { integer } from './integer.ts';
import { layers } from './layers.ts';
import { mnist } from './mnist.ts';
import { type Bench, formatReport } from './report.ts';
import { sizes } from './sizes.ts';
import { speech } from './speech/speech.ts';
import { tfhe } from './tfhe.ts';
import { bootstrap } from './training/bootstrap.ts';
import { category } from './training/category.ts';
import { joint } from './training/joint.ts';
import { logistic } from './training/logistic.ts';
import { perceptron } from './training/perceptron.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  bootstrap,
  category,
  copying,
  cryptonn,
  edge,
  engine,
  fe,
  fleet,
  images,
  integer,
  layers,
  joint,
  logistic,
  perceptron,
  mnist,
  sizes,
  speech,
  tfhe,
};

function positiveCount(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`--${name} is a positive integer, not "${text}"`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    svg: { type: 'boolean', default: false },
    'processor-time': { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    simulate: { type: 'boolean', default: false },
    data: { type: 'string' },
    task: { type: 'string' },
    part: { type: 'string' },
    samples: { type: 'string' },
    epochs: { type: 'string' },
    checkpoint: { type: 'string' },
  },
});
const name = positionals[0] ?? '';
const bench = BENCHES[name];
const usage = `usage: npm run -s bench -- ${Object.keys(BENCHES).join('|')} [--json | --markdown | --svg] [--quick] [--simulate] [--processor-time] [--data DIR] [--task T] [--part P] [--samples N] [--epochs N] [--checkpoint DIR]\n`;
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
if (bench === undefined || positionals.length !== 1) {
  process.stderr.write(usage);
  process.exit(2);
}
try {
  const note = (line: string) => process.stderr.write(`${line}\n`);
  const report = await bench(
    {
      data: values.data,
      quick: values.quick,
      task: values.task,
      part: values.simulate ? 'simulate' : values.part,
      samples: positiveCount('samples', values.samples),
      epochs: positiveCount('epochs', values.epochs),
      checkpoint: values.checkpoint,
      processorTime: values['processor-time'],
    },
    note,
  );
  const { markdown, svg, ...printed } = report;
  const picked = (values.markdown ? markdown : undefined) ?? (values.svg ? svg : undefined);
  const text = values.json ? JSON.stringify(printed) : (picked ?? formatReport(report));
  process.stdout.write(`${text}\n`);
} catch (error) {
  process.stderr.write(`bench ${name}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
