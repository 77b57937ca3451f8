/** Integer linear maps of the native kernel. */
import { printOnOneLine } from '../../base/inspect.ts';
import { DisposedError, KernelError, ShapeError } from '../../base/errors.ts';
import { checkIntegerLinearMap } from '../integer-linear-map.ts';
import type { IntegerLinearMap } from '../integer-linear-map.ts';
import { checkIntegerProduct } from '../tables/integer-panels.ts';
import type { IntegerLinearWeights, Kernel } from '../kernel.ts';
import type { NativeAddon, NativeHandle } from './native-addon.ts';
import { checkIntegerBatch, checkIntegerLinear } from '../preconditions.ts';

interface IntegerAddon extends NativeAddon {
  prepareIntegerLinear(isa: number, shape: Uint32Array, weights: Int8Array): NativeHandle;
  releaseIntegerLinear(weights: NativeHandle): void;
  integerLinear(out: Int32Array, weights: NativeHandle, x: Int32Array, batch: number): void;
  updateIntegerProduct(
    isa: number,
    out: Int32Array,
    panels: Int16Array | Int32Array,
    n: number,
    weights: Int32Array,
    before: Int32Array | undefined,
  ): void;
  /** Resolves to undefined when memory is exhausted. */
  integerLinearAsync(weights: NativeHandle, x: Int32Array, batch: number): Promise<Int32Array | undefined>;
}

/** The fields of IntegerShape in native/integer/integer_linear.h, in order; a dense map is a convolution of a point. */
function shapeFields(map: IntegerLinearMap): Uint32Array {
  if (map.kind === 'dense')
    return Uint32Array.of(1, map.inputs, 1, 1, map.outputs, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1);
  const { input, output, kernel, stride, padding, dilation, groups } = map;
  const images = [input, output].flatMap(({ channels, height, width }) => [channels, height, width]);
  return Uint32Array.of(0, ...images, ...kernel, ...stride, ...padding, ...dilation, groups);
}

class NativeIntegerWeights implements IntegerLinearWeights {
  readonly map: IntegerLinearMap;
  readonly #addon: IntegerAddon;
  #handle: NativeHandle | undefined;

  constructor(addon: IntegerAddon, isa: number, map: IntegerLinearMap) {
    checkIntegerLinearMap(map);
    this.map = map;
    this.#addon = addon;
    this.#handle = addon.prepareIntegerLinear(isa, shapeFields(map), map.weights);
  }

  get handle(): NativeHandle {
    if (this.#handle === undefined) throw new DisposedError('an integer map');
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) this.#addon.releaseIntegerLinear(this.#handle);
    this.#handle = undefined;
  }
}

/** `isa` is the number by which the addon knows the instruction set. */
export function nativeInteger(
  addon: NativeAddon,
  isa: number,
): Pick<Kernel, 'prepareIntegerLinear' | 'integerLinear' | 'integerLinearAsync' | 'updateIntegerProduct'> {
  const integerAddon = addon as IntegerAddon;
  const handleOf = (weights: IntegerLinearWeights): NativeHandle => {
    if (weights instanceof NativeIntegerWeights) return weights.handle;
    throw new ShapeError('the weights', 'of the native kernel', 'of another');
  };
  return {
    prepareIntegerLinear(map) {
      return new NativeIntegerWeights(integerAddon, isa, map);
    },
    integerLinear(out, weights, x, batch) {
      const handle = handleOf(weights);
      checkIntegerLinear(out, weights, x, batch);
      integerAddon.integerLinear(out, handle, x, batch);
    },
    updateIntegerProduct(out, panels, n, weights, before) {
      checkIntegerProduct(out, panels, n, weights, before);
      integerAddon.updateIntegerProduct(isa, out, panels, n, weights, before);
    },
    async integerLinearAsync(weights, x, batch) {
      const handle = handleOf(weights);
      checkIntegerBatch(weights, x, batch);
      const out = await integerAddon.integerLinearAsync(handle, x, batch);
      if (out === undefined) throw new KernelError('native', 'memory is exhausted');
      return out;
    },
  };
}

printOnOneLine(NativeIntegerWeights);
