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
export * from './activations.ts';
export * from './balance.ts';
export * from './batch-norm.ts';
export * from './conv2d.ts';
export * from './convert.ts';
export * from './cross-entropy.ts';
export * from './dense.ts';
export * from './drawing-normalisation.ts';
export * from './elementwise.ts';
export * from './face-embedding.ts';
export * from './fine-tuning.ts';
export * from './fixed-point.ts';
export * from './fold.ts';
export * from './generator.ts';
export * from './idx.ts';
export * from './integer-evaluate.ts';
export * from './integer-network.ts';
export * from './integer-quantise.ts';
export * from './integer-runner.ts';
export { imageOf } from './integer-shapes.ts';
export * from './integer-step.ts';
export * from './integer-topologies.ts';
export * from './layer.ts';
export * from './layer-factory.ts';
export * from './layer-graph.ts';
export * from './lloyd-max.ts';
export * from './matrix-multiply.ts';
export * from './model-bytes.ts';
export * from './optimiser.ts';
export * from './pixel-image.ts';
export * from './polynomial-activation.ts';
export * from './polynomial-fit.ts';
export * from './polynomial-network.ts';
export * from './pool.ts';
export * from './quadratic.ts';
export * from './quantise.ts';
export * from './quantise-activations.ts';
export * from './schedule.ts';
export * from './sequential.ts';
export * from './square-form.ts';
export * from './tensor.ts';
export * from './trainer.ts';
export * from './weight-manifest.ts';
