/** What a gateway keeps in memory when a thousand clients have begun to send and go on slowly. */
import { connect, type Socket } from 'node:net';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { BINARY } from '../../src/apps/transport/wire.ts';
import { DEFAULT_LIMITS } from '../../src/apps/server/index.ts';
import type { BenchRow } from '../report.ts';
import { BenchClient, BenchFleet, memoryOf, round, SPEECH } from './processes.ts';

const MIB = 2 ** 20;
const CLIENTS = 1000;
/** Of each body, at once; the rest comes slowly. */
const FIRST_SHARE = 0.9;
const DRIP_BYTES = 4096;
const DRIP_MS = 1000;

/**
 * Every client is a principal of its own (a proxy says so), sends nine tenths of a query as fast as the gateway takes it and then 4 kB a
 * second, which is as slow as a body may come.
 */
export async function slowClients(
  kernel: Kernel,
  seconds: number,
  note: (line: string) => void,
): Promise<BenchRow> {
  await using fleet = await BenchFleet.start({ workers: 1, servers: 0 }, note, [
    ...['--principal', 'header:x-user', '--metrics-port', '0'],
  ]);
  const { url, pid } = fleet.gateway;
  // A client's limits are its principal's: the keys are enrolled by one of them.
  const client = new BenchClient(SPEECH);
  await client.prepare(kernel, 1, [url], 1, { 'x-user': 'keys' });
  const body = client.body();
  const before = memoryOf(pid).now;
  note(`${CLIENTS} slow clients for ${seconds} s`);
  const counts = { refused: 0 };
  const sockets = Array.from({ length: CLIENTS }, (_, i) => slowly(i, client, url, body, counts));
  const after: number[] = [];
  let answered = 0;
  for (let second = 0; second < seconds; second++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    after.push(memoryOf(pid).now);
    // The others are told quickly, whatever the thousand do.
    if ((await fetch(`${url}/v1/health`)).status === 200) answered++;
  }
  const stillOpen = sockets.filter((socket) => !socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  const { most } = memoryOf(pid);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  return {
    ...{ part: 'clients', clients: CLIENTS, seconds, queryBytes: body.length },
    announcedMiB: round((CLIENTS * body.length) / MIB, 0),
    ...{ refused: counts.refused, stillOpen, healthAnswered: answered },
    beforeMiB: round(before / MIB, 0),
    mostMiB: round(most / MIB, 0),
    takenMiB: round((most - before) / MIB, 0),
    limitOfBodiesMiB: DEFAULT_LIMITS.maxReceivingBytes / MIB,
    afterwardsMiB: round(memoryOf(pid).now / MIB, 0),
  };
}

function slowly(
  i: number,
  client: BenchClient,
  url: string,
  body: Uint8Array,
  counts: { refused: number },
): Socket {
  const { path, authorization } = client.address(url);
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  const head = [
    `POST ${path} HTTP/1.1`,
    ...['host: x', `authorization: ${authorization}`, `x-user: user${i}`, `content-type: ${BINARY}`],
    `content-length: ${body.length}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  let at = Math.floor(FIRST_SHARE * body.length);
  socket.write(body.subarray(0, at));
  const drip = setInterval(() => {
    if (socket.writableLength > DRIP_BYTES || at + DRIP_BYTES >= body.length) return;
    socket.write(body.subarray(at, at + DRIP_BYTES));
    at += DRIP_BYTES;
  }, DRIP_MS);
  socket.on('data', (data) => {
    if (data.toString('latin1').startsWith('HTTP/1.1 503')) counts.refused++;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => clearInterval(drip));
  return socket;
}
