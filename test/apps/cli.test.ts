import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installation } from '../../src/apps/cli/installation.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { displayWidth } from '../../src/apps/cli/terminal/table.ts';
import type { Terminal } from '../../src/apps/cli/terminal/terminal.ts';
import { listen, type RunningServer } from '../../src/apps/server/index.ts';
import { writeWav } from '../../src/speech/index.ts';
import { FakeEngine, RecordingTerminal } from './fake-engine.ts';
import { FakeInference } from './fake-inference.ts';

let directory = '';
let engine = new FakeEngine();
let server: RunningServer | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'subrosa-cli-'));
  engine = new FakeEngine();
});
afterEach(async () => {
  rmSync(directory, { recursive: true });
  await server?.close();
  server = undefined;
});

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}, input?: Terminal['input']) {
  const terminal = new RecordingTerminal({ SUBROSA_HOME: directory, ...env }, input);
  const code = await runCommand(args, terminal, engine);
  return { code, out: terminal.output, err: terminal.errors };
}

async function serving(service = new FakeInference(['digits'])): Promise<string> {
  server = await listen(service);
  return server.url;
}

function wav(name: string, seconds: number, rate = 8000): string {
  const path = join(directory, name);
  const samples = new Float32Array(Math.round(seconds * rate));
  for (let i = 0; i < samples.length; i++) samples[i] = (i % 40) / 80 - 0.25;
  writeFileSync(path, writeWav({ samples, rate }));
  return path;
}

const SHORT = ['--retries', '0', '--no-key-file'];

describe('usage', () => {
  test('a training on encrypted data replaces no file unless asked, but goes on from its checkpoint', async () => {
    const [out, other] = [join(directory, 'model.srnn'), join(directory, 'curve.svg')];
    // Without a token file the command goes no further than this.
    const train = ['train', 'cryptonn', '--authority', 'http://127.0.0.1:9', '--token-file', `${out}.token`];
    const refusal = /is there already: choose another file, or replace it with --force/;
    const at = async (...more: string[]) => run([...train, '--out', ...more, 'batches']);
    writeFileSync(other, 'a picture');
    for (const more of [[other], [out, '--curve', other], [out, '--transcript', other]]) {
      const { code, err } = await at(...more);
      expect(code).toBe(2);
      expect(err).toMatch(refusal);
      expect((await at(...more, '--force')).err).not.toMatch(refusal);
      writeFileSync(`${more[0]}.checkpoint`, '');
      expect((await at(...more)).err).not.toMatch(refusal);
      rmSync(`${more[0]}.checkpoint`);
    }
    expect(readFileSync(other, 'utf8')).toBe('a picture');
  });

  test('exit codes: 0 for help and version, 2 for what makes no sense', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, out: `${installation.version}\n` });
    expect((await run(['--help'])).code).toBe(0);
    for (const args of [
      [],
      ['nonsense'],
      ['demo', '--task', 'songs'],
      ['demo', '--nonsense'],
      ['demo', '--mode', 'edge', '--nonsense'],
      ['demo', '--mode', 'edge', '--task', 'digits'],
      ['demo', '--mode', 'edge', '--wav', 'a.wav'],
      ['demo', '--mode', 'cryptonn', '--models', 'x'],
      ['demo', '--mode', 'speech', '--data', 'x'],
      ['demo', 'digits'],
      ['edge', 'demo', '--nonsense'],
      ['serve', 'digits', '--cors-origin', '*'],
      ['serve', 'digits', '--principal', 'somebody'],
      ['serve', 'digits', '--budget-file', 'x'],
      ['transcribe'],
      ['serve'],
      ['serve', 'digits', '--port', 'x'],
      ['joint', 'invite', '--data', 'x', '--label', 'y', '--rows', '41', '--out', 'z'],
    ]) {
      const { code, out } = await run(args);
      expect([args, code, out]).toEqual([args, 2, '']);
    }
  });

  test('help says who learns what, on every command that talks to someone', async () => {
    for (const command of ['demo', 'serve', 'transcribe', 'inspect', 'doctor', 'fhe', 'joint']) {
      const { code, out } = await run([command, '--help']);
      expect([command, code]).toEqual([command, 0]);
      expect(out).toMatch(/Who learns what/);
    }
  });

  test('errors are one line without a stack, unless asked for', async () => {
    const { code, out, err } = await run(['serve', 'songs']);
    expect({ code, out, lines: err.trim().split('\n').length }).toEqual({ code: 1, out: '', lines: 1 });
    expect(err).toMatch(/^error .*songs holds no model/);
    expect((await run(['serve', 'songs'], { SUBROSA_DEBUG: '1' })).err).toMatch(/\n\s+at /);
  });
});

describe('doctor', () => {
  test('reports and tests the kernel', async () => {
    const { code, out } = await run(['doctor', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      selfTest: 'passed',
      kernel: { name: 'reference' },
      keyDirectory: join(directory, 'keys'),
    });
    expect((await run(['doctor'])).out).toMatch(/self-test\s+equal to the reference/);
  });

  test('a kernel that computes wrongly is found out', async () => {
    const honest = engine.openKernel.bind(engine);
    engine.openKernel = async () => {
      const kernel = await honest();
      const mul = kernel.mul.bind(kernel);
      kernel.mul = (ring, out, a, b, mods) => {
        mul(ring, out, a, b, mods);
        out.u64()[3] = (out.u64()[3] as bigint) ^ 1n;
      };
      return kernel;
    };
    const { code, err } = await run(['doctor']);
    expect(code).toBe(1);
    expect(err).toMatch(/self-test failed: mul/);
  });
});

describe('transcribe', () => {
  test('a file whose exchange fails does not take the others along', async () => {
    const service = new FakeInference(['digits']);
    const answer = service.answer.bind(service);
    let asked = 0;
    service.answer = async (...query) => {
      service.delayMs = ++asked === 2 ? 30_000 : 0;
      return answer(...query);
    };
    const url = await serving(service);
    const files = ['a.wav', 'b.wav', 'c.wav'].map((name, i) => wav(name, i + 1));
    const ask = ['transcribe', '--server', url, ...SHORT, '--timeout', '1'];
    const { code, out, err } = await run([...ask, ...files]);
    expect(code).toBe(1);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => line.split(':')[0]),
    ).toEqual([files[0], files[2]]);
    expect(err).toMatch(/error .*b\.wav: no full answer .* within 1 s \(--timeout\)\n/);
    const missing = await run([...ask.slice(0, -2), join(directory, 'none.wav'), ...files.slice(0, 1)]);
    expect(missing).toMatchObject({
      code: 1,
      out: expect.stringContaining('a.wav'),
      err: expect.stringContaining('none.wav'),
    });
  }, 60_000);

  test('words on standard output, nothing else', async () => {
    const url = await serving();
    const { code, out, err } = await run([
      'transcribe',
      '--server',
      url,
      ...SHORT,
      wav('a.wav', 1),
      wav('b.wav', 2),
    ]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out.split('\n').map((line) => line.split(': ')[1])).toEqual(['F100', 'F200', undefined]);
  });

  test('--json and --table', async () => {
    const url = await serving();
    const json = await run(['transcribe', '--server', url, ...SHORT, '--json', wav('a.wav', 1)]);
    const { files, model } = JSON.parse(json.out);
    expect(model).toBe('digits');
    expect(files[0]).toMatchObject({ text: 'F100', frames: 100, audioSeconds: 1, pieces: 1 });
    expect(Object.keys(files[0])).not.toContain('scores');
    const table = await run(['transcribe', '--server', url, ...SHORT, '--table', wav('a.wav', 1)]);
    for (const phase of [
      'features',
      'encrypt',
      'upload',
      'expand',
      'linear 0',
      'download',
      'decrypt',
      'decode',
      'total',
    ]) {
      expect(table.out).toContain(phase);
    }
  });

  test('one bad file gives its error and the rest go on', async () => {
    const url = await serving();
    const bad = join(directory, 'bad.wav');
    writeFileSync(bad, 'not audio at all');
    const files = [wav('a.wav', 1), bad, join(directory, 'absent.wav'), wav('b.wav', 2)];
    const { code, out, err } = await run(['transcribe', '--server', url, ...SHORT, ...files]);
    expect(code).toBe(1);
    expect(out).toMatch(/F100\n.*F200\n/s);
    expect(err).toMatch(/bad\.wav: not a WAV file/);
    expect(err).toMatch(/absent\.wav: no such file/);
  });

  test('silence is refused; audio cut short is recognised as far as it goes, with a warning', async () => {
    const url = await serving();
    const silent = join(directory, 'silent.wav');
    writeFileSync(silent, writeWav({ samples: new Float32Array(8000), rate: 8000 }));
    const cut = join(directory, 'cut.wav');
    writeFileSync(cut, readFileSync(wav('a.wav', 1)).subarray(0, 8044));
    const { code, out, err } = await run(['transcribe', '--server', url, ...SHORT, silent, cut]);
    expect(code).toBe(1);
    expect(err).toMatch(/silent\.wav: .*nothing but zeros/);
    expect(err).toMatch(/warning .*cut\.wav: the file is cut short: .* 16000 bytes of audio, 8000 are there/);
    expect(out).toMatch(/cut\.wav: F50\n/);
    const json = await run(['transcribe', '--server', url, ...SHORT, '--json', cut]);
    expect(json.err).toMatch(/cut short/);
    const warned = { file: cut, text: 'F50', audioWarnings: [expect.stringMatching(/cut short/)] };
    expect(JSON.parse(json.out).files).toMatchObject([warned]);
  });

  test('standard input is -, once, and not a terminal', async () => {
    const url = await serving();
    const args = ['transcribe', '--server', url, ...SHORT];
    const recording = readFileSync(wav('a.wav', 1));
    // As a pipe gives it: in parts, and from a program that did not know the length.
    const piped = Buffer.concat([recording.subarray(0, 40), Buffer.alloc(4, 0xff), recording.subarray(44)]);
    const parts = [piped.subarray(0, 10), piped.subarray(10, 5000), piped.subarray(5000)];
    const { code, out, err } = await run([...args, '-'], {}, Readable.from(parts));
    expect(out).toMatch(/-: F100\n/);
    expect(err).toMatch(/warning -: the header does not say how long the audio is/);
    expect(code).toBe(0);
    expect(await run([...args, '-', '-'], {}, Readable.from(parts))).toMatchObject({ code: 2, out: '' });
    const typed = await run([...args, '-'], {}, Object.assign(Readable.from([]), { isTTY: true }));
    expect(typed.err).toMatch(/that is a terminal: pipe a recording into it/);
    expect((await run([...args, '-'], {}, Readable.from([]))).err).toMatch(/-: the file is empty/);
    const endless = Array(1025).fill(Buffer.alloc(2 ** 20));
    expect((await run([...args, '-'], {}, Readable.from(endless))).err).toMatch(/bytes of a recording/);
  });

  test('audio that is not read here comes with the command that converts it', async () => {
    const url = await serving();
    const named = (name: string): string => {
      const path = join(directory, name);
      writeFileSync(path, Buffer.from('FORM\0\0\x10\0AIFFCOMM', 'latin1'));
      return path;
    };
    const files = [named('a.aiff'), named("mother's voice.wav")];
    const { code, err } = await run(['transcribe', '--server', url, ...SHORT, ...files]);
    expect(code).toBe(1);
    expect(err).toContain(
      `this is AIFF, which is not read here. To convert it: ffmpeg -i ${files[0]} -ar 16000 -ac 1 ${directory}/a.wav\n`,
    );
    const quoted = `'${directory}/mother'\\''s voice`;
    expect(err).toContain(`ffmpeg -i ${quoted}.wav' -ar 16000 -ac 1 ${quoted}-16k.wav'\n`);
  });

  test('a long recording goes in pieces, over two hours is refused by name of the limit', async () => {
    const service = new FakeInference(['digits']);
    const url = await serving(service);
    const { out, err } = await run(['transcribe', '--server', url, ...SHORT, wav('long.wav', 20)]);
    const frames = [...out.matchAll(/F(\d+)/g)].map((match) => Number(match[1]));
    expect(service.answered).toBe(frames.length);
    expect(frames.length).toBeGreaterThan(8);
    expect(err).toMatch(/pieces/);
    const hours = await run(['transcribe', '--server', url, ...SHORT, wav('hours.wav', 7201, 1000)]);
    expect(hours).toMatchObject({ code: 1, out: '' });
    expect(hours.err).toMatch(/7200|two hours/);
  });

  test('everything is sent before anything is opened', async () => {
    const url = await serving();
    const events: string[] = [];
    const create = engine.createClient.bind(engine);
    engine.createClient = async (offer) => {
      const client = await create(offer);
      const open = client.open;
      return {
        ...client,
        query: (inputs, samples) => {
          events.push('query');
          return client.query(inputs, samples);
        },
        open: (query, reply) => {
          events.push('open');
          return open(query, reply);
        },
      };
    };
    await run(['transcribe', '--server', url, ...SHORT, wav('a.wav', 5), wav('b.wav', 1)]);
    expect(events.lastIndexOf('query')).toBeLessThan(events.indexOf('open'));
  });

  test('a reply that does not open is a local error; the server is not asked again', async () => {
    const service = new FakeInference(['digits']);
    const answer = service.answer.bind(service);
    service.answer = async (...args) => ({ ...(await answer(...args)), bytes: new Uint8Array(10) });
    const url = await serving(service);
    const { code, err } = await run(['transcribe', '--server', url, ...SHORT, wav('a.wav', 1)]);
    expect([code, service.answered]).toEqual([1, 1]);
    expect(err).toMatch(/a reply: bad magic/);
  });

  test('an absent server, a wrong address, a model that is not offered', async () => {
    const url = await serving(new FakeInference(['digits', 'sentences']));
    const file = wav('a.wav', 1);
    const ask = (...args: string[]) => run(['transcribe', ...SHORT, ...args, file]);
    expect(await ask('--server', url)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/choose one with --model/),
    });
    expect(await ask('--server', url, '--model', 'songs')).toMatchObject({ code: 2 });
    expect(await ask('--server', url, '--model', 'digits')).toMatchObject({ code: 0 });
    expect(await ask('--server', 'localhost:1')).toMatchObject({ code: 2 });
    expect(await ask('--server', 'http://192.0.2.1:80')).toMatchObject({
      code: 2,
      err: expect.stringMatching(/use https/),
    });
    await server?.close();
    expect(await ask('--server', url)).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is the server running/),
    });
  });
});

describe('the key file', () => {
  const passphrase = { SUBROSA_PASSPHRASE: 'correct horse' };

  test('keys are made once; the second run uploads nothing; a restarted server gets them again', async () => {
    const service = new FakeInference(['digits']);
    let uploads = 0;
    const enrol = service.enrol.bind(service);
    service.enrol = (...args) => {
      uploads++;
      return enrol(...args);
    };
    const url = await serving(service);
    const file = wav('a.wav', 1);
    const again = (env: NodeJS.ProcessEnv) =>
      run(['transcribe', '--server', url, '--retries', '0', file], env);
    expect(await again(passphrase)).toMatchObject({ code: 0, err: '' });
    expect(await again(passphrase)).toMatchObject({ code: 0, err: '' });
    expect([uploads, engine.created, engine.restored]).toEqual([1, 1, 1]);
    service.loseKeys();
    expect(await again(passphrase)).toMatchObject({ code: 0 });
    expect(uploads).toBe(2);
    const wrong = await again({ SUBROSA_PASSPHRASE: 'wrong horse' });
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.err).toMatch(/passphrase is wrong/);
  }, 30_000);

  test('after 32 replies that did not open, the keys are not used any more', async () => {
    const service = new FakeInference(['digits']);
    const answer = service.answer.bind(service);
    service.answer = async (...args) => ({ ...(await answer(...args)), bytes: new Uint8Array(10) });
    const url = await serving(service);
    const files = Array.from({ length: 32 }, () => wav('a.wav', 1));
    expect(await run(['transcribe', '--server', url, ...files], passphrase)).toMatchObject({ code: 1 });
    const { code, err } = await run(['transcribe', '--server', url, ...files], passphrase);
    expect(code).toBe(1);
    expect(err).toMatch(/32 replies did not open .* remove the file/);
    expect(service.answered).toBe(32);
  }, 30_000);

  test('no passphrase, a short one, and one from a file', async () => {
    const url = await serving();
    const ask = (args: string[], env: NodeJS.ProcessEnv = {}) =>
      run(['transcribe', '--server', url, '--retries', '0', ...args, wav('a.wav', 1)], env);
    expect(await ask([])).toMatchObject({ code: 2, err: expect.stringMatching(/--passphrase-file/) });
    expect(await ask([], { SUBROSA_PASSPHRASE: 'short' })).toMatchObject({ code: 2 });
    const file = join(directory, 'passphrase');
    writeFileSync(file, 'correct horse\n', { mode: 0o600 });
    expect(await ask(['--passphrase-file', file])).toMatchObject({ code: 0 });
    expect(readdirSync(join(directory, 'keys'))).toHaveLength(1);
  });

  test('a disk that cannot hold the keys: nothing was sent', async () => {
    const service = new FakeInference(['digits']);
    const url = await serving(service);
    const home = join(directory, 'file-in-the-way');
    writeFileSync(home, '');
    const result = await run(['transcribe', '--server', url, wav('a.wav', 1)], {
      ...passphrase,
      SUBROSA_HOME: home,
    });
    expect(result).toMatchObject({ code: 1, out: '' });
    expect(result.err).toMatch(/cannot (write|look)/);
    expect(service.keys.size).toBe(0);
  });
});

describe('demo', () => {
  const models = () => {
    for (const task of ['digits', 'sentences'])
      mkdirSync(join(directory, 'models', task), { recursive: true });
    return ['--models', join(directory, 'models')];
  };

  test('three kinds of transcripts, a table per recording, two sentences; at most 100 columns, aligned', async () => {
    const { code, out } = await run(['demo', ...models()]);
    expect(code).toBe(0);
    const lines = out.split('\n');
    expect(lines.filter((line) => /^ {2}encrypted +F\d+/.test(line))).toHaveLength(6);
    expect(lines.filter((line) => /^ {2}clear polynomial +F\d+/.test(line))).toHaveLength(6);
    expect(lines.filter((line) => /^ {2}clear float +F\d+/.test(line))).toHaveLength(6);
    expect(lines.filter((line) => /real time/.test(line))).toHaveLength(6);
    expect(out).toContain('6 of 6 encrypted transcripts equal those of the same network in the clear.');
    expect(out).toMatch(/The server learned that .*\nIt did not learn .*/s);
    const table = lines.filter(
      (line) => /^ {2}(client|network|server) +[a-z]/.test(line) && !line.includes('http'),
    );
    expect(
      new Set(table.slice(0, 9).map((line) => /^ {2}\w+ +\w+( \d)? +[\d.,]+/.exec(line)?.[0].length)).size,
    ).toBe(1);
    expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(100);
  });

  test('--task, --wav and --json', async () => {
    const { out } = await run(['demo', '--task', 'digits', '--json']);
    const { recordings } = JSON.parse(out);
    expect(recordings).toHaveLength(3);
    expect(recordings[0]).toMatchObject({
      task: 'digits',
      transcripts: { spoken: 'THREE ONE FOUR ONE FIVE' },
    });
    const own = await run(['demo', '--wav', wav('mine.wav', 1), '--json']);
    expect(JSON.parse(own.out).recordings[0]).toMatchObject({ name: 'mine.wav', task: 'sentences' });
    expect(await run(['demo', '--wav', join(directory, 'no.wav')])).toMatchObject({ code: 1, out: '' });
    expect(await run(['demo', '--models', directory])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/holds none/),
    });
  });
});
