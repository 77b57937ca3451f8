/** `subrosa edge renew`: new check vectors for one device; neither edge nor any other device notices. */
import { openKernel } from '../../../kernel/open.ts';
import { renewDevice } from '../../edge/provisioning.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { readPrivateFile } from '../../keystore/private-file.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatBytes } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** Replaces the file: its vectors were used up, and its keys stay. */
export async function renewDeviceFile(path: string, terminal: Terminal): Promise<void> {
  const { bytes, generation } = await withSpinner(terminal, 'computing check vectors', async () => {
    using kernel = await openKernel();
    return await renewDevice(readPrivateFile(path), kernel);
  });
  await replaceFile(path, bytes);
  terminal.out(
    `${path}: check vectors number ${generation + 1}, ${formatBytes(bytes.length)}; the edges keep their files\n`,
  );
}
