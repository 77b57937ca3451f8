/** `subrosa batch`: options and help. */
import { type Command, Option } from 'commander';
import type { EngineParts } from '../parts.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CA_FLAG } from '../tls-files.ts';

const WHO_LEARNS_WHAT_IN_BATCHES = `
Who learns what:
  you      the scores of the model for your rows
  fleet    who asks (a random token), when, which model, how many blocks; not the rows, not the scores
The folder holds the secret key (mode 0600): keep it, and give it to nobody.
`;

export function addBatch(program: Command, terminal: Terminal, parts: EngineParts): void {
  const batch = program
    .command('batch')
    .description('many rows at once, when a fleet has time: encrypt, submit, come back, collect')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_BATCHES);
  ofServer(batch.command('encrypt'))
    .argument('<file...>', 'rows: CSV, NPY, IDX, pictures')
    .description('encrypt rows into the blocks of a folder; begun again, it goes on where it ended')
    .option('--model <name>', 'which of the models that the server offers')
    .requiredOption('-o, --out <dir>', 'the folder')
    .addOption(
      new Option('--block <n>', 'rows in a block; as many as the model takes by default').argParser(
        wholeNumber(1, 1_048_576),
      ),
    )
    .action(async (files, flags) => (await load()).encryptBatch(files, flags, terminal, parts));
  ofServer(batch.command('submit'))
    .argument('<dir>', 'the folder')
    .description('give the fleet the blocks that it does not have')
    .action(async (dir, flags) => (await load()).submitBatch(dir, flags, terminal));
  ofServer(batch.command('status'))
    .argument('<dir>', 'the folder')
    .description('how far it is')
    .option('--json', 'one JSON object on standard output, for programs')
    .action(async (dir, flags) => (await load()).batchStatus(dir, flags, terminal));
  ofServer(batch.command('collect'))
    .argument('<dir>', 'the folder')
    .description('fetch the answers, decrypt them, write one line per row')
    .requiredOption('-o, --out <file>', 'CSV: the scores of each row, and the place of the largest')
    .option('--wait', 'until everything is answered')
    .option('--force', 'replace the file')
    .action(async (dir, flags) => (await load()).collectBatch(dir, flags, terminal, parts));
}

/** Loaded when it is asked for. */
function load(): Promise<typeof import('./batch-commands.ts')> {
  return import('./batch-commands.ts');
}

function ofServer(command: Command): Command {
  return command
    .requiredOption('--server <url>', 'a gateway, https://..., or http:// on this machine')
    .addOption(
      new Option('--timeout <s>', 'an attempt ends when nothing moves for so long')
        .default(120)
        .argParser(wholeNumber(1, 3600)),
    )
    .option(...CA_FLAG)
    .option('--insecure-connect', 'plain HTTP to another machine');
}
