/** The passphrase of the key file: from a file, from the environment, or typed without echo. */
import { UsageError } from '../../../base/errors.ts';
import { readPrivateText } from '../../keystore/private-file.ts';
import type { Terminal } from './terminal.ts';

const MIN_NEW_LENGTH = 8;

export interface PassphraseSource {
  readonly file?: string;
  readonly env: NodeJS.ProcessEnv;
  /** Asks on the terminal; absent where there is none. */
  readonly ask?: (question: string) => Promise<string>;
}

/**
 * `isNew` when keys are about to be made: then a typed passphrase is asked twice, and a short one refused.
 * @throws {UsageError} when there is no source, the passphrase is empty or too short, or the two do not match.
 *   {@link KeyFileError} when others can read the file.
 */
export async function readPassphrase(source: PassphraseSource, isNew: boolean): Promise<string> {
  const passphrase = await fromSource(source, isNew);
  const needed = isNew ? MIN_NEW_LENGTH : 1;
  if ([...passphrase].length < needed) {
    throw new UsageError(`the passphrase of the key file needs at least ${needed} characters`);
  }
  return passphrase;
}

async function fromSource({ file, env, ask }: PassphraseSource, isNew: boolean): Promise<string> {
  if (file !== undefined) return readPrivateText(file).replace(/\r?\n$/, '');
  if (env.SUBROSA_PASSPHRASE !== undefined) return env.SUBROSA_PASSPHRASE;
  if (ask === undefined) {
    throw new UsageError(
      'the key file needs a passphrase: --passphrase-file FILE, SUBROSA_PASSPHRASE, or a terminal to type it on',
    );
  }
  if (!isNew) return ask('Passphrase of the key file: ');
  const first = await ask('New passphrase for the key file: ');
  if (first !== (await ask('Once more: '))) throw new UsageError('the two passphrases differ');
  return first;
}

/** The passphrase that a command needs; see {@link readPassphrase}. */
export function passphraseFor(file: string | undefined, terminal: Terminal, isNew: boolean): Promise<string> {
  const ask = terminalPrompt(terminal);
  const source = {
    env: terminal.env,
    ...(file !== undefined && { file }),
    ...(ask !== undefined && { ask }),
  };
  return readPassphrase(source, isNew);
}

/** Reads a line from standard input in raw mode, so that nothing is echoed. Undefined where there is no terminal. */
function terminalPrompt(terminal: Terminal): ((question: string) => Promise<string>) | undefined {
  const { stdin } = process;
  if (!terminal.errIsTerminal || stdin.isTTY !== true) return undefined;
  return (question) =>
    new Promise((resolve, reject) => {
      terminal.err(question);
      let typed = '';
      const end = (finish: () => void) => {
        stdin.off('data', onData).setRawMode(false).pause();
        terminal.err('\n');
        finish();
      };
      const onData = (chunk: string) => {
        for (const key of chunk) {
          if (key === '\r' || key === '\n') return end(() => resolve(typed));
          if (key === '\u0003' || key === '\u0004')
            return end(() => reject(new UsageError('no passphrase was given')));
          typed = key === '\u007f' || key === '\b' ? [...typed].slice(0, -1).join('') : typed + key;
        }
      };
      stdin.setEncoding('utf8').setRawMode(true).resume().on('data', onData);
    });
}
