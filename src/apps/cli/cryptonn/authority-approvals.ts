/** `subrosa authority approver-key`, `enrol` and `approve`: who may let a data set spend more than the default share, and that they did. */
import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { UsageError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import {
  APPROVALS_NEEDED,
  approverKey,
  approverSchema,
  enrolledApprovals,
  signApproval,
} from '../../../protocols/cryptonn/agreement/dataset-approvals.ts';
import {
  approvalText,
  datasetApprovals,
  needsApproval,
} from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import { readUnapprovedPolicy, withApproval, withApprover, writePolicy } from '../../cryptonn/policy-file.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { openSecret, PRODUCTION_COST, sealSecret } from '../../keystore/sealed-box.ts';
import { passphraseFor } from '../terminal/passphrase.ts';
import { plural } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

const LABEL = 'subrosa approver';

const WHAT_APPROVALS_PROVE = `
What approvals prove:
  that ${APPROVALS_NEEDED} secret keys, enrolled in the policy under different names, signed this very specification: any change makes
  the signatures worthless. Not that ${APPROVALS_NEEDED} people did: whoever writes the policy enrols keys, and one person may hold two.
  The specification with its approvals goes to every owner and into the log.
`;

interface KeyFlags {
  readonly out: string;
  readonly passphraseFile?: string;
}

interface EnrolFlags {
  readonly policy: string;
  readonly name: string;
  readonly key: string;
}

interface ApproveFlags {
  readonly policy: string;
  readonly dataset: string;
  readonly name: string;
  readonly keyFile: string;
  readonly passphraseFile?: string;
}

const PASSPHRASE_FLAG = [
  '--passphrase-file <file>',
  "passphrase of the approver's key; otherwise SUBROSA_PASSPHRASE, or asked for",
] as const;

export function addApprovalCommands(authority: Command, terminal: Terminal): void {
  authority
    .command('approver-key')
    .description("make an approver's key; prints the public part, for authority enrol")
    .requiredOption('--out <file>', 'a new file for the secret key, sealed with a passphrase')
    .option(...PASSPHRASE_FLAG)
    .addHelpText('after', WHAT_APPROVALS_PROVE)
    .action((flags) => newKey(flags, terminal));
  authority
    .command('enrol')
    .description('let a key approve data sets of a policy')
    .requiredOption('--policy <file>', 'the policy; the authority reads it at its start')
    .requiredOption('--name <name>', 'of the approver, as owners and the log will show it')
    .requiredOption('--key <hex>', 'public key, from authority approver-key')
    .addHelpText('after', WHAT_APPROVALS_PROVE)
    .action((flags) => enrol(flags, terminal));
  authority
    .command('approve')
    .description('sign the specification of a data set that spends more than the default share')
    .requiredOption('--policy <file>', 'the policy with the data set; the signature goes into it')
    .requiredOption('--dataset <name>', 'which')
    .requiredOption('--name <name>', 'under which the key is enrolled')
    .requiredOption('--key-file <file>', 'secret key, from authority approver-key')
    .option(...PASSPHRASE_FLAG)
    .addHelpText('after', WHAT_APPROVALS_PROVE)
    .action((flags) => approve(flags, terminal));
}

async function newKey({ out, passphraseFile }: KeyFlags, terminal: Terminal): Promise<void> {
  if (existsSync(out)) throw new UsageError(`${out} is there already: choose another --out`);
  const passphrase = await passphraseFor(passphraseFile, terminal, true);
  const secret = systemRandom.seed();
  try {
    await replaceFile(out, await sealSecret(secret, LABEL, passphrase, PRODUCTION_COST));
    terminal.out(`${out}  public key ${approverKey(secret)}\n`);
  } finally {
    secret.fill(0);
  }
}

async function enrol({ policy: path, name, key }: EnrolFlags, terminal: Terminal): Promise<void> {
  const parsed = approverSchema.safeParse({ name, key });
  if (!parsed.success)
    throw new UsageError(
      'an approver has a name of letters, digits, . and -, and a public key of 64 hex digits',
    );
  await writePolicy(path, withApprover(readUnapprovedPolicy(path), parsed.data));
  terminal.out(`${path}  ${name} may approve data sets\n`);
}

async function approve(flags: ApproveFlags, terminal: Terminal): Promise<void> {
  const policy = readUnapprovedPolicy(flags.policy);
  const spec = policy.datasets.find(({ id }) => id === flags.dataset);
  if (spec === undefined) throw new UsageError(`${flags.policy} has no data set "${flags.dataset}"`);
  if (!needsApproval(spec))
    throw new UsageError(`"${spec.id}" stays within the default share: nothing to approve`);
  const enrolled = policy.approvers.find(({ name }) => name === flags.name);
  if (enrolled === undefined)
    throw new UsageError(`${flags.policy} has no approver "${flags.name}": authority enrol`);
  const passphrase = await passphraseFor(flags.passphraseFile, terminal, false);
  const secret = await openSecret(readFileSync(flags.keyFile), LABEL, passphrase, PRODUCTION_COST);
  try {
    if (approverKey(secret) !== enrolled.key)
      throw new UsageError(`${flags.keyFile} is another key than the one enrolled for ${flags.name}`);
    const next = withApproval(policy, spec.id, signApproval(approvalText(spec), flags.name, secret));
    await writePolicy(flags.policy, next);
    const now = next.datasets.find(({ id }) => id === spec.id) ?? spec;
    const count = enrolledApprovals(datasetApprovals(now), next.approvers ?? []).length;
    terminal.out(`${flags.policy}  ${spec.id}: ${plural(count, 'approval')} of ${APPROVALS_NEEDED} needed\n`);
  } finally {
    secret.fill(0);
  }
}
