/** Joint training over WebSockets: the host listens, parties connect. TLS unless all are on one machine, and records of their own inside. */
import { JointHost, JointParty, type JointPartyOptions, JointPlan } from '../../protocols/joint/index.ts';
import { JointService, partyId } from '../../protocols/joint/joint-service.ts';
import { RECORD_OVERHEAD } from '../../protocols/channel/secure-channel.ts';
import { openSecureLink } from '../../protocols/channel/secure-link.ts';
import type { JointKind } from '../../protocols/joint/messages.ts';
import type { CkksContext } from '../../schemes/ckks/context.ts';
import { type EdgeListenOptions, listenEdge } from '../edge/edge-server.ts';
import { connectEdge } from '../edge/websocket-link.ts';
import type { HostInvitation, PartyInvitation } from './invitation-files.ts';

/** Parties compute between messages: on a slow machine for minutes, in which nothing moves. */
const PATIENCE_MS = 60 * 60_000;

export interface JointListenOptions extends Pick<EdgeListenOptions, 'host' | 'port' | 'tls' | 'onClose'> {
  readonly onParty?: (party: number) => void;
  readonly onRound?: (kind: JointKind, round: number) => void;
}

export interface RunningHost {
  readonly url: string;
  /** What the receiver opens; rejects when the session ends before. Nothing listens any more then. */
  readonly sealed: Promise<Uint8Array>;
  close(): Promise<void>;
}

/** One session. @throws {UsageError} as the listener. */
export async function hostJoint(
  { invitation, keys }: HostInvitation,
  options: JointListenOptions = {},
): Promise<RunningHost> {
  const { onParty, onRound, ...listen } = options;
  const service = new JointService({ invitation, keys, ...(onParty !== undefined && { onParty }) });
  const server = await listenEdge(service, { ...listen, idleMs: PATIENCE_MS });
  const host = new JointHost(invitation);
  const run = async (): Promise<Uint8Array> => {
    try {
      return await host.run(await service.links, onRound);
    } finally {
      await server.close();
    }
  };
  const sealed = run();
  sealed.catch(() => undefined);
  const close = (): Promise<void> => {
    service.end();
    return server.close();
  };
  return { url: server.url, sealed, close };
}

/** One session of one party, to its end. The context is borrowed. @throws as {@link JointParty.run} and for the connection. */
export async function joinJoint(
  context: CkksContext,
  { invitation, party, key }: PartyInvitation,
  address: string,
  options: Omit<JointPartyOptions, 'invitation' | 'party'> & { readonly ca?: Uint8Array },
): Promise<{ readonly fingerprint: string }> {
  const { ca, ...own } = options;
  using joint = new JointParty(context, { invitation, party, ...own });
  const socket = await connectEdge(address, {
    maxMessageBytes: new JointPlan(invitation.program).longestBundle + RECORD_OVERHEAD,
    timeoutMs: PATIENCE_MS,
    ...(ca !== undefined && { ca }),
  });
  try {
    const identity = { key, subject: invitation.hash, party: partyId(party), purpose: 'joint' } as const;
    const link = await openSecureLink(socket, identity);
    return await joint.run(link);
  } finally {
    socket.close();
  }
}
