/** The native kernel: the C++ addon behind the {@link Kernel} interface. */
import { printedAs } from '../../base/inspect.ts';
import { KernelError } from '../../base/errors.ts';
import type { Kernel, KernelOptions } from '../kernel.ts';
import { loadNativeAddon, type NativeAddon } from './native-addon.ts';
import { nativeEdwards } from './native-edwards.ts';
import { nativeEmbedding } from './native-embedding.ts';
import { nativeGemm } from './native-gemm.ts';
import { nativeInteger } from './native-integer.ts';
import { nativeResidueProducts } from './native-residue.ts';
import { nativeRing } from './native-ring.ts';
import { nativeMemory } from './native-words.ts';

interface SettingsAddon extends NativeAddon {
  /** Names by number; a hole where this machine or build lacks the instruction set. Best last. */
  listIsas(): (string | undefined)[];
  /** 0 asks for one per CPU; returns the number in force. For the whole process. */
  setThreads(threads: number): number;
  multiplyAdds(isa: number, turns: number): number;
  integerMultiplyAdds(isa: number, turns: number): number;
}

let loaded: NativeAddon | undefined;

function addonOnce(): SettingsAddon {
  loaded ??= loadNativeAddon();
  return loaded as SettingsAddon;
}

/** The instruction sets that this machine can run, best first. @throws {KernelError} when the addon cannot be loaded. */
export function nativeIsas(): string[] {
  const names = addonOnce().listIsas();
  return names.filter((name) => name !== undefined).reverse();
}

/**
 * Runs the multiply-add instruction of a product on registers alone, for measuring the peak of one core: of the modular
 * matrix product, or of integer linear maps, where two 16-bit products are one multiply-add of the map.
 *
 * @returns how many multiply-adds `turns` turns were; 0 when the instruction set has no such instruction
 * @throws {KernelError} for an instruction set that is not to be had.
 */
export function nativeMultiplyAdds(
  isa: string,
  turns: number,
  product: 'modular' | 'integer' = 'modular',
): number {
  const addon = addonOnce();
  const number = addon.listIsas().indexOf(isa);
  if (number < 0) throw new KernelError('native', `no instruction set ${isa} here`);
  return product === 'modular' ? addon.multiplyAdds(number, turns) : addon.integerMultiplyAdds(number, turns);
}

/** Sets how many threads every native kernel of the process uses; 0 means one per CPU. @returns the number in force */
export function setNativeThreads(threads: number): number {
  return addonOnce().setThreads(threads);
}

function chosenThreads(options: KernelOptions): number {
  const text = process.env['SUBROSA_THREADS'];
  const threads = options.threads ?? (text === undefined || text === '' ? 0 : Number(text));
  if (!Number.isInteger(threads) || threads < 0 || threads > 1024)
    throw new KernelError('native', `cannot use ${threads} threads`);
  return threads;
}

/**
 * `isa` and `threads` default to SUBROSA_ISA and SUBROSA_THREADS, then to the best instruction set of this processor and
 * one thread per CPU. The thread pool belongs to the process: the latest kernel sets its size.
 * @throws {KernelError} when the addon is missing, does not load, or lacks the instruction set.
 */
export function loadNativeKernel(options: KernelOptions = {}): Kernel {
  const addon = addonOnce();
  const names = addon.listIsas();
  const wanted = options.isa ?? process.env['SUBROSA_ISA'];
  const isa = wanted === undefined || wanted === '' ? names.length - 1 : names.indexOf(wanted);
  if (isa < 0)
    throw new KernelError('native', `no instruction set ${wanted} here, only ${nativeIsas().join(', ')}`);
  const threads = addon.setThreads(chosenThreads(options));
  const memory = nativeMemory(addon);
  return printedAs('NativeKernel', {
    ...nativeRing(addon, isa),
    ...nativeEmbedding(addon, isa),
    ...nativeGemm(addon, isa),
    ...nativeInteger(addon, isa),
    ...nativeResidueProducts(addon, isa),
    ...nativeEdwards(addon),
    name: 'native',
    isa: names[isa] as string,
    threads,
    get liveWords() {
      return memory.live;
    },
    allocate: memory.allocate,
    [Symbol.dispose]() {},
  });
}
