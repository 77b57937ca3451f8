import * as arg from '../../base/arguments.ts';
import type { MatrixMultiply } from '../tensor/matrix-multiply.ts';
import type { SampleShape } from '../tensor/tensor.ts';

/** A trained array and the gradient that the last backward pass left for it. */
export interface Parameter {
  readonly name: string;
  readonly value: Float32Array;
  /** d(mean loss)/d(value), overwritten by every backward pass. */
  readonly gradient: Float32Array;
  /** Whether weight decay applies: true for weight matrices and filters only. */
  readonly decays: boolean;
  /** Multiplies the learning rate of this parameter; 1 unless the parameter has its own unit (a quantiser step, say). */
  rate: number;
  /** Values are projected into this interval after every optimiser step. */
  readonly bounds?: readonly [low: number, high: number];
}

/** How the weights of a layer are rounded; real numbers when absent. */
interface WeightSpec {
  /** Integers of so many bits, sign included, times one step. */
  readonly bits?: number;
  /** With `bits`: only 0 and powers of two, at first so large a share of the weights 0. */
  readonly pruned?: number;
}

/** How a network is described: plain data, written into checkpoints. */
export type LayerSpec =
  | ({ readonly kind: 'dense'; readonly outputs: number; readonly bias?: boolean } & WeightSpec)
  | ({
      readonly kind: 'conv2d';
      readonly filters: number;
      readonly size: readonly [height: number, width: number];
      readonly stride?: readonly [vertical: number, horizontal: number];
      /** Zeros added on each side, `[vertical, horizontal]`. */
      readonly padding?: readonly [vertical: number, horizontal: number];
      /** Distance of neighbouring taps; 1 by default. */
      readonly dilation?: readonly [vertical: number, horizontal: number];
      readonly groups?: number;
      readonly bias?: boolean;
    } & WeightSpec)
  | {
      readonly kind: 'batch-norm';
      readonly momentum?: number;
      readonly epsilon?: number;
      /** One variance and one gain for the whole layer, means and shifts still per channel. Folds into a single step. */
      readonly shared?: boolean;
      readonly initialShift?: number;
    }
  | { readonly kind: 'relu' }
  | { readonly kind: 'sigmoid' }
  | { readonly kind: 'square'; readonly bound?: number; readonly penalty?: number }
  | {
      readonly kind: 'quadratic';
      /** Initial a, b, c of a z^2 + b z + c; the least-squares fit of ReLU under N(0,1) by default. */
      readonly initial?: readonly [a: number, b: number, c: number];
      /** |z| above this is penalised. */
      readonly bound?: number;
      readonly penalty?: number;
      /** a is kept at or above this, so that the completed square (z + b/2a)^2 stays well conditioned. */
      readonly leastCurvature?: number;
    }
  | {
      readonly kind: 'polynomial';
      /** Lowest power first. */
      readonly coefficients: readonly number[];
      readonly bound?: number;
      readonly penalty?: number;
    }
  | {
      readonly kind: 'max-pool';
      readonly size: readonly [number, number];
      readonly stride?: readonly [number, number];
    }
  | {
      readonly kind: 'mean-pool';
      readonly size: readonly [number, number];
      readonly stride?: readonly [number, number];
      /** Multiplies the window sum; 1/(height*width) by default. */
      readonly scale?: number;
    }
  | { readonly kind: 'dropout'; readonly rate: number }
  | { readonly kind: 'quantise-activations'; readonly bits: number };

/** What a pass needs besides the data. */
export interface Pass {
  readonly multiply: MatrixMultiply;
  /** True while training: batch statistics, dropout, and inputs kept for the backward pass. */
  readonly training: boolean;
}

/**
 * One step of a network. Data is `[batch, ...sample]`, row-major, in buffers that belong to the layers: an output is
 * valid until the same layer runs again, and a layer may keep a reference to its input until its backward pass.
 */
export interface Layer {
  readonly spec: LayerSpec;
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters: readonly Parameter[];
  /** Arrays that training changes but no gradient does: running statistics. */
  readonly statistics: readonly Float32Array[];
  forward(x: Float32Array, batch: number, pass: Pass): Float32Array;
  /** d(loss)/d(input) from d(loss)/d(output); fills the gradients. Without `inputGradient` the result is unspecified. */
  backward(dy: Float32Array, batch: number, pass: Pass, inputGradient: boolean): Float32Array;
  /** Sum over the batch, divided by the batch, of this layer's own penalty in the last training pass; 0 for most. */
  readonly penalty: number;
}

export function newParameter(
  name: string,
  length: number,
  options: { readonly decays?: boolean; readonly bounds?: readonly [number, number] } = {},
): Parameter {
  arg.checkArguments('newParameter', [name, length, options], {
    name: arg.text,
    length: arg.number,
    options: arg.optional(arg.options),
  });
  return {
    name,
    value: new Float32Array(length),
    gradient: new Float32Array(length),
    decays: options.decays ?? false,
    rate: 1,
    ...(options.bounds === undefined ? {} : { bounds: options.bounds }),
  };
}
