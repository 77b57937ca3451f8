/**
 * The lattice engine, operation by operation, on every kernel of this machine and by node-seal, in turn in one process. Rows:
 * { op, scheme, logN, limbs, special, threads, kernel, us, spread }; then rows with ratios.
 */
import type { Kernel } from '../../src/kernel/kernel.ts';
import { loadNativeKernel, nativeIsas, setNativeThreads } from '../../src/kernel/native/native.ts';
import { loadWasmKernel } from '../../src/kernel/wasm/wasm-node.ts';
import { WASM_ISAS } from '../../src/kernel/wasm/wasm-instance.ts';
import { primesBelow } from '../../src/ring/primes.ts';
import {
  ckksWork,
  type EngineParams,
  type EngineWork,
  TRANSFORM_LIMBS,
  transformWork,
} from './engine-ckks.ts';
import { bgvWork, sealBgvWork } from './engine-bgv.ts';
import { convolutionRows } from './engine-convolution.ts';
import { gemmRows } from './engine-gemm.ts';
import { limitChart, limitRows } from './engine-limits.ts';
import { profileRows } from './engine-profile.ts';
import { loadSeal, sealTransforms, sealWork } from './engine-seal.ts';
import { DIAGONALS, linearTransformWork } from './engine-transform.ts';
import { productWork } from './engine-product.ts';
import { sealRatios, targetTable } from './engine-targets.ts';
import { type BenchClock, type Contender, processorClock, timeInTurn, wallClock } from '../in-turn.ts';
import { type Bench, type BenchRow, reportFor } from '../report.ts';

/** `compared`: node-seal runs with the same counts of primes. The others have fewer digits and the same usable depth. */
type EngineSet = EngineParams & { readonly compared: boolean };

const CKKS_SETS: readonly EngineSet[] = [
  { logN: 13, limbs: 3, limbBits: 50, special: 1, specialBits: 50, logScale: 40, compared: true },
  { logN: 14, limbs: 8, limbBits: 47.7, special: 1, specialBits: 47.7, logScale: 40, compared: true },
  { logN: 14, limbs: 8, limbBits: 43, special: 2, specialBits: 43, logScale: 40, compared: false },
  { logN: 15, limbs: 15, limbBits: 50, special: 1, specialBits: 50, logScale: 40, compared: true },
  { logN: 15, limbs: 15, limbBits: 47.8, special: 3, specialBits: 49, logScale: 40, compared: false },
];

const BGV_SETS: readonly EngineSet[] = CKKS_SETS.filter(({ logN }) => logN <= 14);

const SCHEMES = {
  ckks: { sets: CKKS_SETS, work: ckksWork, peer: sealWork },
  bgv: { sets: BGV_SETS, work: bgvWork, peer: sealBgvWork },
} as const;

/** Too slow by design to be worth timing: the emulation of AVX-512 only checks. */
const UNTIMED = 'avx512-emulated';

/** The fallbacks, where a faster instruction set of the same kernel tells the same story. */
const SLOW_ISAS: ReadonlySet<string> = new Set(['scalar', 'simd128']);

type Labelled = Kernel & { readonly label: string };

function labelled(kernel: Kernel): Labelled {
  return Object.assign(kernel, { label: `${kernel.name}/${kernel.isa}` });
}

function openKernels(): Labelled[] {
  const kernels: Labelled[] = [];
  try {
    for (const isa of nativeIsas())
      if (isa !== UNTIMED) kernels.push(labelled(loadNativeKernel({ isa, threads: 1 })));
  } catch {
    // Without a compiler there is no addon; the rows of WebAssembly and node-seal stand alone.
  }
  for (const isa of Object.keys(WASM_ISAS)) kernels.push(labelled(loadWasmKernel({ isa })));
  return kernels;
}

interface Entrant {
  readonly label: string;
  readonly threads: number;
  readonly work: EngineWork;
}

interface Timing {
  readonly rounds: number;
  readonly clock: BenchClock;
}

interface Place {
  readonly scheme: string;
  readonly logN: number;
  readonly limbs: number;
  readonly special: number;
}

/** Times every operation that the first entrant knows, on all entrants, and disposes of them. */
function rowsOf(place: Place, entrants: readonly Entrant[], timing: Timing, unit = 1): BenchRow[] {
  const rows = Object.keys(entrants[0]!.work.run).flatMap((op) => {
    const contenders = entrants.flatMap(({ label, threads, work }): Contender[] => {
      const run = work.run[op];
      if (run === undefined) return [];
      return [
        {
          kernel: label,
          threads,
          run,
          ...(label.startsWith('native') ? { before: () => void setNativeThreads(threads) } : {}),
        },
      ];
    });
    return timeInTurn(contenders, timing.rounds, timing.clock).map(({ median, spread }, i) => {
      const { kernel, threads } = contenders[i]!;
      const us = kernel === 'node-seal' ? median : median / unit;
      return { op, ...place, threads, kernel, us, spread };
    });
  });
  for (const { work } of entrants) work[Symbol.dispose]();
  return rows;
}

async function transformRows(kernels: readonly Labelled[], timing: Timing): Promise<BenchRow[]> {
  const seal = await loadSeal();
  return [12, 13, 14, 15].flatMap((logN) => {
    const n = 2 ** logN;
    const moduli = primesBelow(48, n, TRANSFORM_LIMBS);
    const entrants = kernels.map((kernel) => ({
      label: kernel.label,
      threads: 1,
      work: transformWork(kernel, n, moduli),
    }));
    const place = { scheme: 'ring', logN, limbs: 1, special: 0 };
    const rows = rowsOf(place, entrants, timing, TRANSFORM_LIMBS);
    if (seal === undefined) return rows;
    // Two parts of `limbs` primes; 2^12 has room for two of 36 bits.
    const [limbs, bits] = logN === 12 ? [2, 36] : [3, 48];
    const peer = rowsOf(
      place,
      [{ label: 'node-seal', threads: 1, work: sealTransforms(seal, logN, limbs, bits) }],
      timing,
    );
    return [...rows, ...peer.map((row) => ({ ...row, us: Number(row['us']) / (2 * limbs) }))];
  });
}

async function schemeRows(
  scheme: keyof typeof SCHEMES,
  kernels: readonly Labelled[],
  timing: Timing,
  note: (line: string) => void,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const seal = await loadSeal();
  const { sets, work, peer } = SCHEMES[scheme];
  for (const spec of sets) {
    const { logN, limbs, special, compared } = spec;
    note(`${scheme.toUpperCase()} 2^${logN}, ${limbs}+${special} primes`);
    const entrants: Entrant[] = [];
    for (const kernel of kernels)
      entrants.push({ label: kernel.label, threads: 1, work: await work(kernel, spec) });
    if (compared && seal !== undefined)
      entrants.push({ label: 'node-seal', threads: 1, work: peer(seal, spec) });
    rows.push(...rowsOf({ scheme, logN, limbs, special }, entrants, timing));
  }
  return rows;
}

/** The ways of doing one thing that `open` knows, in turn on each kernel, and how much faster than the first the others are. */
async function comparedRows(
  subject: string,
  open: (kernel: Kernel, spec: EngineParams) => Promise<EngineWork>,
  kernels: readonly Labelled[],
  timing: Timing,
): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const spec of CKKS_SETS.filter(({ logN }) => logN === 14)) {
    for (const kernel of kernels.filter(({ isa }) => !SLOW_ISAS.has(isa))) {
      const { logN, limbs, special } = spec;
      using work = await open(kernel, spec);
      if (kernel.name === 'native') setNativeThreads(1);
      const ways = Object.entries(work.run);
      const contenders = ways.map(([, run]) => ({ kernel: kernel.label, threads: 1, run }));
      const times = timeInTurn(contenders, timing.rounds, timing.clock);
      const place = { scheme: 'ckks', logN, limbs, special, threads: 1, kernel: kernel.label };
      times.forEach(({ median, spread }, i) =>
        rows.push({ op: `${subject}: ${ways[i]![0]}`, ...place, us: median, spread }),
      );
      ways.slice(1).forEach(([way], i) => {
        const compared = `${ways[0]![0]} / ${way}, ${kernel.label}, ${limbs}+${special} primes`;
        const ratio = times[0]!.median / times[i + 1]!.median;
        rows.push({ compared, op: subject, scheme: 'ckks', logN, ratio });
      });
    }
  }
  return rows;
}

/** Rotations on two threads and on one, in turn; nothing on a machine with one CPU or without the addon. */
async function threadRows(kernels: readonly Labelled[], rounds: number): Promise<BenchRow[]> {
  const native = kernels.find((kernel) => kernel.name === 'native');
  if (native === undefined || setNativeThreads(0) < 2) return [];
  const rows: BenchRow[] = [];
  for (const spec of CKKS_SETS.filter(({ logN }) => logN >= 14)) {
    const { logN, limbs, special } = spec;
    using work = await ckksWork(native, spec);
    const contenders = [1, 2].map((threads) => ({
      kernel: native.label,
      threads,
      before: () => void setNativeThreads(threads),
      run: work.run['rotate']!,
    }));
    const times = timeInTurn(contenders, rounds);
    times.forEach(({ median, spread }, i) => {
      const place = { scheme: 'ckks', logN, limbs, special, threads: contenders[i]!.threads };
      rows.push({ op: 'rotate-in-turn-with-threads', ...place, kernel: native.label, us: median, spread });
    });
    const ratio = times[0]!.median / times[1]!.median;
    const compared = `1 thread / 2 threads, ${limbs}+${special} primes`;
    rows.push({ compared, op: 'rotate', scheme: 'ckks', logN, ratio });
  }
  setNativeThreads(1);
  return rows;
}

export const engine: Bench = async ({ quick, part, processorTime }, note) => {
  const rounds = quick ? 3 : 7;
  const timing = { rounds, clock: processorTime ? processorClock : wallClock };
  const kernels = openKernels();
  const wanted = (name: string) => part === undefined || part === name;
  const rows: BenchRow[] = [];
  if (wanted('ntt')) rows.push(...(await transformRows(kernels, timing)));
  for (const scheme of ['ckks', 'bgv'] as const) {
    if (wanted(scheme)) rows.push(...(await schemeRows(scheme, kernels, timing, note)));
  }
  if (wanted('transform')) {
    const subject = `linear transform of ${DIAGONALS} diagonals`;
    rows.push(...(await comparedRows(subject, linearTransformWork, kernels, timing)));
  }
  if (wanted('product')) rows.push(...(await comparedRows('product', productWork, kernels, timing)));
  if (wanted('profile')) {
    setNativeThreads(1);
    const spec = CKKS_SETS.find(({ logN, special }) => logN === 14 && special === 2)!;
    rows.push(...(await profileRows(kernels[0]!, spec, 2 * rounds, timing.clock)));
  }
  if (wanted('gemm')) rows.push(...gemmRows(kernels, quick ? 1 : 3, timing.clock));
  if (wanted('convolution')) rows.push(...convolutionRows(kernels, quick ? 1 : 3, timing.clock));
  const limits: BenchRow[] = [];
  if (wanted('limits')) {
    setNativeThreads(1);
    const spec = CKKS_SETS.find(({ logN, special }) => logN === 14 && special === 2)!;
    limits.push(...(await limitRows(kernels[0]!, spec, { ...timing, quick })));
  }
  rows.push(...limits);
  if (wanted('threads')) rows.push(...(await threadRows(kernels, rounds)));
  rows.push(...sealRatios(rows));
  const report = reportFor('engine', { ...kernels[0]!, threads: 1 }, rows);
  const svg = limits.length > 0 ? { svg: limitChart(limits) } : {};
  return { ...report, markdown: targetTable(rows), ...svg };
};
