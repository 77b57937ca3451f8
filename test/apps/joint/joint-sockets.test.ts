/** A joint training of three parties over sockets, at a toy ring. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  inviteParties,
  readHostInvitation,
  readPartyInvitation,
  writeInvitations,
} from '../../../src/apps/joint/invitation-files.ts';
import { hostJoint, joinJoint } from '../../../src/apps/joint/joint-sockets.ts';
import { connectEdge } from '../../../src/apps/edge/websocket-link.ts';
import { DataError } from '../../../src/base/errors.ts';
import type { MessageLink } from '../../../src/protocols/channel/message-link.ts';
import { HandshakeInitiator } from '../../../src/protocols/channel/secure-channel.ts';
import { openSecureLink } from '../../../src/protocols/channel/secure-link.ts';
import { partyId } from '../../../src/protocols/joint/joint-service.ts';
import { mirrorLogistic } from '../../../src/runtime/training/index.ts';
import { openToy, TOY_PARAMS, type Toy } from '../../protocols/joint/session.ts';
import { maxDifference } from '../../schemes/ckks/insecure-params.ts';

let toy: Toy;
let folder: string;
beforeAll(async () => {
  toy = await openToy('joint sockets', { change: { iterations: 3 } });
  folder = mkdtempSync(join(tmpdir(), 'subrosa-joint-'));
});
afterAll(async () => {
  await toy[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const connectTo = (url: string): Promise<MessageLink> =>
  connectEdge(url, { maxMessageBytes: 2 ** 16, timeoutMs: 60_000 });

test('three parties, a host and a receiver over sockets', async () => {
  const paths = await writeInvitations(join(folder, 'invitations'), inviteParties(toy.invitation));
  await expect(writeInvitations(join(folder, 'invitations'), inviteParties(toy.invitation))).rejects.toThrow(
    DataError,
  );
  const host = await hostJoint(readHostInvitation(readFileSync(paths.host), TOY_PARAMS));
  const phases = new Set<string>();
  const runs = paths.parties.map((path, party) =>
    joinJoint(toy.context, readPartyInvitation(readFileSync(path), TOY_PARAMS), host.url, {
      table: toy.rowsOf(party),
      onProgress: ({ phase }) => phases.add(phase),
    }),
  );
  const [first, ...others] = await Promise.all(runs);
  for (const { fingerprint } of others) expect(fingerprint).toBe(first!.fingerprint);
  const weights = toy.receiver.open(await host.sealed);
  const clear = mirrorLogistic(toy.table, toy.invitation.program.steps).weights;
  expect(maxDifference(weights, clear)).toBeLessThan(2 ** -8);
  expect([...phases].sort()).toEqual(['keys', 'release', 'rows', 'training']);
});

test('who holds no key of the invitation is not let in, and a party that goes away ends the session for all', async () => {
  const files = inviteParties(toy.invitation);
  const others = inviteParties(toy.invitation);
  const told: [string, string | null][] = [];
  const host = await hostJoint(readHostInvitation(files.host, TOY_PARAMS), {
    onClose: (reason, party) => told.push([reason, party]),
  });
  const join = (bytes: Uint8Array, party: number, onProgress?: () => void) =>
    joinJoint(toy.context, readPartyInvitation(bytes, TOY_PARAMS), host.url, {
      table: toy.rowsOf(party),
      ...(onProgress !== undefined && { onProgress }),
    });
  await expect(join(others.parties[0]!, 0)).rejects.toThrow('does not hold the key');
  // Whoever names a party is not taken for it.
  const pretender = await connectTo(host.url);
  const welcomed = new HandshakeInitiator(new Uint8Array(32), toy.invitation.hash, partyId(0), 'joint');
  await pretender.send(welcomed.hello);
  await pretender.receive();
  await pretender.send(new Uint8Array(36));
  await expect(pretender.receive()).rejects.toThrow();
  expect(told).toEqual([[expect.stringContaining('bad magic'), null]]);
  const gone = (): never => {
    throw new Error('the machine is switched off');
  };
  const results = await Promise.allSettled([
    join(files.parties[0]!, 0),
    join(files.parties[1]!, 1, gone),
    join(files.parties[2]!, 2),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await expect(host.sealed).rejects.toThrow('party 1 is gone');
});

test('a session that cannot begin any more has an end', async () => {
  const { invitation } = toy;
  const files = inviteParties(invitation);
  const open = () => hostJoint(readHostInvitation(files.host, TOY_PARAMS));
  const closed = await open();
  await closed.close();
  await expect(closed.sealed).rejects.toThrow('closed before all parties were there');
  const left = await open();
  const { key } = readPartyInvitation(files.parties[1]!, TOY_PARAMS);
  const socket = await connectTo(left.url);
  const identity = { key, subject: invitation.hash, party: partyId(1), purpose: 'joint' } as const;
  await openSecureLink(socket, identity);
  // A second one with the same key is refused, and its end is not the party's.
  const second = await connectTo(left.url);
  const link = await openSecureLink(second, identity);
  await expect(link.receive()).rejects.toThrow();
  const early = await Promise.race([left.sealed.catch(() => 'ended'), Promise.resolve('open')]);
  expect(early).toBe('open');
  socket.close();
  await expect(left.sealed).rejects.toThrow('party 1 is gone');
});
