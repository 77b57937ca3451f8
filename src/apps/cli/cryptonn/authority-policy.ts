/** `subrosa authority policy` and `invite`: what may be issued, and who may ask. */
import { existsSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import {
  DEFAULT_BUDGET_SHARE,
  datasetDigest,
  type DatasetSpec,
  needsApproval,
  parseUnapprovedSpec,
} from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { LENET_FEATURES, LENET_KEY_SCALE, LENET_WINDOWS } from '../../../protocols/cryptonn/trainer/lenet.ts';
import { projectionPrivacy } from '../../../protocols/cryptonn/agreement/projection-noise.ts';
import { whatNoisePromises } from '../../cryptonn/leakage.ts';
import { writingFileSync } from '../../keystore/file-errors.ts';
import {
  leakLines,
  measureLookAlike,
  notMeasured,
  samplePicture,
  samplePicturePng,
  samplePictureSvg,
} from '../../cryptonn/measured-leak.ts';
import {
  type PartyRole,
  readUnapprovedPolicy,
  tokenText,
  withParty,
  writePolicy,
} from '../../cryptonn/policy-file.ts';
import type { FirstLayerName } from '../../cryptonn/training-plan.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import type { MeasuredLeak } from '../../../protocols/cryptonn/leakage/prior-attack.ts';
import { lookAlikeSource } from './look-alike.ts';
import type { EngineParts } from '../parts.ts';
import { fraction, wholeNumber } from '../speech/serve.ts';
import type { Terminal } from '../terminal/terminal.ts';

interface PolicyFlags {
  readonly out: string;
  readonly dataset: string;
  readonly mode: 'projected' | 'faithful';
  readonly scheme: 'lattice' | 'ddh' | 'ddh-selective';
  readonly features: number;
  readonly classes: number;
  readonly batch: number;
  readonly rank: number;
  readonly budgetShare: number;
  readonly noise?: number;
  readonly delta: number;
  readonly largestNorm?: number;
  readonly lookAlike?: string;
  readonly lookAlikeLabels?: string;
  readonly picture?: string;
  readonly network: FirstLayerName;
  readonly encryptedLabels?: boolean;
  readonly iUnderstandWhatLeaks?: boolean;
}

interface InviteFlags {
  readonly policy: string;
  readonly name: string;
  readonly role: PartyRole;
  readonly out: string;
}

/** `helpText` ends each `--help`. */
export function addPolicyCommands(
  authority: Command,
  terminal: Terminal,
  parts: EngineParts,
  helpText: string,
): void {
  const policy = authority.command('policy').description('write the policy of a new data set');
  policy
    .requiredOption('--out <file>', 'a new file')
    .requiredOption('--dataset <name>', 'its name')
    .addOption(
      new Option('--mode <mode>', 'which keys may be issued')
        .choices(['projected', 'faithful'])
        .default('projected'),
    )
    .addOption(
      new Option('--scheme <name>', 'of the encryption')
        .choices(['lattice', 'ddh', 'ddh-selective'])
        .default('lattice'),
    )
    .addOption(
      new Option('--features <n>', 'values of a sample')
        .default(LENET_FEATURES)
        .argParser(wholeNumber(1, 65_536)),
    )
    .addOption(new Option('--classes <n>', 'of the labels').default(10).argParser(wholeNumber(2, 1024)))
    .addOption(
      new Option('--batch <n>', 'samples encrypted together').default(64).argParser(wholeNumber(1, 4096)),
    );
  addProjectedFlags(policy);
  addFaithfulFlags(policy);
  policy.addHelpText('after', helpText).action((flags) => newPolicy(flags, terminal, parts));
  authority
    .command('invite')
    .description('make a token for an owner or a trainer; the policy keeps its digest')
    .requiredOption('--policy <file>', 'the policy that gets the party; the authority reads it at its start')
    .requiredOption('--name <name>', 'as the log will show it')
    .addOption(
      new Option('--role <role>', 'what it may ask for').choices(['owner', 'trainer']).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'a new file for the token, mode 0600')
    .addHelpText('after', helpText)
    .action((flags) => invite(flags, terminal));
}

function addProjectedFlags(policy: Command): void {
  policy
    .addOption(
      new Option('--rank <n>', 'rows of the projection; accuracy and leak grow with it (docs/cryptonn.md)')
        .default(DEFAULT_RANK)
        .argParser(wholeNumber(1, 4096)),
    )
    .addOption(
      new Option(
        '--budget-share <x>',
        'of the rank that usually determines the data; more than the default needs the signatures of two approvers',
      )
        .default(DEFAULT_BUDGET_SHARE)
        .argParser(fraction),
    )
    .addOption(
      new Option(
        '--noise <sigma>',
        'standard deviation of Gaussian noise in P x, for inputs up to 100',
      ).argParser(wholeNumber(4, 8192)),
    )
    .addOption(
      new Option('--delta <x>', 'for which the epsilon of the noise is reported')
        .default(1e-6)
        .argParser(fraction),
    )
    .option(
      '--look-alike <file>',
      'measure what leaks, on images like the data: IDX, plain or gzipped, or "drawn" for digits of our own',
    )
    .option(
      '--look-alike-labels <file>',
      'their labels, IDX; default: beside the images, by the names of MNIST',
    )
    .option(
      '--picture <file>',
      'with --look-alike: a sample beside what is made of its P x: FILE.svg or FILE.png',
    )
    .addOption(
      new Option(
        '--largest-norm <n>',
        'with noise: samples are scaled down to this Euclidean norm',
      ).argParser(wholeNumber(1, 2 ** 24)),
    );
}

function addFaithfulFlags(policy: Command): void {
  policy
    .addOption(
      new Option('--network <name>', 'faithful: lenet5 encrypts the windows of its first convolution')
        .choices(['dense', 'lenet5'])
        .default('dense'),
    )
    .option('--encrypted-labels', 'faithful: labels are encrypted, too; the trainer still learns them')
    .option('--i-understand-what-leaks', 'needed for faithful: the trainer will know every input');
}

/** Of MNIST's 784 pixels: less than half of the variance leaks, and a network still gets 92 of 100 digits right. */
const DEFAULT_RANK = 32;

/** Two decimals for inputs and weights, as the original has. */
const FIXED_POINT = { inputScale: 100, inputBound: 100 } as const;
const BOUND = 127;

async function newPolicy(flags: PolicyFlags, terminal: Terminal, parts: EngineParts): Promise<void> {
  if (existsSync(flags.out)) throw new UsageError(`${flags.out} is there already: choose another --out`);
  const { dataset: id, mode, scheme, features, classes, batch } = flags;
  if (mode === 'faithful' && flags.iUnderstandWhatLeaks !== true)
    throw new UsageError('faithful training shows every input to the trainer: add --i-understand-what-leaks');
  const spec = parseUnapprovedSpec({
    ...{ id, scheme, mode, features, classes, batch },
    ...FIXED_POINT,
    ...(mode === 'projected' ? projectedRules(flags) : faithfulRules(flags)),
  });
  // Measured before anything is written: a file that cannot be read must not leave a policy behind.
  const leak =
    mode === 'projected'
      ? await leakOfPolicy(spec, flags, terminal, parts)
      : { lines: [], picture: undefined };
  await writePolicy(flags.out, { datasets: [spec], parties: [] });
  if (flags.picture !== undefined && leak.picture !== undefined)
    await replaceFile(flags.picture, leak.picture);
  const privacy = projectionPrivacy(spec);
  terminal.out(
    [
      `${flags.out}  data set ${id}, ${mode}`,
      ...(privacy === undefined ? [] : [whatNoisePromises(privacy)]),
      ...leak.lines,
      ...(needsApproval(spec)
        ? [
            'It needs the signatures of two enrolled approvers before it can be served: authority enrol, authority approve.',
          ]
        : []),
      `digest ${datasetDigest(spec)}${needsApproval(spec) ? ' (until it is approved)' : ''}, for encrypt-data --expect-digest`,
      '',
    ].join('\n'),
  );
}

async function leakOfPolicy(
  spec: DatasetSpec,
  flags: PolicyFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<{ lines: string[]; picture: Uint8Array | undefined }> {
  const source = lookAlikeSource(flags.lookAlike, flags.lookAlikeLabels);
  if (source === undefined) {
    if (flags.picture !== undefined) throw new UsageError('--picture belongs to --look-alike');
    return { lines: [notMeasured(spec)], picture: undefined };
  }
  using kernel = await parts.openKernel((reason) => terminal.err(`${reason}\n`));
  const measured = measureLookAlike(spec, source, kernel);
  return {
    lines: [...leakLines(measured, source.name), ...samplePicture(measured, spec)],
    picture: flags.picture === undefined ? undefined : pictureFile(flags.picture, measured, spec),
  };
}

/** @throws {UsageError} for a PNG of what is no square. */
function pictureFile(path: string, measured: MeasuredLeak, spec: DatasetSpec): Uint8Array {
  if (!/\.png$/i.test(path)) return new TextEncoder().encode(samplePictureSvg(measured, spec));
  const png = samplePicturePng(measured, spec);
  if (png === undefined)
    throw new UsageError(
      `samples of ${spec.features} values are no square pictures: --picture takes SVG for them`,
    );
  return png;
}

function projectedRules(flags: PolicyFlags) {
  const { network, encryptedLabels, rank, budgetShare, noise: sigma, delta, largestNorm } = flags;
  if (network !== 'dense' || encryptedLabels === true)
    throw new UsageError('--network and --encrypted-labels belong to --mode faithful');
  const seed = Buffer.from(systemRandom.seed()).toString('hex');
  if (sigma === undefined) {
    if (largestNorm !== undefined) throw new UsageError('--largest-norm belongs to --noise');
    return { projection: { rank, seed, budgetShare, approvedBy: [] } };
  }
  const noise = { sigma, delta, ...(largestNorm === undefined ? {} : { largestNorm }) };
  return { projection: { rank, seed, budgetShare, approvedBy: [], noise } };
}

function faithfulRules({ network, encryptedLabels }: PolicyFlags) {
  const isLenet = network === 'lenet5';
  const weightBound = isLenet ? LENET_KEY_SCALE * BOUND : BOUND;
  const labels = encryptedLabels === true ? { labels: 'encrypted' } : {};
  return {
    faithful: { acknowledged: 'I understand what leaks', weightBound, gradientBound: BOUND, ...labels },
    ...(isLenet ? { convolution: LENET_WINDOWS } : {}),
  };
}

async function invite(flags: InviteFlags, terminal: Terminal): Promise<void> {
  const token = systemRandom.seed();
  const policy = withParty(readUnapprovedPolicy(flags.policy), flags.name, flags.role, token);
  writingFileSync(flags.out, () => writeFileSync(flags.out, tokenText(token), { flag: 'wx', mode: 0o600 }));
  await writePolicy(flags.policy, policy);
  terminal.out(`${flags.out}  token of ${flags.role} ${flags.name}\n`);
}
