/** `subrosa encrypt-data`: a data owner's part of training on encrypted data. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import type { LabelledImages } from '../../../nn/index.ts';
import { DatasetSchemes } from '../../../protocols/cryptonn/agreement/dataset-schemes.ts';
import { type DatasetSpec, datasetDigest } from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { risksOf } from '../../../protocols/cryptonn/owner/owner-consent.ts';
import { disclose, disclosureFigures, disclosureLines } from '../../cryptonn/owner-disclosure.ts';
import { encryptImages, labelKey } from '../../cryptonn/owner-session.ts';
import { readToken } from '../../cryptonn/policy-file.ts';
import { RemoteAuthority } from '../../cryptonn/remote-authority.ts';
import { type MnistSplit, readMnist } from '../../train/mnist-corpus.ts';
import { WHO_LEARNS_WHAT_IN_TRAINING } from './authority.ts';
import type { EngineParts } from '../parts.ts';
import { ProgressBar, retryNote } from '../terminal/progress-bar.ts';
import { wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CA_FLAG, trustedCertificates } from '../tls-files.ts';

const MAX_SAMPLES = 10_000_000;

interface EncryptFlags {
  readonly authority: string;
  readonly tokenFile: string;
  readonly ca?: string;
  readonly dataset: string;
  readonly data: string;
  readonly split: MnistSplit;
  readonly skip: number;
  readonly samples?: number;
  readonly white: number;
  readonly owner: string;
  readonly labelKey: string;
  readonly out: string;
  readonly expectDigest?: string;
  readonly promisedNoise?: number;
  readonly iUnderstandWhatLeaks?: boolean;
  readonly ledger?: string;
  readonly json?: boolean;
}

export function addEncryptData(program: Command, terminal: Terminal, parts: EngineParts): void {
  program
    .command('encrypt-data')
    .description('encrypt training data for a trainer that may learn no more than the authority allows')
    .requiredOption('--authority <url>', 'https://..., or http:// on this machine')
    .requiredOption('--token-file <file>', "this owner's token, from authority invite")
    .option(...CA_FLAG)
    .requiredOption('--dataset <name>', 'data set of the authority that the data becomes part of')
    .requiredOption(
      '--data <dir>',
      'images and labels as IDX files, gzipped or not, under the names of MNIST, here or in mnist/',
    )
    .addOption(new Option('--split <part>', 'which files').choices(['train', 'test']).default('train'))
    .addOption(
      new Option('--skip <n>', 'samples to leave out at the start')
        .default(0)
        .argParser(wholeNumber(0, MAX_SAMPLES)),
    )
    .addOption(new Option('--samples <n>', 'how many; all by default').argParser(wholeNumber(1, MAX_SAMPLES)))
    .addOption(
      new Option('--white <value>', 'the pixel that becomes 1.0; all owners must agree')
        .default(255)
        .argParser(wholeNumber(1, 65_535)),
    )
    .requiredOption('--owner <name>', 'as the trainer will see it')
    .requiredOption(
      '--label-key <file>',
      'secret names of the classes; made when it is not there; owners of one training share it, the trainer must not have it',
    )
    .requiredOption('--out <file>', 'encrypted batches, for the trainer')
    .option(
      '--expect-digest <hex>',
      'encrypt under this specification alone; authority policy prints its digest',
    )
    .addOption(
      new Option(
        '--promised-noise <sigma>',
        'deviation of noise in P x that you were promised, or more',
      ).argParser(wholeNumber(1, 8192)),
    )
    .option(
      '--i-understand-what-leaks',
      'needed for faithful mode, a share over the default, or less noise than promised or than before',
    )
    .option(
      '--ledger <dir>',
      'what was ever encrypted of your data; default: ledger/ in $SUBROSA_HOME or ~/.config/subrosa',
    )
    .option('--json', 'one JSON object on standard output, for programs')
    .addHelpText('after', WHO_LEARNS_WHAT_IN_TRAINING)
    .action((flags) => encryptData(flags, terminal, parts));
}

async function encryptData(flags: EncryptFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  using log = new ProgressBar(terminal);
  const authority = new RemoteAuthority(flags.authority, {
    token: readToken(flags.tokenFile),
    ...trustedCertificates(flags),
    onRetry: retryNote(log),
  });
  const images = imageRange(readMnist(flags.data, flags.split), flags.skip, flags.samples);
  const spec = await authority.spec(flags.dataset);
  askOwner(spec, flags);
  using kernel = await parts.openKernel((reason) => log.note(reason));
  using schemes = new DatasetSchemes(kernel);
  const permutation = labelKey(flags.labelKey, spec.classes);
  const isUnderstood = flags.iUnderstandWhatLeaks === true;
  const disclosure = await disclose(spec, images, flags, terminal.env, kernel);
  if (flags.json !== true) terminal.out(`${disclosureLines(spec, disclosure).join('\n')}\n`);
  const samples = await encryptImages(
    {
      ...{ owner: flags.owner, spec, images, white: flags.white, out: flags.out },
      ...{ permutation, sampler: kernel, consent: { understandsWhatLeaks: isUnderstood } },
      progress: (done) => log.progress('encrypting', done),
    },
    authority,
    schemes.schemeFor,
  );
  log[Symbol.dispose]();
  const left = images.count - samples;
  if (flags.json === true)
    terminal.out(
      `${JSON.stringify({ out: flags.out, dataset: spec.id, samples, leftOut: left, ...disclosureFigures(spec, disclosure) })}\n`,
    );
  else
    terminal.out(
      `${flags.out}  ${samples} samples of ${flags.owner}${left > 0 ? `, ${left} left out: they fill no batch of ${spec.batch}` : ''}\n`,
    );
}

/** @throws {UsageError} when the owner has not said yes to what this specification gives away. */
function askOwner(spec: DatasetSpec, flags: EncryptFlags): void {
  const { expectDigest, promisedNoise, iUnderstandWhatLeaks } = flags;
  const digest = datasetDigest(spec);
  if (expectDigest !== undefined && expectDigest !== digest)
    throw new UsageError(
      `the authority's specification of "${spec.id}" has the digest ${digest}, not the expected one: nothing was encrypted`,
    );
  const risks = risksOf(spec, promisedNoise);
  if (risks.length > 0 && iUnderstandWhatLeaks !== true)
    throw new UsageError(
      `${risks.join('; ')}: nothing was encrypted; add --i-understand-what-leaks if you want that`,
    );
}

/** @throws {UsageError} when there are not so many. */
export function imageRange(images: LabelledImages, skip: number, samples?: number): LabelledImages {
  const count = samples ?? images.count - skip;
  if (count < 1 || skip + count > images.count)
    throw new UsageError(`there are ${images.count} samples, too few for ${count} after ${skip}`);
  const size = images.height * images.width;
  return {
    ...images,
    count,
    pixels: images.pixels.subarray(skip * size, (skip + count) * size),
    labels: images.labels.subarray(skip, skip + count),
  };
}
