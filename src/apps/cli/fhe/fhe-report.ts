/** What the commands of encrypted training print. */
import type { TableProgram } from '../../../runtime/training/index.ts';
import { EncapsulationKeys } from '../../../schemes/rlwe/keys/encapsulation-keys.ts';
import { EvaluationKeys } from '../../../schemes/rlwe/keys/evaluation-keys.ts';
import { resolveKeyPlan } from '../../../schemes/rlwe/keys/key-plan.ts';
import { formatBytes, formatTable, plural, wrapText } from '../terminal/table.ts';

export const WHO_LEARNS_WHAT_IN_FHE = `
Who learns what:
  owner    the weights, and which columns were chosen where some are, for itself; with --publish, weights
           that hide its key and may be handed on
  trainer  how many rows and columns there are, the steps, a power of two that bounds the weights, the
           time; not the rows, labels, margins, gradients, weights or the loss: it has no key to open any
The trainer is trusted to compute, not to keep a secret. Weights that it made up would open as weights:
the owner sees by the AUC on rows that never left it whether they are of use.
`;

export interface ProgramFigures {
  readonly ringDegree: number;
  readonly logQP: number;
  readonly levels: number;
  readonly keys: number;
  readonly keyBytes: number;
  readonly keyMemory: number;
  readonly rowBytes: number;
  readonly memory: number;
  readonly keySwitches: number;
  readonly bootstraps: number;
  /** Of one thread, at the trainer. */
  readonly predictedSeconds: number;
  /** log2; minus infinity when it cannot happen. */
  readonly logFailure: number;
}

const WORD_BYTES = 8;

export function figuresOf(program: TableProgram): ProgramFigures {
  const { params, keyPlan, bootstrap, topLevel, ciphertexts } = program;
  const resolved = resolveKeyPlan(params, keyPlan);
  const limbBytes = params.n * WORD_BYTES;
  const keyMemoryAt = (level: number): number =>
    2 * params.digits(level) * (level + 1 + params.p.length) * limbBytes;
  const levels = resolved.galois.map(({ maxLevel }) => maxLevel);
  if (resolved.relinearizeLevel !== null) levels.push(resolved.relinearizeLevel);
  if (bootstrap !== undefined) levels.push(params.maxLevel);
  const keyMemory = levels.reduce((sum, level) => sum + keyMemoryAt(level), 0);
  const rowBits = params.q.slice(0, topLevel + 1).reduce((sum, { bits }) => sum + bits, 0);
  const ciphertextMemory = 2 * (topLevel + 1) * limbBytes;
  const sizes = bootstrap?.bytes();
  return {
    ringDegree: params.n,
    logQP: params.logQP,
    levels: topLevel,
    keys: levels.length,
    keyBytes:
      EvaluationKeys.byteLength(params, keyPlan) +
      (bootstrap === undefined ? 0 : EncapsulationKeys.byteLength(params)),
    keyMemory,
    rowBytes: Math.ceil((ciphertexts * params.n * rowBits) / 8),
    memory:
      keyMemory +
      (ciphertexts + WORKING) * ciphertextMemory +
      (sizes === undefined ? 0 : sizes.factors + sizes.working),
    keySwitches: program.keySwitches,
    bootstraps: program.bootstraps,
    predictedSeconds: program.predictedSeconds,
    logFailure: bootstrap?.logWrapProbability ?? Number.NEGATIVE_INFINITY,
  };
}

/** Ciphertexts of one iteration that are alive at once, about. */
const WORKING = 12;

function methodName({ spec }: TableProgram): string {
  return spec.kind === 'logistic' ? 'logistic regression' : 'regression by categories';
}

function stepsOf({ spec }: TableProgram): string {
  if (spec.kind === 'category')
    return `${plural(spec.chosen, 'column')} chosen, ${2 ** spec.chosen} categories`;
  const { iterations, rate, decay, weightBound } = spec;
  return `${plural(iterations, 'iteration')}, rate ${rate}, decay ${decay}, weights below ${weightBound}`;
}

/** A program in lines for people. */
export function programReport(program: TableProgram): string {
  const { spec } = program;
  const figures = figuresOf(program);
  const { trainer, owner, nobody } = program.whoLearnsWhat;
  const rows: [string, string][] = [
    ['program', `${methodName(program)}, ${program.id.slice(0, 16)}`],
    [
      'data',
      `${plural(spec.rows, 'row')}, ${plural(spec.features, 'column')}, in ${plural(program.ciphertexts, 'ciphertext')}`,
    ],
    ['steps', stepsOf(program)],
    [
      'ring',
      `degree 2^${Math.log2(figures.ringDegree)}, ${figures.logQP.toFixed(1)} bits of modulus (128-bit security)`,
    ],
    [
      'work',
      `${plural(figures.keySwitches, 'key switch').replace('switchs', 'switches')}, ${plural(figures.bootstraps, 'bootstrap')}, about ${Math.ceil(figures.predictedSeconds)} s of one core`,
    ],
    [
      'keys',
      `${plural(figures.keys, 'key')}, ${formatBytes(figures.keyBytes)} to send, ${formatBytes(figures.keyMemory)} in memory`,
    ],
    ['rows', `${formatBytes(figures.rowBytes)} to send`],
    ['memory', `about ${formatBytes(figures.memory)} at the trainer`],
    [
      'failure',
      program.bootstrap === undefined
        ? 'none: nothing is bootstrapped'
        : 'no phase can leave the range of a bootstrap',
    ],
    [
      'weights',
      spec.kind === 'logistic' && spec.rule === 'publish' ? 'may be published' : 'for the owner alone',
    ],
  ];
  const learned = [
    ['the trainer learns', trainer],
    ['the owner learns', owner],
    ['nobody else learns', nobody],
  ] as const;
  return (
    formatTable(rows, [{}, {}]) +
    learned.map(([who, what]) => `${wrapText(`${who}: ${what.join('; ')}.`, 98)}\n`).join('')
  );
}
