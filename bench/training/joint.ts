/**
 * Three owners train the regression of 1600 x 105 together: seconds of processor time of one party and bytes that it sends and gets, the
 * noise that the weights were released behind, and the AUC beside training on the union in the clear. All parties are in this process; the
 * training, which each of them would compute itself, is computed once and counted for each. `--epochs N` for another number of iterations,
 * `--part N` of parties, `--quick` for few iterations.
 */
import { allocateCiphertext } from '../../src/schemes/rlwe/ciphertext.ts';
import { UsageError } from '../../src/base/errors.ts';
import { openKernel } from '../../src/kernel/open.ts';
import type { MessageLink } from '../../src/protocols/channel/message-link.ts';
import {
  type JointComputation,
  JointHost,
  JointInvitation,
  JointParty,
  JointPlan,
  JointReceiver,
  JointTrainer,
} from '../../src/protocols/joint/index.ts';
import type { Arena } from '../../src/ring/arena.ts';
import { copyWords } from '../../src/ring/poly.ts';
import {
  areaUnderCurve,
  generatedTable,
  type LabelledTable,
  LogisticProgram,
  mirrorLogistic,
  scoresOf,
  splitTable,
  standardised,
  tableStandardisation,
  tuneLogistic,
} from '../../src/runtime/training/index.ts';
import type { CkksCiphertext } from '../../src/schemes/ckks/ciphertext.ts';
import { CkksContext } from '../../src/schemes/ckks/context.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';
import { processorTime } from './machine-costs.ts';

const [ROWS, COLUMNS, ITERATIONS, PARTIES] = [1600, 105, 30, 3];
const QUICK_ITERATIONS = 4;
const HELD_OUT_ONE_IN = 5;

interface SharedStep {
  readonly ciphertext: CkksCiphertext;
  readonly iteration: number;
  readonly isLast: boolean;
}

/** One computation that all parties read: the first to ask computes, the others get copies. */
class SharedComputation {
  /** Milliseconds. */
  spent = 0;
  #context: CkksContext;
  #program: LogisticProgram;
  #steps: SharedStep[] = [];
  #inner: ReturnType<JointTrainer['run']> | undefined;

  constructor(context: CkksContext, program: LogisticProgram) {
    this.#context = context;
    this.#program = program;
  }

  /** What `computation` of a party is to be. */
  of(evaluation: ConstructorParameters<typeof JointTrainer>[2]): JointComputation {
    const trainer = new JointTrainer(this.#context, this.#program, evaluation);
    return {
      run: (owned, arena) => this.#run(trainer, owned, arena),
      [Symbol.dispose]: () => trainer[Symbol.dispose](),
    };
  }

  *#run(
    trainer: JointTrainer,
    owned: readonly (readonly CkksCiphertext[])[],
    arena: Arena,
  ): ReturnType<JointComputation['run']> {
    let state = this.#at(0, () => {
      this.#inner = trainer.run(owned, arena);
      return this.#inner.next();
    });
    for (let step = 1; !state.isLast; step++) {
      const fresh = yield { ciphertext: state.ciphertext, iteration: state.iteration };
      state = this.#at(step, () => this.#inner!.next(fresh));
    }
    return state.ciphertext;
  }

  #at(step: number, next: () => ReturnType<ReturnType<JointTrainer['run']>['next']>): SharedStep {
    const known = this.#steps[step];
    if (known !== undefined) return known;
    const started = processorTime();
    const result = next();
    this.spent += processorTime() - started;
    const source = result.done === true ? result.value : result.value.ciphertext;
    using arena = this.#context.arena();
    const ciphertext = arena.keep(allocateCiphertext(arena, source));
    copyWords(ciphertext.words, source.words);
    const iteration = result.done === true ? this.#program.spec.iterations : result.value.iteration;
    const made = { ciphertext, iteration, isLast: result.done === true };
    this.#steps[step] = made;
    return made;
  }

  [Symbol.dispose](): void {
    for (const { ciphertext } of this.#steps) ciphertext[Symbol.dispose]();
  }
}

/** Two ends of a connection in memory that count bytes from party to host and back. */
function countedLink(traffic: { up: number; down: number }): { party: MessageLink; host: MessageLink } {
  const end = (count: (bytes: number) => void) => {
    const inbox: Uint8Array[] = [];
    let waiting: ((message: Uint8Array) => void) | null = null;
    return {
      put(message: Uint8Array): void {
        count(message.length);
        if (waiting === null) inbox.push(message);
        else waiting(message);
        waiting = null;
      },
      take(): Promise<Uint8Array> {
        const message = inbox.shift();
        if (message !== undefined) return Promise.resolve(message);
        return new Promise((resolve) => {
          waiting = resolve;
        });
      },
    };
  };
  const toHost = end((bytes) => {
    traffic.up += bytes;
  });
  const toParty = end((bytes) => {
    traffic.down += bytes;
  });
  const link = (to: typeof toHost, from: typeof toHost): MessageLink => ({
    send: (message) => Promise.resolve(to.put(message)),
    receive: () => from.take(),
    close: () => undefined,
  });
  return { party: link(toHost, toParty), host: link(toParty, toHost) };
}

function rowsOf(table: LabelledTable, program: LogisticProgram, party: number): LabelledTable {
  const { from, to } = program.rowsOf(party);
  const width = table.columns.length;
  return {
    columns: table.columns,
    values: table.values.slice(from * width, to * width),
    labels: table.labels.slice(from, to),
  };
}

export const joint: Bench = async ({ quick, part, epochs }, note) => {
  const parties = Number(part ?? PARTIES);
  if (!(Number.isInteger(parties) && parties >= 2 && parties <= 16))
    throw new UsageError(`--part is a number of parties, 2 to 16, not "${part}"`);
  const iterations = epochs ?? (quick ? QUICK_ITERATIONS : ITERATIONS);
  const training = Math.ceil((ROWS * HELD_OUT_ONE_IN) / (HELD_OUT_ONE_IN - 1));
  const { train, heldOut } = splitTable(
    generatedTable({ rows: training, columns: COLUMNS, seed: 1 }),
    HELD_OUT_ONE_IN,
  );
  const standardisation = tableStandardisation(train);
  const table = standardised(train, standardisation);
  const held = standardised(heldOut, standardisation);
  const tuned = tuneLogistic(table, { iterations, rule: 'keep', bootstrapping: true });
  const rows = table.labels.length;
  const each = Math.floor(rows / parties);
  const owners = Array.from({ length: parties }, (_, i) => (i === 0 ? rows - each * (parties - 1) : each));
  const program = new LogisticProgram({ ...tuned.spec, rule: 'publish', bootstrapping: false, owners });
  using kernel = await openKernel();
  using context = await CkksContext.open(program.params, { kernel });
  using generator = context.keyGenerator();
  using secret = generator.secretKey();
  using publicKey = generator.publicKey(secret);
  const invitation = new JointInvitation({
    ...{ program, columns: table.columns, label: 'ill', standardisation },
    receiverKey: publicKey.toBytes(),
  });
  using shared = new SharedComputation(context, program);
  const traffic = Array.from({ length: parties }, () => ({ up: 0, down: 0 }));
  const setUp = { up: 0, down: 0 };
  const begun = processorTime();
  const clock = performance.now();
  let setUpSeconds = 0;
  const links = traffic.map(countedLink);
  const host = new JointHost(invitation).run(
    links.map((link) => link.host),
    (kind) => {
      if (kind !== 'rows') return;
      // The last round of the set-up has been sent, and comes back now.
      setUp.up = traffic[0]!.up;
      setUpSeconds = (processorTime() - begun) / 1000 / parties;
      note(`keys and rows: ${setUpSeconds.toFixed(1)} s of a party`);
    },
  );
  const runs = links.map(async (link, party) => {
    using own = new JointParty(context, {
      ...{ invitation, party, table: rowsOf(table, program, party) },
      computation: (evaluation) => shared.of(evaluation),
      onProgress: ({ phase, done, of }) => {
        if (party !== 0 || phase === 'keys') return;
        if (phase === 'rows') setUp.down = traffic[0]!.down;
        note(`${phase} ${done} of ${of}: ${((processorTime() - begun) / 1000).toFixed(0)} s of all parties`);
      },
    });
    await own.run(link.party);
  });
  const [sealed] = await Promise.all([host, ...runs]);
  const total = processorTime() - begun;
  const weights = new JointReceiver(context, invitation, secret).open(sealed);
  const mirror = mirrorLogistic(table, program.steps).weights;
  const auc = (of: ArrayLike<number>): number => areaUnderCurve(scoresOf(held, of), held.labels);
  const plan = new JointPlan(program);
  const row: BenchRow = {
    task: `${program.spec.rows} x ${COLUMNS}, ${iterations} iterations`,
    parties,
    refreshes: program.refreshes,
    keySwitches: program.keySwitches,
    secondsSetUp: setUpSeconds,
    secondsTraining: shared.spent / 1000,
    secondsAnswers: (total - shared.spent) / 1000 / parties - setUpSeconds,
    elapsed: (performance.now() - clock) / 1000,
    bytesSetupUp: setUp.up,
    bytesSetupDown: setUp.down,
    bytesRunUp: traffic[0]!.up - setUp.up,
    bytesRunDown: traffic[0]!.down - setUp.down,
    precisionBits: plan.release(context).precisionBits,
    largestDifference: mirror.reduce((max, w, j) => Math.max(max, Math.abs(w - weights[j]!)), 0),
    aucJoint: auc(weights),
    aucUnion: auc(mirror),
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
  return reportFor('joint', kernel, [row]);
};
