/** Products of residues modulo small primes of the native kernel. */
import type { Kernel } from '../kernel.ts';
import type { NativeAddon } from './native-addon.ts';
import { checkSubtractProduct } from '../preconditions.ts';
import { type ResidueProducts, subtractProductByLoops } from '../portable/residue-products.ts';

interface ResidueAddon extends NativeAddon {
  /** False, with nothing done, when there is no memory for its work. */
  subtractProduct(isa: number, ...operands: Parameters<Kernel['subtractProduct']>): boolean;
}

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeResidueProducts(addon: NativeAddon, isa: number): ResidueProducts {
  const { subtractProduct } = addon as ResidueAddon;
  return {
    subtractProduct(...operands) {
      checkSubtractProduct(...operands);
      if (!subtractProduct(isa, ...operands)) subtractProductByLoops(...operands);
    },
  };
}
