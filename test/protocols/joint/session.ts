/** A joint training in one process at a toy ring: parties, host and receiver joined by queues; taps may change what passes. */
import { TransportError } from '../../../src/base/errors.ts';
import type { Kernel } from '../../../src/kernel/kernel.ts';
import type { MessageLink } from '../../../src/protocols/channel/message-link.ts';
import {
  JointHost,
  JointInvitation,
  JointParty,
  type JointPartyOptions,
  JointReceiver,
} from '../../../src/protocols/joint/index.ts';
import {
  generatedTable,
  type LabelledTable,
  LogisticProgram,
  type LogisticSpec,
  standardised,
  tableStandardisation,
} from '../../../src/runtime/training/index.ts';
import type { CkksContext } from '../../../src/schemes/ckks/context.ts';
import { CkksParams } from '../../../src/schemes/ckks/params.ts';
import { openJointContext } from '../../schemes/ckks/collective/parties.ts';

export const LOG_N = 8;
export const TOY_PARAMS = CkksParams.joint({ logN: LOG_N, security: 'insecure-for-tests' });
const SPEC: LogisticSpec = {
  kind: 'logistic',
  version: 1,
  rows: 41,
  features: 5,
  iterations: 4,
  rate: 1,
  decay: 0,
  weightBound: 2,
  rule: 'publish',
  bootstrapping: false,
  owners: [15, 9, 17],
};

/** What goes up from a party and what comes down to it; null drops it and the connection. */
export type Tap = (
  message: Uint8Array,
  party: number,
  direction: 'up' | 'down',
  index: number,
) => Uint8Array | null;

interface End extends MessageLink {
  put(message: Uint8Array): void;
  fail(): void;
}

function queue(send: (message: Uint8Array) => void, close: () => void): End {
  const inbox: Uint8Array[] = [];
  let waiting: { resolve: (m: Uint8Array) => void; reject: (e: Error) => void } | null = null;
  let isGone = false;
  const gone = () => new TransportError('the connection was closed', true);
  return {
    send(message) {
      if (isGone) return Promise.reject(gone());
      send(message.slice());
      return Promise.resolve();
    },
    receive() {
      const next = inbox.shift();
      if (next !== undefined) return Promise.resolve(next);
      if (isGone) return Promise.reject(gone());
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    close,
    put(message) {
      if (waiting === null) inbox.push(message);
      else waiting.resolve(message);
      waiting = null;
    },
    fail() {
      isGone = true;
      waiting?.reject(gone());
      waiting = null;
    },
  };
}

/** The two ends of a connection of one party. */
export function linkPair(party: number, tap: Tap): { party: MessageLink; host: MessageLink } {
  const counts = { up: 0, down: 0 };
  const close = () => {
    ends.party.fail();
    ends.host.fail();
  };
  const through = (direction: 'up' | 'down', to: () => End) => (message: Uint8Array) => {
    const passed = tap(message, party, direction, counts[direction]++);
    if (passed === null) close();
    else to().put(passed);
  };
  const ends: { party: End; host: End } = {
    party: queue(
      through('up', () => ends.host),
      close,
    ),
    host: queue(
      through('down', () => ends.party),
      close,
    ),
  };
  return ends;
}

export interface Toy extends AsyncDisposable {
  readonly context: CkksContext;
  readonly invitation: JointInvitation;
  readonly table: LabelledTable;
  readonly receiver: JointReceiver;
  rowsOf(party: number): LabelledTable;
}

export async function openToy(
  name: string,
  { kernel, change = {} }: { kernel?: Kernel; change?: Partial<LogisticSpec> } = {},
): Promise<Toy> {
  const context = await openJointContext(
    name,
    kernel === undefined ? { logN: LOG_N } : { logN: LOG_N, kernel },
  );
  const spec = { ...SPEC, ...change };
  const program = new LogisticProgram(spec, TOY_PARAMS);
  const raw = generatedTable({ rows: spec.rows, columns: spec.features, seed: 3 });
  const standardisation = tableStandardisation(raw);
  const table = standardised(raw, standardisation);
  const generator = context.keyGenerator();
  const secret = generator.secretKey();
  const publicKey = generator.publicKey(secret);
  const invitation = new JointInvitation({
    program,
    columns: raw.columns,
    label: 'ill',
    standardisation,
    receiverKey: publicKey.toBytes(),
  });
  publicKey[Symbol.dispose]();
  generator[Symbol.dispose]();
  return {
    context,
    invitation,
    table,
    receiver: new JointReceiver(context, invitation, secret),
    rowsOf(party) {
      const { from, to } = program.rowsOf(party);
      const width = table.columns.length;
      return {
        columns: table.columns,
        values: table.values.slice(from * width, to * width),
        labels: table.labels.slice(from, to),
      };
    },
    [Symbol.asyncDispose]() {
      secret[Symbol.dispose]();
      context[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

export interface SessionResult {
  readonly host: PromiseSettledResult<Uint8Array>;
  readonly parties: readonly PromiseSettledResult<{ fingerprint: string }>[];
}

/** One session with a tap on every connection; `options` change a party, `context` gives it another. */
export async function runSession(
  toy: Toy,
  {
    tap = (message) => message,
    options = () => ({}),
    context = () => toy.context,
  }: {
    tap?: Tap;
    options?: (party: number) => Partial<JointPartyOptions>;
    context?: (party: number) => CkksContext;
  } = {},
): Promise<SessionResult> {
  const { parties } = toy.invitation.program;
  const links = Array.from({ length: parties }, (_, party) => linkPair(party, tap));
  const host = new JointHost(toy.invitation).run(links.map(({ host: end }) => end));
  const runs = links.map(async (link, party) => {
    using own = new JointParty(context(party), {
      invitation: toy.invitation,
      party,
      table: toy.rowsOf(party),
      ...options(party),
    });
    try {
      return await own.run(link.party);
    } catch (error) {
      link.party.close();
      throw error;
    }
  });
  const [first, ...others] = await Promise.allSettled([host, ...runs]);
  return { host: first as PromiseSettledResult<Uint8Array>, parties: others as SessionResult['parties'] };
}
