/**
 * The table of cases on every instruction set of another addon than the one that was built for use: of one compiled with sanitizers.
 * Argument: its path. A process of its own, as sanitizers end it where they find something.
 */
import { loadNativeKernel } from '../../../src/kernel/native/native.ts';
import { PATTERNS } from '../bench.ts';
import { Differential, METHODS, tryOpen } from './differential.ts';

const path = process.argv[2]!;
const open = process.dlopen.bind(process);
process.dlopen = (module, filename, ...flags) =>
  open(module, filename.endsWith('.node') ? path : filename, ...flags);

const sweep = { degrees: [8, 16, 64, 256], patterns: PATTERNS, seeds: [1] };
const differential = new Differential();
let [kernels, differences] = [0, 0];
for (const isa of ['avx512ifma', 'avx512-emulated', 'avx2', 'neon', 'scalar']) {
  const { kernel, reason } = tryOpen(isa, () => loadNativeKernel({ isa }));
  if (kernel === undefined) process.stdout.write(`${isa}: left out: ${reason}\n`);
  else {
    const wrong = METHODS.map((method) => differential.firstDifference(kernel, method, sweep)).filter(
      (difference) => difference !== undefined,
    );
    kernels++;
    differences += wrong.length + kernel.liveWords;
    process.stdout.write(`${isa}: ${METHODS.length} methods, ${wrong.join('; ') || 'as the reference'}\n`);
    differential.close(kernel);
  }
}
process.exitCode = kernels > 0 && differences === 0 ? 0 : 1;
