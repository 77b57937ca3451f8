/** The device in a browser: the modules as they are, types removed, in a headless Chromium; both edges are servers of this process. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';
import { expect, test } from 'vitest';
import { installation } from '../../../src/apps/cli/installation.ts';
import { listenEdge } from '../../../src/apps/edge/edge-server.ts';
import { provision, readEdge } from '../../../src/apps/edge/provisioning.ts';
import { openKernel } from '../../../src/kernel/open.ts';
import { SeededGenerator } from '../../../src/nn/tensor/generator.ts';
import { evaluateIntegerNetwork } from '../../../src/nn/integer/integer-evaluate.ts';
import { EdgeService } from '../../../src/protocols/edge/edge-service.ts';
import { mixedNetwork, plainApply, randomInt8 } from '../../protocols/edge/edge-pair.ts';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);

const PAGE = `<!doctype html><script type="importmap">
{ "imports": { "@noble/hashes/": "/node_modules/@noble/hashes/", "@noble/curves/": "/node_modules/@noble/curves/" } }
</script><script type="module">
import { connectEdgeInBrowser, EdgeDevice, readDevice, RequestCounter } from '/src/apps/edge/browser.ts';
globalThis.runDevice = async (urls, input) => {
  const file = new Uint8Array(await (await fetch('/device.bin')).arrayBuffer());
  const identity = await readDevice(file);
  const storage = {
    load: async () => Number(localStorage.getItem('request') ?? 0),
    save: async (next) => localStorage.setItem('request', String(next)),
  };
  const counter = await RequestCounter.open(storage);
  const [a, b] = await Promise.all(urls.map((url) => connectEdgeInBrowser(url)));
  const device = await EdgeDevice.connect(a, b, { ...identity, counter });
  const outputs = [];
  for (let request = 0; request < 2; request++) outputs.push([...(await device.infer(Int32Array.from(input))).outputs]);
  device.close();
  return outputs;
};
</script>`;

/** Serves the page, the sources without their types, two libraries and the device's file. */
function pageServer(deviceFile: Uint8Array) {
  return createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const send = (type: string, body: string | Uint8Array) =>
      response.writeHead(200, { 'content-type': type }).end(body);
    if (path === '/') return send('text/html', PAGE);
    if (path === '/device.bin') return send('application/octet-stream', deviceFile);
    const file = join(installation.root, path);
    if (!/^\/(src|node_modules\/@noble)\//.test(path) || !existsSync(file))
      return response.writeHead(404).end();
    const text = readFileSync(file, 'utf8');
    if (!path.endsWith('.ts')) return send('text/javascript', text);
    const options = { target: ScriptTarget.ES2022, module: ModuleKind.ESNext, verbatimModuleSyntax: true };
    return send('text/javascript', transpileModule(text, { compilerOptions: options }).outputText);
  });
}

test.skipIf(executablePath === undefined)(
  'a page computes what clear inference computes (needs Chromium)',
  async () => {
    using kernel = await openKernel();
    const network = mixedNetwork(6);
    const operators = { a: 'operator one', b: 'operator two' };
    const parts = await provision(network, { operators, devices: 1, kernel });
    const serve = async (file: Uint8Array) =>
      await listenEdge(new EdgeService({ ...(await readEdge(file)), apply: plainApply }));
    const [a, b] = [await serve(parts.edgeA), await serve(parts.edgeB)];
    const server = pageServer(parts.devices[0]!);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const input = [...randomInt8(new SeededGenerator(9), network.inputs)];
    let browser: Browser | undefined;
    try {
      browser = await chromium.launch({
        executablePath: executablePath!,
        args: ['--no-sandbox'],
        timeout: 120_000,
      });
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      page.on('requestfailed', (request) => errors.push(request.url()));
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.waitForFunction('globalThis.runDevice !== undefined', undefined, { timeout: 60_000 });
      const outputs = await page.evaluate(
        `runDevice(${JSON.stringify([a.url, b.url])}, ${JSON.stringify(input)})`,
      );
      const clear = [...evaluateIntegerNetwork(network, Int32Array.from(input), plainApply)];
      expect(outputs).toEqual([clear, clear]);
      expect(new Set(clear).size).toBeGreaterThan(1);
      expect(errors).toEqual([]);
    } finally {
      await browser?.close();
      server.close();
      await Promise.all([a.close(), b.close()]);
    }
  },
  240_000,
);
