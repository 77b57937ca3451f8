/** A network that starts from an earlier one says at first what that one says, output by output and whatever its new inputs. */
import { expect, test } from 'vitest';
import { formerOutputs, startFloat, startStages } from '../../../src/apps/train/former-model.ts';
import { DataError } from '../../../src/base/errors.ts';
import {
  exportPolynomial,
  plainMatrixMultiply,
  prepareFineTuning,
  quantiseStages,
  SeededGenerator,
  Sequential,
} from '../../../src/nn/index.ts';
import type { LayerSpec, PolynomialNetwork } from '../../../src/nn/index.ts';
import { parseLexicon, StateInventory } from '../../../src/speech/index.ts';

const OLD_INPUTS = 6;
const NEW_INPUTS = 9;
const OLD_OUTPUTS = 4;
const lexicon = parseLexicon('A\tAE\nB\tB AE\nC\tAE B');
const wide = new StateInventory(lexicon, 'triphone', 1);
/** Six states: the old outputs of each, and new ones that divide them further. */
const oldTying = Uint16Array.from({ length: wide.stateCount }, (_, state) => state % OLD_OUTPUTS);
const logPriors = Float32Array.from({ length: wide.stateCount }, (_, i) => Math.log((i + 1) / 21));
const outputs = formerOutputs(wide, oldTying, logPriors);

const generator = new SeededGenerator(8);
const samples = 7;
const oldInputs = Float32Array.from({ length: samples * OLD_INPUTS }, () => generator.normal());
const newInputs = Float32Array.from({ length: samples * NEW_INPUTS }, (_, i) => {
  const [sample, at] = [Math.floor(i / NEW_INPUTS), i % NEW_INPUTS];
  return at < OLD_INPUTS ? (oldInputs[sample * OLD_INPUTS + at] as number) : 5 * generator.normal();
});

/** Posteriors of the old outputs, those of new ones that belong together added up. */
function posteriors(logits: ArrayLike<number>, width: number, oldOf: (output: number) => number): number[] {
  const out = new Array<number>(samples * OLD_OUTPUTS).fill(0);
  for (let sample = 0; sample < samples; sample++) {
    const row = Array.from({ length: width }, (_, i) => Math.exp(logits[sample * width + i] as number));
    const total = row.reduce((sum, value) => sum + value, 0);
    for (const [i, value] of row.entries()) out[sample * OLD_OUTPUTS + oldOf(i)]! += value / total;
  }
  return out;
}

function expectAlike(found: readonly number[], expected: readonly number[]): void {
  for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i]!, 4);
}

const options = { multiply: plainMatrixMultiply, seed: 3 };
const specs = (outputs: number, activation: LayerSpec): LayerSpec[] => [
  { kind: 'dense', outputs: 5, bias: false },
  { kind: 'batch-norm' },
  activation,
  { kind: 'dense', outputs },
];
const same = (output: number): number => output;
const former = (output: number): number => outputs.of[output]!;

test('shares of an old output add up to one', () => {
  const sums = new Array<number>(OLD_OUTPUTS).fill(0);
  for (const [output, old] of outputs.of.entries()) sums[old]! += Math.exp(outputs.logShares[output]!);
  for (const sum of sums) expect(sum).toBeCloseTo(1, 6);
});

test('a float network', () => {
  const from = new Sequential([OLD_INPUTS, 1, 1], specs(OLD_OUTPUTS, { kind: 'relu' }), options);
  const fresh = new Sequential([NEW_INPUTS, 1, 1], specs(wide.outputCount, { kind: 'relu' }), options);
  const to = startFloat(from, fresh, outputs);
  expectAlike(
    posteriors(to.infer(newInputs), wide.outputCount, former),
    posteriors(from.infer(oldInputs), OLD_OUTPUTS, same),
  );
  const other = new Sequential([OLD_INPUTS, 1, 1], specs(OLD_OUTPUTS, { kind: 'sigmoid' }), options);
  expect(() => startFloat(other, fresh, outputs)).toThrow(DataError);
});

test('a polynomial network, as integers and as what is trained on', () => {
  const quadratic: LayerSpec = { kind: 'quadratic', bound: 5, penalty: 0.02 };
  const float = new Sequential([OLD_INPUTS, 1, 1], specs(OLD_OUTPUTS, quadratic), options);
  const from: PolynomialNetwork = exportPolynomial(float, 4, oldInputs, plainMatrixMultiply);
  const stages = startStages(from, NEW_INPUTS, outputs);
  const expected = posteriors(from.run(oldInputs), OLD_OUTPUTS, same);
  const started = quantiseStages(stages, 4);
  expectAlike(posteriors(started.run(newInputs), wide.outputCount, former), expected);
  const trainee = prepareFineTuning(stages, newInputs, { ...options, bits: 4, balance: 'none' });
  expectAlike(posteriors(trainee.infer(newInputs), wide.outputCount, former), expected);
});
