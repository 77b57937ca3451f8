/**
 * Sparse weights that are powers of two, as Faster CryptoNets has them (Chou, Beal, Levy, Yeung, Haque, Fei-Fei 2018): a weight
 * is 0 or +-2^k steps. Small weights are pruned in the forward pass alone and go on being trained, so that one which is
 * missed grows back: dynamic network surgery (Guo, Yao, Chen, NIPS 2016) with one threshold for cutting and for splicing.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { OutOfRangeError } from '../../base/errors.ts';
import { newParameter } from '../layers/layer.ts';
import type { Parameter } from '../layers/layer.ts';
import { largestLevel, type WeightRounding } from './quantise.ts';

/** Halfway between 0 and the smallest power, and between neighbouring powers, on the logarithmic scale. */
const HALF_OCTAVE = Math.SQRT2;

/** The nearest of 0, +-1, +-2, .. +-2^largest to a ratio; nearest in the logarithm, 0 below 2^-1/2. */
export function nearestPower(ratio: number, largest: number): number {
  arg.checkArguments('nearestPower', [ratio, largest], { ratio: arg.number, largest: arg.number });
  const size = Math.abs(ratio);
  if (size * HALF_OCTAVE < 1) return 0;
  return Math.sign(ratio) * 2 ** Math.min(largest, Math.round(Math.log2(size)));
}

/** Replaces weights by 0 and powers of two; gradients pass straight through, pruned weights included. */
export class PowerOfTwoRounding implements WeightRounding {
  readonly bits: number;
  /** Share of the weights that are below the threshold when the step is chosen. */
  readonly pruned: number;
  /** One value, chosen by {@link PowerOfTwoRounding.calibrate}, not trained. */
  readonly step: Parameter;
  readonly #rounded: Float32Array;

  /** @throws {OutOfRangeError} for a share outside [0, 1), or bits outside 2 to 16. */
  constructor(length: number, bits: number, pruned: number) {
    arg.checkArguments('new PowerOfTwoRounding', [length, bits, pruned], {
      length: arg.number,
      bits: arg.number,
      pruned: arg.number,
    });
    if (!(pruned >= 0 && pruned < 1)) throw new OutOfRangeError('the pruned share', 'in [0, 1)', pruned);
    largestLevel(bits);
    this.bits = bits;
    this.pruned = pruned;
    this.step = newParameter('step', 1, { bounds: [1e-12, 1e12] });
    this.#rounded = new Float32Array(length);
  }

  /** The largest exponent: b bits, sign included, hold 2^0 .. 2^(b - 2). */
  get #largest(): number {
    return this.bits - 2;
  }

  /** The smallest step that prunes the asked share and reaches the largest weight. */
  calibrate(weights: Float32Array): void {
    const sizes = weights.map(Math.abs).sort();
    const threshold = sizes[Math.floor(this.pruned * sizes.length)] ?? 0;
    const largest = sizes.at(-1) ?? 0;
    this.step.value[0] = Math.max(HALF_OCTAVE * threshold, largest / 2 ** this.#largest) || 1;
  }

  /** The rounded weights, valid until the next call. */
  apply(weights: Float32Array): Float32Array {
    const step = this.step.value[0];
    for (let i = 0; i < weights.length; i++)
      this.#rounded[i] = step * nearestPower(weights[i] / step, this.#largest);
    return this.#rounded;
  }
}

printOnOneLine(PowerOfTwoRounding);
arg.guard('PowerOfTwoRounding', PowerOfTwoRounding.prototype, {
  calibrate: { weights: arg.typed('a Float32Array', Float32Array) },
  apply: { weights: arg.typed('a Float32Array', Float32Array) },
});
