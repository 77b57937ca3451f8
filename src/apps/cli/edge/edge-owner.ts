/** `subrosa edge owner`: the files of every party. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../../../base/errors.ts';
import { openKernel } from '../../../kernel/open.ts';
import { provision } from '../../edge/provisioning.ts';
import { replaceFile } from '../../keystore/atomic-file.ts';
import { integerNetwork, labelsOf } from './edge-network.ts';
import { withSpinner } from '../terminal/spinner.ts';
import { formatBytes, formatTable } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface OwnerFlags {
  readonly network: string;
  readonly weights?: string;
  readonly labels?: string;
  readonly out: string;
  readonly operatorA: string;
  readonly operatorB: string;
  readonly devices: number;
  readonly paired?: boolean;
}

/** Never replaces a file: its keys could be in use. */
export async function prepareParties(flags: OwnerFlags, terminal: Terminal): Promise<void> {
  const names = [
    'edge-a.bin',
    'edge-b.bin',
    ...Array.from({ length: flags.devices }, (_, i) => `device-${i + 1}.bin`),
  ];
  const taken = names.find((name) => existsSync(join(flags.out, name)));
  if (taken !== undefined) throw new UsageError(`${taken} is already in ${flags.out}: choose another --out`);
  const made = await withSpinner(terminal, 'reading the network', async (spinner) => {
    const bare = await integerNetwork(flags.network, flags.weights);
    const network = flags.labels === undefined ? bare : bare.withLabels(labelsOf(flags.labels));
    using kernel = await openKernel();
    spinner.say('computing check vectors');
    return await provision(network, {
      operators: { a: flags.operatorA, b: flags.operatorB },
      devices: flags.devices,
      pairs: flags.paired === true,
      kernel,
      onDevice: (done) => spinner.say(`computing check vectors: ${done} of ${flags.devices} devices`),
    });
  });
  await mkdir(flags.out, { recursive: true, mode: 0o700 });
  const files = [made.edgeA, made.edgeB, ...made.devices];
  for (const [i, name] of names.entries()) await replaceFile(join(flags.out, name), files[i]!);
  const rows = names.map((name, i) => [name, formatBytes(files[i]!.length)]);
  terminal.out(formatTable(rows, [{}, { align: 'right' }], ''));
}
