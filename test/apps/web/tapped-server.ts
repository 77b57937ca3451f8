/** `subrosa web` in this process behind a tap that keeps every byte of the wire, and the Chromium that the page tests drive. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { installation } from '../../../src/apps/cli/installation.ts';
import { engineParts } from '../../../src/apps/cli/parts.ts';
import { wakeWord } from '../../../src/apps/cli/wake-word.ts';
import { pictureProgram } from '../../../src/apps/cli/web.ts';
import { shippedRecordings } from '../../../src/apps/cli/speech/recordings.ts';
import { listenApp } from '../../../src/apps/server/index.ts';
import { buildWebApp, EdgePair, TrainingDesk } from '../../../src/apps/web/index.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { IntegerNetwork } from '../../../src/nn/index.ts';

export const chromiumAt = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
export const needsChromium = chromiumAt === undefined ? 'there is no Chromium' : '';

export interface TappedServer extends AsyncDisposable {
  /** Through the tap. */
  readonly url: string;
  /** Everything that went to the server, and everything that came from it, since the last call. */
  taken(): { readonly up: Buffer; readonly down: Buffer };
}

/** Builds the pages when they are stale, and serves them with both models and further texts by path. */
export async function tappedWebServer(texts: ReadonlyMap<string, string> = new Map()): Promise<TappedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'subrosa-web-'));
  const written = [...texts].map(([path, text]): [string, string] => {
    const file = join(folder, basename(path));
    writeFileSync(file, text);
    return [path, file];
  });
  execFileSync(process.execPath, [join(installation.root, 'scripts', 'build-web.mjs')]);
  const { models } = installation;
  const integers = readFileSync(join(models, 'mnist', 'lenet5-int8.bin'));
  const kernel = await openKernel();
  const listening = wakeWord(models);
  const service = await engineParts.startService([
    ...(listening.program === undefined ? [] : [{ program: listening.program }]),
    { program: pictureProgram(join(models, 'mnist')) },
    { name: 'digits', network: await engineParts.loadNetwork(join(models, 'digits')) },
  ]);
  const app = await buildWebApp(service, {
    pages: join(installation.root, 'build', 'web'),
    files: new Map([
      ['/models/digits/client.bin', join(models, 'digits', 'client.bin')],
      ...listening.files,
      ...written,
    ]),
    wakeWord: listening.offer,
    recordings: shippedRecordings(['digits']),
    showsLog: true,
    training: new TrainingDesk(kernel),
    edges: (witness) => EdgePair.open({ kernel, witness, network: IntegerNetwork.fromBytes(integers) }),
  });
  const server = await listenApp(app, {});
  const target = Number(new URL(server.url).port);
  const [up, down]: [Buffer[], Buffer[]] = [[], []];
  const tap = createServer((socket) => {
    const onwards = connectTcp(target, '127.0.0.1');
    socket.on('data', (bytes) => up.push(bytes));
    onwards.on('data', (bytes) => down.push(bytes));
    socket.pipe(onwards).pipe(socket);
    for (const each of [socket, onwards]) each.on('error', () => each.destroy());
  });
  await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(tap.address() as AddressInfo).port}`,
    taken: () => ({ up: Buffer.concat(up.splice(0)), down: Buffer.concat(down.splice(0)) }),
    [Symbol.asyncDispose]: async () => {
      tap.close();
      await server.close();
      await service[Symbol.asyncDispose]();
      kernel[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
