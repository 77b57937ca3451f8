/** `subrosa authority policy` and `invite`: what may be issued, and who may ask. */
import { existsSync, writeFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { DEFAULT_BUDGET_SHARE, parseDatasetSpec } from '../../protocols/cryptonn/dataset-spec.ts';
import { LENET_FEATURES, LENET_KEY_SCALE, LENET_WINDOWS } from '../../protocols/cryptonn/lenet.ts';
import { projectionPrivacy } from '../../protocols/cryptonn/projection-noise.ts';
import { whatNoisePromises } from '../cryptonn/leakage.ts';
import { type PartyRole, readPolicy, tokenText, withParty, writePolicy } from '../cryptonn/policy-file.ts';
import { writingFileSync } from '../keystore/file-errors.ts';
import type { FirstLayerName } from '../cryptonn/training-plan.ts';
import { fraction, wholeNumber } from './serve.ts';
import type { Terminal } from './terminal.ts';

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
  readonly approvedBy: readonly string[];
  readonly noise?: number;
  readonly delta: number;
  readonly largestNorm?: number;
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
export function addPolicyCommands(authority: Command, terminal: Terminal, helpText: string): void {
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
  policy.addHelpText('after', helpText).action((flags) => newPolicy(flags, terminal));
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
    .addOption(new Option('--rank <n>', 'rows of the projection').default(64).argParser(wholeNumber(1, 4096)))
    .addOption(
      new Option(
        '--budget-share <x>',
        'of the rank that usually determines the data; more than the default needs two approvers',
      )
        .default(DEFAULT_BUDGET_SHARE)
        .argParser(fraction),
    )
    .option('--approved-by <name...>', 'who approved a larger share; the names are in the policy', [])
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

/** Two decimals for inputs and weights, as the original has. */
const FIXED_POINT = { inputScale: 100, inputBound: 100 } as const;
const BOUND = 127;

async function newPolicy(flags: PolicyFlags, terminal: Terminal): Promise<void> {
  if (existsSync(flags.out)) throw new UsageError(`${flags.out} is there already: choose another --out`);
  const { dataset: id, mode, scheme, features, classes, batch } = flags;
  if (mode === 'faithful' && flags.iUnderstandWhatLeaks !== true)
    throw new UsageError('faithful training shows every input to the trainer: add --i-understand-what-leaks');
  const spec = parseDatasetSpec({
    ...{ id, scheme, mode, features, classes, batch },
    ...FIXED_POINT,
    ...(mode === 'projected' ? projectedRules(flags) : faithfulRules(flags)),
  });
  await writePolicy(flags.out, { datasets: [spec], parties: [] });
  const privacy = projectionPrivacy(spec);
  terminal.out(
    `${flags.out}  data set ${id}, ${mode}\n${privacy === undefined ? '' : `${whatNoisePromises(privacy)}\n`}`,
  );
}

function projectedRules(flags: PolicyFlags) {
  const { network, encryptedLabels, rank, budgetShare, approvedBy, noise: sigma, delta, largestNorm } = flags;
  if (network !== 'dense' || encryptedLabels === true)
    throw new UsageError('--network and --encrypted-labels belong to --mode faithful');
  const seed = Buffer.from(systemRandom.seed()).toString('hex');
  if (sigma === undefined) {
    if (largestNorm !== undefined) throw new UsageError('--largest-norm belongs to --noise');
    return { projection: { rank, seed, budgetShare, approvedBy } };
  }
  const noise = { sigma, delta, ...(largestNorm === undefined ? {} : { largestNorm }) };
  return { projection: { rank, seed, budgetShare, approvedBy, noise } };
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
  const policy = withParty(readPolicy(flags.policy), flags.name, flags.role, token);
  writingFileSync(flags.out, () => writeFileSync(flags.out, tokenText(token), { flag: 'wx', mode: 0o600 }));
  await writePolicy(flags.policy, policy);
  terminal.out(`${flags.out}  token of ${flags.role} ${flags.name}\n`);
}
