/**
 * ONNX files: `importOnnx(bytes)` gives a model graph, which `interpretWithTail` of `subrosa/nn` evaluates in the clear and the compiler
 * turns into an encrypted program. Everything that a model needs and that cannot be read is named in one
 * {@link UnsupportedOpError}, with cuts that were tried. docs/operators.md lists the operators.
 */
export { DecodeError, LimitError, UnsupportedOpError } from '../../base/errors.ts';
export * from '../activations/index.ts';
export * from '../graph/index.ts';
export { type ExternalData } from './constant-tensor.ts';
export { exportOnnx } from './export-onnx.ts';
export { type ImportOptions, importOnnx } from './import-onnx.ts';
export { DEFAULT_ONNX_LIMITS, type OnnxLimits } from './wire-format.ts';
