/** TLS 1.3 at every server and every client, `--ca`, and a sentence for each way in which a certificate can be wrong. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { tlsOptions, trustedCertificates } from '../../src/apps/cli/tls-files.ts';
import { listenEdge } from '../../src/apps/edge/edge-server.ts';
import { connectEdge } from '../../src/apps/edge/websocket-link.ts';
import { listen } from '../../src/apps/server/index.ts';
import { HttpTransport } from '../../src/apps/transport/http.ts';
import type { EdgeService } from '../../src/protocols/edge/edge-service.ts';
import { RemoteModel } from '../../src/apps/transport/remote-model.ts';
import { FakeInference, fakeEnrolment, fakeQuery, KEY_BYTES, QUERY_BYTES } from './fake-inference.ts';
import { tapped } from './tapped-link.ts';
import { Canaries } from './web/canary.ts';
import { RecordingTerminal } from './fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-tls-'));
afterAll(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

/** False where there is no openssl. Keys live as long as the test. */
function make(): boolean {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const sign = (name: string, subject: string) => {
    openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', '/CN=x');
    writeFileSync(at(`${name}.ext`), `subjectAltName=${subject}\n`);
    const from = ['-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
    openssl('x509', '-req', ...from, '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`);
  };
  try {
    openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=authority');
    sign('good', 'IP:127.0.0.1,DNS:localhost');
    sign('elsewhere', 'DNS:elsewhere.example');
    const alone = ['-subj', '/CN=alone', '-addext', 'subjectAltName=IP:127.0.0.1'];
    openssl('req', '-x509', ...newKey, '-keyout', 'alone.key', '-out', 'alone.pem', ...alone);
    openssl('pkey', '-in', 'good.key', '-aes256', '-passout', 'pass:x', '-out', 'locked.key');
    return true;
  } catch {
    return false;
  }
}
const hasOpenssl = make();
const pair = (name: string) => ({
  cert: readFileSync(at(`${name}.pem`)),
  key: readFileSync(at(`${name}.key`)),
});

describe.skipIf(!hasOpenssl)('clients (needs openssl)', () => {
  const client = (url: string, ca?: Uint8Array) =>
    new HttpTransport(url, { token: randomBytes(32), retries: 3, ...(ca !== undefined && { ca }) });
  async function serving(name: string): Promise<string> {
    const server = await listen(new FakeInference(['digits']), { tls: pair(name) });
    open.push(server);
    return server.url;
  }

  test('--ca makes a private authority and a self-signed certificate good, and only those', async () => {
    const ca = trustedCertificates({ ca: at('ca.pem') });
    expect(await client(await serving('good'), ca.ca).models()).toHaveLength(1);
    const alone = await serving('alone');
    expect(await client(alone, pair('alone').cert).models()).toHaveLength(1);
    await expect(client(alone, ca.ca).models()).rejects.toThrow(/signed by itself.*--ca FILE/);
  });

  test.each([
    [
      'alone',
      false,
      /certificate of 127.0.0.1:\d+ is signed by itself or by an authority of one's own.*--ca FILE/,
    ],
    ['good', false, /signed by nobody that this machine trusts.*--ca FILE/],
    ['elsewhere', true, /certificate is for other names than 127.0.0.1/],
  ])('%s, trusting %s: its own sentence, at once', async (name, trusts, sentence) => {
    const waits: number[] = [];
    const url = await serving(name as string);
    const ca = trusts === true ? { ca: pair('ca').cert } : {};
    const onRetry = (_reason: string, ms: number) => waits.push(ms);
    const asked = new HttpTransport(url, { token: randomBytes(32), ...ca, onRetry }).models();
    await expect(asked).rejects.toThrow(sentence as RegExp);
    await expect(asked).rejects.toMatchObject({ code: 'transport', details: { retryable: false } });
    expect(waits).toEqual([]);
    const link = { maxMessageBytes: 1000, ...ca };
    const edge = connectEdge(url.replace('https:', 'wss:'), link);
    await expect(edge).rejects.toThrow(sentence as RegExp);
  });

  test('a tapped link shows neither the token nor what is sent; without TLS it shows both', async () => {
    const ask = async (isTls: boolean) => {
      const server = await listen(new FakeInference(['digits']), isTls ? { tls: pair('good') } : {});
      const tap = await tapped(server.url);
      open.push(server, tap);
      const token = randomBytes(32);
      const ca = pair('ca').cert;
      const transport = new HttpTransport(tap.url, { token, retries: 0, ...(isTls && { ca }) });
      const [keys, query] = [fakeEnrolment(1), fakeQuery(2)];
      // Bytes that stand for what a client would never want seen.
      const [inKeys, inQuery] = [randomBytes(64), randomBytes(64)];
      keys.set(inKeys, 100);
      query.set(inQuery, 100);
      const { bytes } = await new RemoteModel(transport, 'digits', () => keys).ask(query);
      const canaries = new Canaries();
      for (const secret of [token, inKeys, inQuery, bytes.slice(100, 164)]) canaries.addBytes(secret);
      const wire = tap.captured();
      // base64url differs from base64 in two letters, so the header is looked for as it is.
      const header = wire.includes(token.toString('base64url')) || wire.includes('authorization');
      return {
        found: canaries.foundIn(wire),
        header,
        path: wire.includes('/v1/models'),
        length: wire.length,
      };
    };
    const hidden = await ask(true);
    expect(hidden).toMatchObject({ found: false, header: false, path: false });
    expect(hidden.length).toBeGreaterThan(KEY_BYTES + 2 * QUERY_BYTES);
    expect(await ask(false)).toMatchObject({ found: true, header: true, path: true });
  });

  test('nothing older than TLS 1.3, on either side', async () => {
    const old = createServer({ ...pair('good'), maxVersion: 'TLSv1.2' }, (_request, response) =>
      response.end('{}'),
    );
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    open.push(old);
    const { port } = old.address() as AddressInfo;
    const ca = pair('ca').cert;
    await expect(client(`https://127.0.0.1:${port}`, ca).models()).rejects.toThrow(/no TLS 1.3/);
    const link = { maxMessageBytes: 1000, ca };
    await expect(connectEdge(`wss://127.0.0.1:${port}`, link)).rejects.toThrow(/no TLS 1.3/);

    const unused = () => Promise.reject(new Error('no device gets this far'));
    const service = { maxMessageBytes: 1000, accept: unused, enter: unused } as unknown as EdgeService;
    const edge = await listenEdge(service, { tls: pair('good') });
    open.push(edge);
    for (const url of [await serving('good'), edge.url]) {
      const version = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
        new Promise((resolve) => {
          const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), ca, maxVersion });
          socket.once('secureConnect', () => resolve(socket.getProtocol()));
          socket.once('error', ({ message }) => resolve(message));
          socket.unref();
        });
      expect(await version('TLSv1.3')).toBe('TLSv1.3');
      expect(await version('TLSv1.2')).toMatch(/alert protocol version/);
    }
  });

  test('a server without TLS behind an https address', async () => {
    const server = await listen(new FakeInference());
    open.push(server);
    await expect(client(server.url.replace('http:', 'https:')).models()).rejects.toThrow(
      /speaks no TLS at this port/,
    );
  });

  test('every client command takes --ca, and says what is wrong with the file', async () => {
    const url = 'https://127.0.0.1:1';
    writeFileSync(at('token'), `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
    const commands = [
      ['transcribe', '--server', url, '--no-key-file', 'x.wav'],
      [
        'encrypt-data',
        '--authority',
        url,
        '--token-file',
        at('token'),
        '--dataset',
        'd',
        '--data',
        directory,
      ].concat(['--owner', 'o', '--label-key', at('label'), '--out', at('out')]),
      ['train', 'cryptonn', '--authority', url, '--token-file', at('token'), '--out', at('out'), 'batches'],
    ];
    for (const command of commands) {
      const terminal = new RecordingTerminal();
      const code = await runCommand([...command, '--ca', at('good.key')], terminal, engineParts);
      expect([command[0], code]).toEqual([command[0], 2]);
      expect(terminal.errors).toMatch(/--ca .*good.key holds a private key, no certificate/);
    }
  });
});

describe.skipIf(!hasOpenssl)('what a server is started with (needs openssl)', () => {
  const files = (cert: string, key: string) => () => tlsOptions({ tlsCert: at(cert), tlsKey: at(key) });

  test('a pair that belongs together', () => {
    expect(files('good.pem', 'good.key')().tls).toEqual(pair('good'));
    expect(tlsOptions({})).toEqual({});
  });

  test.each([
    ['good.key', 'good.pem', /the two files are exchanged/],
    ['good.pem', 'alone.key', /the key in .*alone.key is not that of the first certificate in .*good.pem/],
    ['good.pem', 'locked.key', /locked.key is encrypted.*openssl pkey/],
    ['good.pem', 'ca.pem', /--tls-key .*ca.pem holds a certificate, no private key/],
    ['good.key', 'good.key', /--tls-cert .*good.key holds a private key, no certificate/],
    ['good.pem', 'good.ext', /good.ext holds no private key in PEM/],
    ['none.pem', 'good.key', /cannot read --tls-cert .*none.pem: there is no such file/],
  ])('%s with %s', (cert, key, sentence) => {
    expect(files(cert, key)).toThrow(sentence);
    expect(files(cert, key)).not.toThrow(/BEGIN/);
  });

  test('a damaged one', () => {
    copyFileSync(at('good.pem'), at('cut.pem'));
    writeFileSync(
      at('cut.pem'),
      readFileSync(at('good.pem'), 'utf8').replace(/\n[A-Za-z0-9+/=]{20,}/, '\nAAAA'),
    );
    expect(files('cut.pem', 'good.key')).toThrow(/certificate in --tls-cert .*cut.pem is damaged/);
  });

  test('serve prints it and exits with 2', async () => {
    const terminal = new RecordingTerminal();
    const flags = ['--tls-cert', at('good.pem'), '--tls-key', at('locked.key')];
    expect(await runCommand(['serve', 'digits', ...flags], terminal, engineParts)).toBe(2);
    expect(terminal.errors).toContain('locked.key is encrypted');
  });
});
