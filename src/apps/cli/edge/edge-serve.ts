/** `subrosa edge serve`: one of the two edges, computing with the kernel off the event loop. */
import { UsageError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import { IntegerLinearRunner } from '../../../nn/integer/integer-runner.ts';
import { EdgeService } from '../../../protocols/edge/edge-service.ts';
import { longestMessage } from '../../../protocols/edge/layer-plan.ts';
import { listenEdge } from '../../edge/edge-server.ts';
import { type EdgeIdentity, readEdge } from '../../edge/provisioning.ts';
import { RelayLink } from '../../edge/relay-link.ts';
import { readPrivateFile } from '../../keystore/private-file.ts';
import { ServerLog } from '../../server/index.ts';
import { closeWhen, stopRequest } from '../speech/serve.ts';
import { tlsOptions, trustedCertificates } from '../tls-files.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { plural } from '../terminal/table.ts';
import { paintFor, type Terminal } from '../terminal/terminal.ts';

export interface EdgeServeFlags {
  readonly role: 'a' | 'b';
  readonly file: string;
  readonly relayTo?: string;
  readonly ca?: string;
  readonly host: string;
  readonly port: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly json?: boolean;
  readonly whileStdinOpen?: boolean;
}

/** What `subrosa edge serve --json` prints once it listens. */
export interface EdgeReady {
  readonly ready: true;
  readonly url: string;
  readonly role: 'a' | 'b';
  readonly kernel: { readonly name: string; readonly isa: string; readonly threads: number };
  readonly pid: number;
}

export async function serveAsEdge(flags: EdgeServeFlags, terminal: Terminal): Promise<void> {
  const identity = await withSpinner(terminal, 'reading the layers', async () =>
    readEdge(readPrivateFile(flags.file)),
  );
  if (identity.role !== flags.role)
    throw new UsageError(`${flags.file} is for edge ${identity.role}, not for edge ${flags.role}`);
  using kernel = await openKernel();
  using runner = new IntegerLinearRunner(
    identity.plan.layers.map(({ map }) => map),
    kernel,
  );
  using relay = relayLink(flags, identity);
  const service = new EdgeService({
    ...identity,
    apply: runner.applyAsync,
    now: () => performance.now(),
    ...(relay !== null && { relay: relay.relay }),
  });
  const stopped = stopRequest(flags.whileStdinOpen === true);
  const log = new ServerLog('warn');
  const server = await listenEdge(service, {
    ...{ host: flags.host, port: flags.port, ...tlsOptions(flags) },
    onClose: (reason, party) => log.warn('closed', { reason, ...(party !== null && { tenant: party }) }),
  });
  const { name, isa, threads } = kernel;
  const ready: EdgeReady = {
    ready: true,
    url: server.url,
    role: flags.role,
    kernel: { name, isa, threads },
    pid: process.pid,
  };
  if (flags.json === true) terminal.out(`${JSON.stringify(ready)}\n`);
  else {
    const paint = paintFor(terminal.outIsTerminal, terminal.env);
    const facts = paint.dim(`${name} ${isa}, ${plural(threads, 'thread')}`);
    terminal.out(`${paint.green('ready')} ${paint.bold(server.url)}  edge ${flags.role}  ${facts}\n`);
  }
  await closeWhen(stopped, server, flags.json === true, terminal);
}

function relayLink(flags: EdgeServeFlags, identity: EdgeIdentity): RelayLink | null {
  if (flags.relayTo === undefined) return null;
  if (flags.role !== 'b') throw new UsageError('only edge b relays: leave --relay-to out');
  const link = {
    maxMessageBytes: longestMessage(identity.plan, 1),
    ...trustedCertificates(flags),
  };
  return new RelayLink({ url: flags.relayTo, identity, link });
}
