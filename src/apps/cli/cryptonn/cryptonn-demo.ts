/** `subrosa demo --mode cryptonn`: an authority process, two owners and a trainer; what comes out, and what each of them learned. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRefusedError, TransportError } from '../../../base/errors.ts';
import { systemRandom } from '../../../base/random.ts';
import type { Kernel } from '../../../kernel/kernel.ts';
import { type LabelledImages, Sequential, unitPixels } from '../../../nn/index.ts';
import { type DatasetSpec, parseDatasetSpec } from '../../../protocols/cryptonn/agreement/dataset-spec.ts';
import type { LabelPermutation } from '../../../protocols/cryptonn/owner/label-permutation.ts';
import { DatasetSchemes } from '../../../protocols/cryptonn/agreement/dataset-schemes.ts';
import { drawnDigits } from '../../cryptonn/drawn-digits.ts';
import { encryptImages, labelKey } from '../../cryptonn/owner-session.ts';
import { leakageOf, whatLeaked } from '../../cryptonn/leakage.ts';
import { type AuthorityPolicy, type PartyRole, withParty, writePolicy } from '../../cryptonn/policy-file.ts';
import { trainProjected } from '../../cryptonn/projected-training.ts';
import { RemoteAuthority } from '../../cryptonn/remote-authority.ts';
import { TrainingData } from '../../cryptonn/training-data.ts';
import { planDigest } from '../../cryptonn/training-plan.ts';
import { readMnist } from '../../train/mnist-corpus.ts';
import { imageRange } from './encrypt-data.ts';
import { installation } from '../installation.ts';
import type { EngineParts } from '../parts.ts';
import { CommandProcess } from '../server-process.ts';
import { Spinner } from '../terminal/spinner.ts';
import { plural } from '../terminal/table.ts';
import { paintFor, printable, type Terminal } from '../terminal/terminal.ts';

export interface CryptonnDemoFlags {
  readonly data?: string;
  readonly json?: boolean;
}

/** Digits of each owner, and digits for the test. */
const [OWNED, TESTED] = [1280, 1000];
const BATCH = 64;
const RANK = 64;
const TRAINING = {
  network: 'dense',
  epochs: 12,
  units: [64],
  learningRate: 0.1,
  momentum: 0.9,
  seed: 1,
} as const;

interface DemoDigits {
  readonly source: string;
  readonly train: LabelledImages;
  readonly test: LabelledImages;
}

/** MNIST where it is, else digits drawn by code. */
function demoDigits(data: string | undefined): DemoDigits {
  const place = data ?? join(installation.root, '..', 'shared', 'data');
  if (data === undefined && !existsSync(join(place, 'mnist')))
    return { source: 'drawn digits', train: drawnDigits(1, 2 * OWNED), test: drawnDigits(2, TESTED) };
  const part = (split: 'train' | 'test', count: number) => imageRange(readMnist(place, split), 0, count);
  return { source: 'MNIST digits', train: part('train', 2 * OWNED), test: part('test', TESTED) };
}

function demoSpec(features: number): DatasetSpec {
  const seed = Buffer.from(systemRandom.seed()).toString('hex');
  return parseDatasetSpec({
    ...{ id: 'digits', scheme: 'lattice', mode: 'projected', features, classes: 10, batch: BATCH },
    ...{ inputScale: 100, inputBound: 100 },
    projection: { rank: RANK, seed, budgetShare: 0.25, approvedBy: [] },
  });
}

interface AuthorityReady {
  readonly url: string;
  readonly pid: number;
}

export async function cryptonnDemo(
  flags: CryptonnDemoFlags,
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'subrosa-cryptonn-demo-'));
  try {
    using spinner = new Spinner(terminal, 'starting the authority: it makes master keys');
    const shown = await demonstrate(directory, flags, parts, (text) => spinner.say(text));
    spinner[Symbol.dispose]();
    terminal.out(flags.json === true ? `${JSON.stringify(shown.json)}\n` : demoReport(shown, terminal));
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function demonstrate(
  directory: string,
  flags: CryptonnDemoFlags,
  parts: EngineParts,
  say: (text: string) => void,
) {
  const digits = demoDigits(flags.data);
  const { train, test, source } = digits;
  const spec = demoSpec(train.height * train.width);
  const seconds = stopwatch();
  const { tokens, args } = await prepareAuthority(directory, spec);
  let lastNote = '';
  const note = (line: string) => {
    lastNote = line;
  };
  await using process = await CommandProcess.start<AuthorityReady>(args, note).catch((error: unknown) => {
    throw new TransportError(`${(error as Error).message}: ${printable(lastNote)}`, false);
  });
  const { url, pid } = process.ready;
  const times = { authority: seconds(), owners: 0, trainer: 0 };
  const as = (name: keyof typeof tokens) => new RemoteAuthority(url, { token: tokens[name] });
  using kernel = await parts.openKernel(() => undefined);
  using schemes = new DatasetSchemes(kernel);
  const permutation = labelKey(join(directory, 'labels.key'), spec.classes);
  const files: string[] = [];
  for (const [i, owner] of (['ann', 'bob'] as const).entries()) {
    say(`${owner} encrypts ${OWNED} digits`);
    const out = join(directory, `${owner}.enc`);
    files.push(out);
    const images = imageRange(train, i * OWNED, OWNED);
    const task = { owner, spec, images, white: 255, permutation, sampler: kernel, out };
    const quiet = { ...task, progress: () => undefined };
    await encryptImages(quiet, as(owner), schemes.schemeFor);
  }
  times.owners = seconds();
  say('the trainer asks for keys and learns');
  const tom = as('tom');
  await using data = await TrainingData.open(files, tom, schemes.schemeFor);
  const plan = {
    ...TRAINING,
    ...{
      digest: planDigest('projected', TRAINING),
      checkpoint: join(directory, 'checkpoint'),
      checkpointEvery: 1e6,
    },
  };
  const result = await trainProjected(plan, data, undefined, tom, kernel, { progress: () => undefined });
  times.trainer = seconds();
  const leakage = leakageOf(tom, data);
  const refusal = await askForOnePixel(tom, spec, schemes);
  const accuracy = ownersAccuracy(result.model, test, permutation, kernel);
  const figures = { accuracy, trainingAccuracy: result.accuracy, tested: test.count, samples: data.samples };
  return {
    json: { mode: 'cryptonn', source, seconds: times, ...figures, ...leakage, refusal },
    leaked: whatLeaked(data, leakage),
    authority: { url, pid },
  };
}

function stopwatch(): () => number {
  let before = performance.now();
  return () => {
    const now = performance.now();
    const seconds = (now - before) / 1000;
    before = now;
    return seconds;
  };
}

async function prepareAuthority(directory: string, spec: DatasetSpec) {
  const tokens = { tom: systemRandom.seed(), ann: systemRandom.seed(), bob: systemRandom.seed() };
  const roles: Readonly<Record<keyof typeof tokens, PartyRole>> = {
    tom: 'trainer',
    ann: 'owner',
    bob: 'owner',
  };
  let policy: AuthorityPolicy = { datasets: [spec], parties: [] };
  for (const name of ['tom', 'ann', 'bob'] as const)
    policy = withParty(policy, name, roles[name], tokens[name]);
  const [file, passphrase] = [join(directory, 'policy.json'), join(directory, 'passphrase')];
  await writePolicy(file, policy);
  await writeFile(passphrase, Buffer.from(systemRandom.seed()).toString('hex'), { mode: 0o600 });
  const state = join(directory, 'state');
  const args = ['authority', '--state', state, '--policy', file, '--passphrase-file', passphrase];
  return { tokens, args: [...args, '--log-level', 'silent'] };
}

/** What a curious trainer would try first; the reason of the refusal. */
async function askForOnePixel(
  tom: RemoteAuthority,
  spec: DatasetSpec,
  schemes: DatasetSchemes,
): Promise<string> {
  const unit = new Int32Array(spec.features);
  unit[Math.floor(spec.features / 2)] = 1;
  try {
    using _keys = await tom.issue(spec, 'projection', unit, schemes.schemeFor(spec, 'projection'));
    return 'none: the key was issued';
  } catch (error) {
    if (!(error instanceof KeyRefusedError)) throw error;
    return error.details.reason;
  }
}

function ownersAccuracy(
  model: Uint8Array,
  test: LabelledImages,
  permutation: LabelPermutation,
  kernel: Kernel,
): number {
  const network = Sequential.fromBytes(model, kernel);
  const scores = network.infer(unitPixels(test.pixels));
  const { classes } = permutation;
  const best = Array.from({ length: test.count }, (_, s) => {
    const row = scores.subarray(s * classes, (s + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
  return permutation.restore(best).filter((label, s) => label === test.labels[s]).length / test.count;
}

function demoReport(
  { json, leaked, authority }: Awaited<ReturnType<typeof demonstrate>>,
  terminal: Terminal,
): string {
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const { source, seconds, accuracy, tested, samples, keysIssued, refusal } = json;
  const right = paint.green(`${(100 * accuracy).toFixed(1)} % of ${tested} other digits right`);
  return [
    '',
    `${paint.bold('subrosa')} ${installation.version}  ${paint.dim('training on data that the trainer cannot read')}`,
    '',
    `  authority  process ${authority.pid} at ${authority.url}: master keys in ${seconds.authority.toFixed(1)} s`,
    `  owners     ann and bob encrypted ${samples} ${source} in ${seconds.owners.toFixed(1)} s`,
    `  trainer    ${plural(keysIssued, 'key')}, ${TRAINING.epochs} epochs in ${seconds.trainer.toFixed(1)} s`,
    '',
    `  ${right}, once the owners undid the secret names of the classes.`,
    '',
    'What each learned:',
    '  authority  which keys were asked for; no ciphertext, no model',
    '  ann, bob   nothing of each other; the model, because the trainer gives it back',
    `  trainer    ${leaked.replace(/^What leaked: /, '')}`,
    `             It asked for the key of a single pixel and was refused (${refusal}); the log has it.`,
    '',
  ].join('\n');
}
