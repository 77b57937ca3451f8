/** `subrosa compile` and `subrosa infer`: options and help. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CA_FLAG } from '../tls-files.ts';

const WHO_LEARNS_WHAT_OF_MODELS = `
Who learns what:
  client   the scores of the model for its own inputs; the model's shape as far as the parameters tell it; with very
           many questions it could rebuild the model from scores
  server   who asks (a random token), when, which model, and the number of samples up to a fixed bucket; not the
           inputs, not the scores, not the decisions
  network  sizes and times; outside this machine only TLS is accepted
`;

/** What they run is loaded when it is asked for: reading ONNX is a tenth of the start of every command. */
export function addModelCommands(program: Command, terminal: Terminal, parts: EngineParts): void {
  program
    .command('compile')
    .argument('<model>', 'an ONNX file, or a network that train made')
    .description('turn a trained model into a program that servers run on encrypted data')
    .requiredOption('-o, --output <file>', 'the program, NAME.subrosa')
    .option('--name <name>', "how clients call it; the model file's name by default")
    .option(
      '--calibrate <file...>',
      'samples to measure ranges and accuracy on: IDX, NPY, CSV, PNG, JPEG, WAV with --speech, folders of them',
    )
    .option('--keep-calibration <file>', 'write what was measured, without weights, for --calibration')
    .option('--calibration <file>', 'polynomials and ranges of such a file: no samples are needed')
    .option('--calibrate-labels <file>', 'their classes: IDX, or one number per line')
    .option('--from <node...>', 'start behind these nodes: what comes before runs on the client')
    .option('--to <node...>', 'end with these nodes: what comes after runs on the client')
    .option('--shape <name=extents...>', 'shape of an input that the file leaves open, as input=1x1x28x28')
    .option('--external-data <dir>', 'the folder of the data files that the ONNX file names')
    .option('--image [HxW]', 'the input is an image, of this size or that of its shape')
    .option(
      '--speech',
      'the input is n x 96 values, a window of the public speech embedding: recordings become windows, one every 80 ms',
    )
    .addOption(new Option('--white <n>', 'value of a white pixel; 1 by default').argParser(realNumber))
    .addOption(
      new Option('--mean <n,...>', 'taken off, one number or one per channel').argParser(realNumbers),
    )
    .addOption(new Option('--deviation <n,...>', 'divided by, after the mean').argParser(realNumbers))
    .option('--invert', 'dark ink on white paper becomes bright on black')
    .addOption(
      new Option('--labels <name,...>', 'names of the classes').argParser((text: string) => text.split(',')),
    )
    .addOption(new Option('--input-bound <n>', 'clients cut inputs off at this size').argParser(realNumber))
    .addOption(
      new Option('--precision <p>', "largest error of a score, of the scores' range")
        .default(2 ** -10, '2^-10')
        .argParser(shareOf),
    )
    .addOption(
      new Option(
        '--layout <layout>',
        'batch: thousands of samples at once; packed: one sample in milliseconds',
      )
        .choices(['batch', 'packed', 'auto'])
        .default('batch'),
    )
    .addOption(
      new Option(
        '--keys <plan>',
        'of --layout packed: tailored to the model, or standard, which other models of the same size of ring share',
      )
        .choices(['tailored', 'standard'])
        .default('tailored'),
    )
    .addOption(
      new Option(
        '--weight-bits <n>',
        'bits of a weight; 8 for batches, 16 for one sample by default',
      ).argParser(wholeNumber(3, 16)),
    )
    .addOption(
      new Option('--drop <share>', 'decisions of the float model that may be lost, as 0.5%')
        .default(0.005, '0.5%')
        .argParser(shareOf),
    )
    .addOption(
      new Option('--max-degree <n>', 'of polynomials in place of activations')
        .default(4)
        .argParser(wholeNumber(2, 4)),
    )
    .option('--exact', 'compute on integers, so that scores have no error: linear layers and squares only')
    .addOption(
      new Option('--input-range <low,high>', 'with --exact: inputs are clipped to it').argParser(realNumbers),
    )
    .addOption(
      new Option(
        '--input-bits <n>',
        'with --exact: inputs are rounded to 2^n integers; 4 by default',
      ).argParser(wholeNumber(1, 16)),
    )
    .addOption(
      new Option(
        '--hiding <bits>',
        'with --exact: how well a reply must hide how it came about; 40 by default',
      ).argParser(wholeNumber(0, 128)),
    )
    .option(
      '--retrain <file...>',
      'train on these samples with the polynomials in place, weights rounded; the float model is the teacher',
    )
    .option('--retrain-labels <file>', 'their classes: IDX, or one number per line')
    .addOption(new Option('--epochs <n>', 'passes over them').default(5).argParser(wholeNumber(1, 1000)))
    .option(
      '--budget <terms>',
      'what a request may cost, as latency=1s,up=20MB,keys=5MB,memory=1GB,drop=0.5%: tries degrees, weight bits and rings, and takes the fastest that keeps it',
    )
    .option('--force', 'replace the output file')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', '\nWho learns what: nobody; this command talks to no one.')
    .action(async (file, flags) => (await import('./compile.ts')).compileModel(file, flags, terminal, parts));
  program
    .command('infer')
    .argument('<file...>', 'samples: PNG, JPEG, WAV, IDX, NPY, CSV, folders of them; - is standard input')
    .description('ask a model about files with a server that cannot read them')
    .option('--server <url>', 'https://..., or http:// on this machine')
    .option('--local <program>', 'client and server in this process, still encrypted')
    .option('--model <name>', 'which of the models that the server offers')
    .option('--labels <file>', 'true classes, to print the accuracy: IDX, or one number per line')
    .addOption(new Option('--most <n>', 'only the first samples').argParser(wholeNumber(1, 100_000_000)))
    .addOption(
      new Option('--timeout <s>', 'an attempt ends when nothing moves for so long')
        .default(120)
        .argParser(wholeNumber(1, 3600)),
    )
    .option(...CA_FLAG)
    .option('--insecure-connect', 'plain HTTP to another machine')
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_OF_MODELS)
    .action(async (files, flags) => (await import('./infer.ts')).infer(files, flags, terminal, parts));
}

function realNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('a number is needed.');
}

function realNumbers(text: string): number[] {
  return text.split(',').map(realNumber);
}

/** 0.001, 0.1%, or 2^-10. */
function shareOf(text: string): number {
  const power = /^2\^(-\d+(?:\.\d+)?)$/.exec(text);
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(text);
  const value = power ? 2 ** Number(power[1]) : percent ? Number(percent[1]) / 100 : Number(text);
  if (value > 0 && value < 1) return value;
  throw new InvalidArgumentError('a share above 0 and below 1 is needed, as 2^-10 or 0.1%.');
}
