import { PowerOfTwoRounding } from '../quantise/powers-of-two.ts';
import { WeightQuantiser, type WeightRounding } from '../quantise/quantise.ts';

/** What rounds the weights of a layer of this description. */
export function weightRounding(
  { bits, pruned }: { readonly bits?: number; readonly pruned?: number },
  length: number,
): WeightRounding | undefined {
  if (bits === undefined) return undefined;
  return pruned === undefined
    ? new WeightQuantiser(length, bits, true)
    : new PowerOfTwoRounding(length, bits, pruned);
}
