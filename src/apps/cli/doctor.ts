/** `subrosa doctor`: what this machine has, and whether it computes correctly. */
import { existsSync, readdirSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { KernelError } from '../../base/errors.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { loadReferenceKernel } from '../../kernel/reference/reference.ts';
import { primesBelow } from '../../ring/primes.ts';
import { keyDirectory } from '../keystore/key-store.ts';
import { installation } from './installation.ts';
import type { EngineParts } from './parts.ts';
import { formatTable, plural } from './terminal/table.ts';
import { paintFor, type Terminal } from './terminal/terminal.ts';

export interface DoctorReport {
  readonly version: string;
  readonly node: string;
  readonly cores: number;
  readonly kernel: { readonly name: string; readonly isa: string; readonly threads: number };
  readonly fallback: string | null;
  readonly selfTest: 'passed';
  readonly models: readonly string[];
  readonly modelsDirectory: string;
  readonly keyDirectory: string;
}

const TEST_DEGREE = 1024;

/**
 * Compares the kernel with the BigInt reference, bit for bit: uniform residues, forward and inverse NTT, a product.
 * @throws {KernelError} naming the first function that differs.
 */
export function selfTest(kernel: Kernel): void {
  using reference = loadReferenceKernel();
  const moduli = primesBelow(40, TEST_DEGREE, 2);
  const run = (on: Kernel) => {
    const results: [string, BigUint64Array][] = [];
    using ring = on.openRing(TEST_DEGREE, moduli);
    using x = on.allocate(2 * TEST_DEGREE);
    using y = on.allocate(2 * TEST_DEGREE);
    const keep = (name: string) => results.push([name, x.u64().slice()]);
    on.uniform(ring, x, new Uint8Array(32).fill(1), [0, 1]);
    on.uniform(ring, y, new Uint8Array(32).fill(2), [0, 1]);
    keep('uniform');
    on.nttForward(ring, x, [0, 1]);
    keep('nttForward');
    on.mul(ring, x, x, y, [0, 1]);
    keep('mul');
    on.nttInverse(ring, x, [0, 1]);
    keep('nttInverse');
    return results;
  };
  const expected = run(reference);
  for (const [i, [name, words]] of run(kernel).entries()) {
    if (words.some((word, at) => word !== expected[i]?.[1][at])) {
      throw new KernelError(
        kernel.name,
        `self-test failed: ${name} differs from the reference (${kernel.isa}); try SUBROSA_KERNEL=wasm`,
      );
    }
  }
}

export async function doctor(
  flags: { json?: boolean },
  terminal: Terminal,
  parts: EngineParts,
): Promise<void> {
  let fallback: string | null = null;
  using kernel = await parts.openKernel((reason) => {
    fallback = reason;
  });
  selfTest(kernel);
  const report: DoctorReport = {
    version: installation.version,
    node: process.version,
    cores: cpus().length,
    kernel: { name: kernel.name, isa: kernel.isa, threads: kernel.threads },
    fallback,
    selfTest: 'passed',
    models: installedModels(installation.models),
    modelsDirectory: installation.models,
    keyDirectory: keyDirectory(terminal.env),
  };
  if (flags.json === true) terminal.out(`${JSON.stringify(report)}\n`);
  else printReport(report, terminal);
}

function installedModels(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && readdirSync(join(directory, entry.name)).length > 0)
    .map((entry) => entry.name)
    .sort();
}

function printReport(report: DoctorReport, terminal: Terminal): void {
  const paint = paintFor(terminal.outIsTerminal, terminal.env);
  const { kernel, fallback } = report;
  const rows = [
    ['subrosa', report.version],
    ['node', `${report.node}, ${plural(report.cores, 'core')}`],
    ['kernel', `${paint.bold(kernel.name)} ${kernel.isa}, ${plural(kernel.threads, 'thread')}`],
    ...(fallback === null ? [] : [['', paint.yellow(fallback)]]),
    ['self-test', paint.green('equal to the reference, bit for bit')],
    ['models', `${report.models.join(', ') || 'none'}  ${paint.dim(report.modelsDirectory)}`],
    ['client keys', paint.dim(report.keyDirectory)],
  ].map(([label = '', text = '']) => [paint.dim(label), text]);
  terminal.out(formatTable(rows, [{}, {}]));
}
