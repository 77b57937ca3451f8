import { afterAll, beforeAll, expect, test } from 'vitest';
import { DataError, DecodeError, ProtocolError } from '../../../src/base/errors.ts';
import { HandshakeInitiator } from '../../../src/protocols/channel/secure-channel.ts';
import { JointInvitation, JointParty } from '../../../src/protocols/joint/index.ts';
import { JointService, partyId } from '../../../src/protocols/joint/joint-service.ts';
import { areaUnderCurve, mirrorLogistic, scoresOf } from '../../../src/runtime/training/index.ts';
import { maxDifference } from '../../schemes/ckks/insecure-params.ts';
import { openToy, runSession, TOY_PARAMS, type Toy } from './session.ts';

let toy: Toy;
beforeAll(async () => {
  toy = await openToy('joint session');
});
afterAll(() => toy[Symbol.asyncDispose]());

test('three owners train one model and the receiver opens what training on the union gives', async () => {
  const bytes = { up: 0 };
  const { host, parties } = await runSession(toy, {
    tap(message, party, direction) {
      if (party === 1 && direction === 'up') bytes.up += message.length;
      return message;
    },
  });
  expect(parties.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  const fingerprints = parties.map((party) => (party.status === 'fulfilled' ? party.value.fingerprint : ''));
  expect(new Set(fingerprints).size).toBe(1);
  const weights = toy.receiver.open(host.status === 'fulfilled' ? host.value : new Uint8Array());
  const clear = mirrorLogistic(toy.table, toy.invitation.program.steps).weights;
  expect(maxDifference(weights, clear)).toBeLessThan(2 ** -8);
  expect(maxDifference(weights, clear)).toBeGreaterThan(0);
  const auc = (of: ArrayLike<number>): number => areaUnderCurve(scoresOf(toy.table, of), toy.table.labels);
  expect(auc(weights)).toBeCloseTo(auc(clear), 2);
  // What the plan says beforehand is what went over the wire.
  using party = new JointParty(toy.context, { invitation: toy.invitation, party: 1, table: toy.rowsOf(1) });
  const { setUp, run } = party.plan.traffic(1);
  expect(bytes.up).toBe(setUp + run);
});

test('an invitation survives its bytes, and says what is wrong with others', () => {
  const bytes = toy.invitation.toBytes();
  const again = JointInvitation.fromBytes(bytes, TOY_PARAMS);
  expect(again.id).toBe(toy.invitation.id);
  expect(again.columns).toEqual(toy.invitation.columns);
  expect(() => JointInvitation.fromBytes(bytes.subarray(0, 100), TOY_PARAMS)).toThrow(DecodeError);
  // With the parameters of the program instead of those for tests the receiver's key has another length.
  expect(() => JointInvitation.fromBytes(bytes)).toThrow(DecodeError);
  const { program, columns, label, standardisation, receiverKey } = toy.invitation;
  const fields = { program, columns, label, standardisation, receiverKey };
  expect(() => new JointInvitation({ ...fields, columns: columns.slice(1) })).toThrow('columns');
  expect(() => new JointInvitation({ ...fields, label: columns[0]! })).toThrow(DataError);
  const means = standardisation.means.map(() => Number.NaN);
  expect(() => new JointInvitation({ ...fields, standardisation: { ...standardisation, means } })).toThrow(
    DataError,
  );
});

test('a party with other columns, other rows or rows out of range does not begin', () => {
  const { context, invitation } = toy;
  const table = toy.rowsOf(0);
  const begin = (change: object): JointParty =>
    new JointParty(context, { invitation, party: 0, table: { ...table, ...change } });
  expect(() => begin({ columns: table.columns.slice(1) })).toThrow(DataError);
  expect(() => begin({ labels: table.labels.map(() => 1) })).toThrow('one class');
  expect(() => begin({ values: table.values.map((value) => 5 * value) })).toThrow('standardised');
  expect(() => new JointParty(context, { invitation, party: 1, table })).toThrow('owner 1 has 9 rows');
  expect(() => new JointParty(context, { invitation, party: 3, table })).toThrow('an owner');
});

test('a session is run once', async () => {
  using party = new JointParty(toy.context, { invitation: toy.invitation, party: 0, table: toy.rowsOf(0) });
  const silent = {
    send: () => Promise.reject(new Error('gone')),
    receive: () => new Promise<Uint8Array>(() => undefined),
    close: () => undefined,
  };
  await expect(party.run(silent)).rejects.toThrow('gone');
  await expect(party.run(silent)).rejects.toThrow(ProtocolError);
});

test('a party whose connection ends while it shows its key has not come, and may come again', async () => {
  const { invitation } = toy;
  const keys = Array.from({ length: invitation.program.parties }, (_, i) => new Uint8Array(32).fill(i + 1));
  const came: number[] = [];
  const service = new JointService({ invitation, keys, onParty: (party) => came.push(party) });
  const connect = async () => {
    const welcomes: Uint8Array[] = [];
    const session = service.accept((message) => {
      welcomes.push(message);
      return Promise.resolve();
    });
    const handshake = new HandshakeInitiator(keys[1]!, invitation.hash, partyId(1), 'joint');
    await session.receive(handshake.hello);
    const { proof } = await handshake.finish(welcomes[0]!);
    return { session, shown: session.receive(proof) };
  };
  const first = await connect();
  first.session.close();
  await first.shown;
  expect([first.session.party, first.session.isAuthenticated, came]).toEqual([null, false, []]);
  const second = await connect();
  await second.shown;
  expect([second.session.party, second.session.isAuthenticated, came]).toEqual(['party 1', true, [1]]);
});
