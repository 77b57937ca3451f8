import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { newParameter } from './layer.ts';
import type { Layer, LayerSpec, Parameter, Pass } from './layer.ts';
import type { WeightRounding } from '../quantise/quantise.ts';
import { weightRounding } from './weight-rounding.ts';
import type { SeededGenerator } from '../tensor/generator.ts';
import { resized, sizeOf } from '../tensor/tensor.ts';
import type { SampleShape } from '../tensor/tensor.ts';
import { VectorLoop } from '../tensor/vector-loop.ts';

const SUM_ROWS = new VectorLoop({ streams: 1, sums: 1, reads: [0], writes: [] }, (body) => {
  body.addToColumn(0, body.stream(0));
});

/** y = x W^T + bias: `[batch, inputs]` (any sample shape, read flat) to `[batch, outputs]`; W is `[outputs, inputs]`. */
export class Dense implements Layer {
  readonly spec: LayerSpec & { readonly kind: 'dense' };
  readonly inputShape: SampleShape;
  readonly outputShape: SampleShape;
  readonly parameters: readonly Parameter[];
  readonly statistics = [];
  readonly penalty = 0;
  readonly weights: Parameter;
  readonly bias: Parameter | undefined;
  readonly quantiser: WeightRounding | undefined;
  readonly #inputs: number;
  readonly #sums: Float64Array;
  #x: Float32Array = new Float32Array(0);
  #y: Float32Array = new Float32Array(0);
  #dx: Float32Array = new Float32Array(0);
  #used: Float32Array;

  /** Weights start at N(0, 2/inputs) (He et al. 2015), biases at 0. */
  constructor(spec: LayerSpec & { kind: 'dense' }, inputShape: SampleShape, generator: SeededGenerator) {
    arg.checkArguments('new Dense', [spec, inputShape, generator], {
      spec: arg.options,
      inputShape: arg.numbers,
      generator: arg.like('a SeededGenerator', 'word', 'uniform'),
    });
    this.spec = spec;
    this.inputShape = inputShape;
    this.outputShape = [spec.outputs];
    this.#inputs = sizeOf(inputShape);
    this.weights = newParameter('weights', spec.outputs * this.#inputs, { decays: true });
    this.bias = (spec.bias ?? true) ? newParameter('bias', spec.outputs) : undefined;
    const deviation = Math.sqrt(2 / this.#inputs);
    const values = this.weights.value;
    for (let i = 0; i < values.length; i++) values[i] = deviation * generator.normal();
    this.quantiser = weightRounding(spec, values.length);
    this.quantiser?.calibrate(values);
    this.parameters = [this.weights, this.bias, this.quantiser?.step].filter((p) => p !== undefined);
    this.#sums = new Float64Array(spec.outputs);
    this.#used = values;
  }

  forward(x: Float32Array, batch: number, pass: Pass): Float32Array {
    const outputs = this.spec.outputs;
    this.#y = resized(this.#y, batch * outputs);
    this.#x = x;
    this.#used = this.quantiser?.apply(this.weights.value) ?? this.weights.value;
    const bias = this.bias?.value;
    if (bias !== undefined) for (let row = 0; row < batch; row++) this.#y.set(bias, row * outputs);
    const keep = bias === undefined ? 0 : 1;
    pass.multiply.sgemm(false, true, batch, outputs, this.#inputs, 1, x, this.#used, keep, this.#y);
    return this.#y;
  }

  backward(dy: Float32Array, batch: number, pass: Pass, inputGradient: boolean): Float32Array {
    const outputs = this.spec.outputs;
    const { value, gradient } = this.weights;
    pass.multiply.sgemm(true, false, outputs, this.#inputs, batch, 1, dy, this.#x, 0, gradient);
    this.quantiser?.routeGradient?.(value, gradient);
    if (this.bias !== undefined) {
      this.#sums.fill(0);
      SUM_ROWS.run(batch, outputs, { streams: [dy], sums: [this.#sums] });
      this.bias.gradient.set(this.#sums);
    }
    if (!inputGradient) return this.#dx;
    this.#dx = resized(this.#dx, batch * this.#inputs);
    pass.multiply.sgemm(false, false, batch, this.#inputs, outputs, 1, dy, this.#used, 0, this.#dx);
    return this.#dx;
  }
}

printOnOneLine(Dense);
arg.guard('Dense', Dense.prototype, {
  forward: {
    x: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
  },
  backward: {
    dy: arg.typed('a Float32Array', Float32Array),
    batch: arg.number,
    pass: arg.like('a Pass', 'multiply', 'training'),
    inputGradient: arg.flag,
  },
});
