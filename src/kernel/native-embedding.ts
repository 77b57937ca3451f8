/** The special FFT of the native kernel. */
import type { Kernel } from './kernel.ts';
import type { NativeAddon } from './native-addon.ts';
import { checkEmbedding } from './preconditions.ts';

type Doubles = Float64Array;
type Operands = [
  isa: number,
  cos: Doubles,
  sin: Doubles,
  re: Doubles,
  im: Doubles,
  all: Doubles,
  first: number,
];

interface EmbeddingAddon extends NativeAddon {
  embed(...operands: [...Operands, factor: number, bound: number]): boolean;
  unembed(...operands: [...Operands, scale: number]): void;
}

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeEmbedding(addon: NativeAddon, isa: number): Pick<Kernel, 'embed' | 'unembed'> {
  const { embed, unembed } = addon as EmbeddingAddon;
  return {
    embed(embedding, re, im, out, first, factor, bound) {
      checkEmbedding(embedding, re, im, out, first);
      return embed(isa, embedding.cos, embedding.sin, re, im, out, first, factor, bound);
    },
    unembed(embedding, re, im, coefficients, first, scale) {
      checkEmbedding(embedding, re, im, coefficients, first);
      unembed(isa, embedding.cos, embedding.sin, re, im, coefficients, first, scale);
    },
  };
}
