/** Secrets that others can read are refused by every command that reads one; what the disk does not take is named. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FileWriteError, KeyFileError } from '../../src/base/errors.ts';
import { installation } from '../../src/apps/cli/installation.ts';
import { readPassphrase } from '../../src/apps/cli/terminal/passphrase.ts';
import { engineParts } from '../../src/apps/cli/parts.ts';
import { runCommand } from '../../src/apps/cli/run.ts';
import { AuthorityFiles } from '../../src/apps/cryptonn/authority-files.ts';
import { replaceFile, replaceFileByParts, replaceFileSync } from '../../src/apps/keystore/atomic-file.ts';
import { writingFileSync } from '../../src/apps/keystore/file-errors.ts';
import { readPrivateFile, readPrivateText } from '../../src/apps/keystore/private-file.ts';
import { RecordingTerminal } from './fake-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'subrosa-private-'));
afterAll(() => rmSync(directory, { recursive: true }));
const at = (name: string) => join(directory, name);
const bytes = (text: string) => new TextEncoder().encode(text);

function withMode(name: string, mode: number, content = 'swordfish\n'): string {
  writeFileSync(at(name), content, { mode: 0o600 });
  chmodSync(at(name), mode);
  return at(name);
}

describe.skipIf(process.platform === 'win32')('files with secrets', () => {
  test.each([0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o777])(
    'mode %o is refused, with the remedy',
    (mode) => {
      const path = withMode('loose', mode);
      expect(() => readPrivateFile(path)).toThrow(KeyFileError);
      expect(() => readPrivateFile(path)).toThrow(`chmod 600 ${path}`);
      expect(() => readPrivateFile(path)).not.toThrow('swordfish');
    },
  );

  test.each([0o600, 0o400, 0o700])('mode %o is read', (mode) => {
    expect(readPrivateText(withMode('tight', mode))).toBe('swordfish\n');
  });

  test('a pipe has nobody to keep out; what is not there is named', () => {
    const program = `import { readPrivateText } from ${JSON.stringify(join(installation.root, 'src/apps/keystore/private-file.ts'))};
      process.stdout.write(readPrivateText('/dev/stdin'));`;
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', program];
    const piped = execFileSync('sh', ['-c', 'printf through | "$@"', 'sh', ...node], { encoding: 'utf8' });
    expect(piped).toBe('through');
    expect(() => readPrivateFile(at('none'))).toThrow(`cannot read ${at('none')}: there is no such file`);
  });

  const url = 'http://127.0.0.1:1';
  const secret = () => withMode('loose', 0o644);
  test.each([
    ['edge run', () => ['--device', secret(), '--a', 'ws://localhost:1', '--b', 'ws://localhost:1', 'x']],
    ['edge renew', () => [secret()]],
    ['edge serve', () => ['--role', 'a', '--file', secret()]],
    ['authority serve', () => ['--policy', secret(), '--state', at('state')]],
    [
      'authority invite',
      () => ['--policy', secret(), '--name', 'n', '--role', 'owner', '--out', at('token')],
    ],
    ['authority verify', () => ['--state', at('state'), '--passphrase-file', secret()]],
    [
      'encrypt-data',
      () => [
        ...['--authority', url, '--token-file', secret(), '--dataset', 'd', '--data', directory],
        ...['--owner', 'o', '--label-key', at('label'), '--out', at('out')],
      ],
    ],
    ['train cryptonn', () => ['--authority', url, '--token-file', secret(), '--out', at('out'), 'batches']],
  ])('%s refuses one', async (command, flags) => {
    const terminal = new RecordingTerminal();
    const code = await runCommand([...command.split(' '), ...flags()], terminal, engineParts);
    expect({ code, out: terminal.output }).toEqual({ code: 1, out: '' });
    expect(terminal.errors).toContain('chmod 600');
  });

  test('so do the passphrase of a key file and the master keys of an authority', async () => {
    await expect(readPassphrase({ file: secret(), env: {} }, false)).rejects.toThrow('chmod 600');
    withMode('root.key', 0o644);
    await expect(AuthorityFiles.readOnly(directory, 'p').readSecrets()).rejects.toThrow('chmod 600');
  });
});

describe('a disk that does not take it', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });

  test('the error names the file, and the old one is as it was', async () => {
    const path = at('kept');
    writeFileSync(path, 'old');
    const calls = {
      open: async () => ({
        writeFile: () => Promise.reject(full),
        sync: async () => undefined,
        close: async () => undefined,
      }),
      rename: async () => undefined,
      unlink: async () => undefined,
    };
    const failed = replaceFile(path, bytes('new'), calls);
    await expect(failed).rejects.toThrow(`cannot write ${path} (ENOSPC): nothing half written is left`);
    await expect(failed).rejects.toThrow('the disk is full');
    await expect(failed).rejects.toMatchObject({ code: 'file', details: { path, system: 'ENOSPC' } });
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('an error of whoever makes the content is not blamed on the file', async () => {
    async function* parts() {
      yield bytes('a');
      throw Object.assign(new Error('the network is down'), { code: 'ECONNRESET' });
    }
    await expect(replaceFileByParts(at('parts'), parts())).rejects.toThrow(/^the network is down$/);
  });

  test('without waiting, too', () => {
    expect(() => replaceFileSync(at('none/x'), 'x')).toThrow(FileWriteError);
    const failing = () => {
      throw full;
    };
    expect(() => writingFileSync('/a/log', failing)).toThrow('cannot write /a/log (ENOSPC)');
  });

  test.skipIf(process.platform !== 'linux')('standard output on a full disk ends with one sentence', () => {
    const main = join(installation.root, 'src', 'apps', 'cli', 'main.ts');
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, 'doctor', '--json'], {
      stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'error cannot write standard output (ENOSPC): the disk is full; make room and try again\n',
    });
  });
});
