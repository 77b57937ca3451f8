/** What several commands of networks under encryption share. */
import { totalmem } from 'node:os';
import { DataError, LimitError } from '../../../base/errors.ts';
import { referenceCosts } from '../../../circuits/cost.ts';
import {
  type PerceptronProgram,
  type PerceptronSpec,
  sampleStandardisation,
  standardisedSamples,
  stepSeconds,
  stepWork,
  straightenedPictures,
} from '../../../runtime/training/index.ts';
import { type InputScale, type NetworkOptions, openNetworkFolder } from '../../fhe/network-folder.ts';
import { pictureSamples } from '../../fhe/network-training.ts';
import { readMnist } from '../../train/mnist-corpus.ts';
import type { EngineParts } from '../parts.ts';
import { formatBytes, formatTable, plural, wrapText } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { PassphraseFlags } from './fhe-parts.ts';

/** For tests: parameters of a small ring. */
export interface NetworkCommands extends NetworkOptions {
  readonly terminal: Terminal;
  readonly parts: EngineParts;
}

/** Training and test pictures, as the network takes them. Test pictures are standardised by the training pictures. */
export function networkSamples(spec: Pick<PerceptronSpec, 'layers'>, data: string, scale: InputScale) {
  const [train, test] = (['train', 'test'] as const).map((split) =>
    pictureSamples(
      spec,
      scale === 'straightened' ? straightenedPictures(readMnist(data, split)) : readMnist(data, split),
    ),
  );
  const classes = spec.layers.at(-1)!;
  if (train!.labels.some((label) => label >= classes))
    throw new DataError(`there are labels of ${classes} and more, but the network has ${classes} outputs`);
  if (scale === 'fixed') return { train: train!, test: test! };
  const by = sampleStandardisation(train!);
  return { train: standardisedSamples(train!, by), test: standardisedSamples(test!, by) };
}

export function networkFigures(program: PerceptronProgram) {
  const { params, memory, bootstrapsPerStep, levels, spec } = program;
  const { bootstraps, rest } = stepSeconds(program, referenceCosts(params.logN, params.p.length));
  return {
    ...{ ringDegree: params.n, logQP: params.logQP, isInsecure: params.isInsecure },
    ...{ keyBytes: memory.wire, keyMemory: memory.keys, memory: memory.all },
    ...{ bootstrapsPerStep, keySwitchesPerStep: stepWork(program).keySwitches.length },
    ...{ predictedStepSeconds: bootstraps + rest, steps: spec.steps, levelOfModel: levels.input },
  };
}

export function networkReport(program: PerceptronProgram): string {
  const { spec, id, whoLearnsWhat } = program;
  const figures = networkFigures(program);
  const seconds = Math.ceil(figures.predictedStepSeconds);
  const rows: [string, string][] = [
    ['program', `network ${spec.layers.join('-')}, ${id.slice(0, 16)}`],
    [
      'steps',
      `${plural(spec.steps, 'step')} of ${plural(spec.batch, 'sample')}, rate ${spec.rate}, momentum ${spec.momentum}, decay ${spec.decay}`,
    ],
    ['bounds', `sums ${spec.sumBound}, weights ${spec.weightBound}, errors ${spec.errorBound}`],
    [
      'ring',
      `degree 2^${Math.log2(figures.ringDegree)}, ${figures.logQP.toFixed(1)} bits of modulus (${figures.isInsecure ? 'NOT SECURE: for tests' : '128-bit security'})`,
    ],
    [
      'state',
      `${plural(program.stateCiphertexts, 'ciphertext')}${spec.guard === true ? ', one of them what the guard saw' : ''}`,
    ],
    [
      'work',
      `a step: ${plural(figures.bootstrapsPerStep, 'bootstrap')}, ${figures.keySwitchesPerStep} key switches, about ${seconds} s of one core; all ${((figures.predictedStepSeconds * spec.steps) / 3600).toFixed(1)} h`,
    ],
    ['keys', `${formatBytes(figures.keyBytes)} to send, ${formatBytes(figures.keyMemory)} in memory`],
    ['memory', `about ${formatBytes(figures.memory)} at the trainer`],
    ['failure', 'no phase can leave the range of a bootstrap'],
  ];
  const learned = [
    ['the trainer learns', whoLearnsWhat.trainer],
    ['the owner learns', whoLearnsWhat.owner],
    ['nobody else learns', whoLearnsWhat.nobody],
  ] as const;
  const text = learned.map(([who, what]) => `${wrapText(`${who}: ${what.join('; ')}.`, 98)}\n`).join('');
  return formatTable(rows, [{}, {}]) + text;
}

/** @throws {LimitError} */
export function assertNetworkMemory(program: PerceptronProgram): void {
  const { all } = program.memory;
  const there = totalmem();
  if (all > there)
    throw new LimitError(
      'the memory of this program',
      `${formatBytes(there)} that this machine has`,
      formatBytes(all),
    );
}

export interface NetworkOwnerFlags extends PassphraseFlags {
  readonly keys: string;
  readonly data: string;
  readonly json?: boolean;
}

/** What the owner's commands begin with. @throws {DataError} when the pictures are not those that the keys were made for. */
export function ownersNetwork(flags: NetworkOwnerFlags, options: NetworkOptions) {
  const folder = openNetworkFolder(flags.keys, options);
  const { train, test } = networkSamples(folder.program.spec, flags.data, folder.notes.inputs);
  if (train.labels.length !== folder.notes.images)
    throw new DataError(`the keys were made for ${folder.notes.images} pictures, not ${train.labels.length}`);
  return { folder, train, test };
}
