/**
 * Networks in the clear: training, quantisation, and conversion to the form that runs under encryption.
 *
 * - Train: `new Sequential(shape, specs, { multiply, seed })`, `new Trainer(network, options)`, `trainer.train(examples)` once
 *   per epoch, `trainer.evaluate(examples)`; `trainer.toBytes()` / `Trainer.fromBytes` resume exactly. `multiply` is a
 *   kernel, or `plainMatrixMultiply`. Examples fill minibatches on demand (`arrayExamples` for data in memory).
 * - Run: `network.infer(inputs)`, `network.toBytes()` / `Sequential.fromBytes`.
 * - Quantise in the clear: `foldBatchNorms`, `withWeightBits(network, bits)`, then train on if wanted; `lloydMax` is the
 *   codebook baseline.
 * - Polynomial networks: train dense/conv2d (no padding), batch-norm, quadratic or square, mean-pool; `refreshStatistics`;
 *   `exportPolynomial(network, bits, inputs, multiply)` rounds it to a `PolynomialNetwork`. Better at few bits:
 *   `prepareFineTuning(toSquareForm(network), calibration, { bits, ... })`, train that, `refreshStatistics`, export.
 * - `PolynomialNetwork.run` is the clear truth (double precision), `PolynomialRunner` the fast one, `checkRanges` the guard.
 * - `activationTable()` lists polynomial replacements of ReLU and sigmoid with interval, largest error and depth.
 */
export * from '../kernel/integer-linear-map.ts';
export { openKernel, type OpenKernelOptions } from '../kernel/open.ts';
export * from './layers/activations.ts';
export * from './polynomial/balance.ts';
export * from './layers/batch-norm.ts';
export * from './layers/conv2d.ts';
export * from './polynomial/convert.ts';
export * from './training/cross-entropy.ts';
export * from './layers/dense.ts';
export * from './images/drawing-normalisation.ts';
export * from './layers/elementwise.ts';
export * from './published/face-embedding.ts';
export * from './polynomial/fine-tuning.ts';
export * from './integer/fixed-point.ts';
export * from './layers/fold.ts';
export * from './tensor/generator.ts';
export * from './files/idx.ts';
export * from './integer/integer-evaluate.ts';
export * from './integer/integer-network.ts';
export * from './integer/integer-quantise.ts';
export * from './integer/integer-runner.ts';
export { imageOf } from './integer/integer-shapes.ts';
export * from './integer/integer-step.ts';
export * from './published/integer-topologies.ts';
export * from './layers/layer.ts';
export * from './layers/layer-factory.ts';
export * from './layers/layer-graph.ts';
export * from './quantise/lloyd-max.ts';
export * from './tensor/matrix-multiply.ts';
export * from './files/model-bytes.ts';
export * from './training/optimiser.ts';
export * from './images/pixel-image.ts';
export * from './layers/polynomial-activation.ts';
export * from './layers/polynomial-fit.ts';
export * from './polynomial/polynomial-network.ts';
export * from './layers/pool.ts';
export * from './layers/quadratic.ts';
export * from './quantise/powers-of-two.ts';
export * from './quantise/quantise.ts';
export * from './layers/quantise-activations.ts';
export * from './training/schedule.ts';
export * from './layers/sequential.ts';
export * from './polynomial/square-form.ts';
export * from './tensor/tensor.ts';
export * from './training/trainer.ts';
export * from './files/weight-manifest.ts';
