/** The special FFT of the native kernel, and products by it. */
import type { Kernel } from '../kernel.ts';
import type { NativeAddon } from './native-addon.ts';
import { checkEmbedding, checkFractionDot } from '../preconditions.ts';

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
  fractionDot(
    isa: number,
    cos: Doubles,
    sin: Doubles,
    out: Doubles,
    values: Int32Array,
    b: Uint32Array,
    words: number,
    bits: number,
    exact: number,
  ): void;
  roundFractions(isa: number, ...operands: Parameters<Kernel['roundFractions']>): void;
  squaredNorms(isa: number, ...operands: Parameters<Kernel['squaredNorms']>): boolean;
}

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeEmbedding(
  addon: NativeAddon,
  isa: number,
): Pick<Kernel, 'embed' | 'unembed' | 'fractionDot' | 'roundFractions' | 'squaredNorms'> {
  const { embed, unembed, fractionDot, roundFractions, squaredNorms } = addon as EmbeddingAddon;
  return {
    roundFractions: (...operands) => roundFractions(isa, ...operands),
    squaredNorms: (...operands) => squaredNorms(isa, ...operands),
    fractionDot(embedding, out, values, b, words, parts) {
      checkFractionDot(embedding, out, values, b, words, parts);
      const { cos, sin } = embedding;
      fractionDot(isa, cos, sin, out, values, b, words, parts.bits, parts.exact);
    },
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
