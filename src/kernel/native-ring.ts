/** The ring arithmetic of the native kernel: everything of {@link Kernel} but memory and matrix products. */
import { KernelError } from '../base/errors.ts';
import type { Kernel } from './kernel.ts';
import type { NativeAddon } from './native-addon.ts';

type RingMethods = Omit<
  Kernel,
  | 'name'
  | 'isa'
  | 'threads'
  | 'liveWords'
  | 'allocate'
  | 'prepareGemm'
  | 'gemm'
  | 'sgemm'
  | typeof Symbol.dispose
>;

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeRing(_addon: NativeAddon, _isa: number): RingMethods {
  const missing = () => {
    throw new KernelError('native', 'ring arithmetic is missing');
  };
  return new Proxy({} as RingMethods, { get: () => missing });
}
