/** What a training leaves: an ordinary network over real inputs, for whoever may have the model. Classes keep the owners' secret names. */
import * as arg from '../../../base/arguments.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { Sequential } from '../../../nn/layers/sequential.ts';
import type { FixedPointTrainer } from './fixed-point-trainer.ts';
import type { Standardisation } from './projected-inputs.ts';

/** The network that a fixed-point trainer trained; first-layer weights are the rounded ones that the authority saw. */
export function faithfulNetwork(trainer: FixedPointTrainer): Sequential {
  arg.checkArguments('faithfulNetwork', [trainer], {
    trainer: arg.like('a FixedPointTrainer', 'keyVectors', 'integerWeights'),
  });
  const { first } = trainer;
  const { weightScale, multiply } = trainer.options;
  const specs = [...first.layers, ...trainer.upper.specs];
  const network = new Sequential(first.inputShape, specs, { multiply, seed: 0 });
  const [weights, bias, ...upper] = network.parameters;
  weights?.value.set(Float32Array.from(trainer.integerWeights(), (w) => w / weightScale));
  bias?.value.set(trainer.bias.value);
  for (const [i, parameter] of upper.entries())
    parameter.value.set((trainer.upper.parameters[i] as typeof parameter).value);
  return network;
}

/** A network over standardised P x as one over x: P and the standardisation become part of its first dense layer. */
export function foldProjection(
  network: Sequential,
  projection: Int32Array,
  standardisation: Standardisation,
  inputScale: number,
  multiply: MatrixMultiply,
): Sequential {
  arg.checkArguments('foldProjection', [network, projection, standardisation, inputScale, multiply], {
    network: arg.like('a Sequential', 'forward', 'infer'),
    projection: arg.typed('an Int32Array', Int32Array),
    standardisation: arg.like('a Standardisation', 'means', 'deviations'),
    inputScale: arg.number,
    multiply: arg.like('a MatrixMultiply', 'sgemm'),
  });
  const { means, deviations } = standardisation;
  const rank = means.length;
  const features = projection.length / rank;
  const folded = new Sequential([features], network.specs, { multiply, seed: 0 });
  const [weights, bias, ...upper] = network.parameters;
  const [foldedWeights, foldedBias, ...rest] = folded.parameters;
  if (weights === undefined || bias === undefined || foldedWeights === undefined || foldedBias === undefined)
    throw new Error('the first layer of a projected network is dense, with bias');
  for (let unit = 0; unit < bias.value.length; unit++) {
    let shift = bias.value[unit] as number;
    const row = new Float64Array(features);
    for (let k = 0; k < rank; k++) {
      const weight = (weights.value[unit * rank + k] as number) / (deviations[k] as number);
      shift -= weight * (means[k] as number);
      for (let j = 0; j < features; j++)
        row[j]! += weight * inputScale * (projection[k * features + j] as number);
    }
    foldedWeights.value.set(row, unit * features);
    foldedBias.value[unit] = shift;
  }
  for (const [i, parameter] of rest.entries()) parameter.value.set((upper[i] as typeof parameter).value);
  return folded;
}
