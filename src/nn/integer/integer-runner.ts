import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { ShapeError } from '../../base/errors.ts';
import { outputSize } from '../../kernel/integer-linear-map.ts';
import type { IntegerLinearMap } from '../../kernel/integer-linear-map.ts';
import type { IntegerLinearWeights, Kernel } from '../../kernel/kernel.ts';
import { evaluateIntegerNetwork } from './integer-evaluate.ts';
import type { ApplyLinear } from './integer-evaluate.ts';
import type { IntegerNetwork } from './integer-network.ts';

/** Linear maps packed for a kernel once, applied many times. The weights stay in memory until disposal. */
export class IntegerLinearRunner implements Disposable {
  readonly #kernel: Kernel;
  readonly #weights: IntegerLinearWeights[] = [];

  /** @throws {ShapeError} {@link LimitError} */
  constructor(maps: readonly IntegerLinearMap[], kernel: Kernel) {
    arg.checkArguments('new IntegerLinearRunner', [maps, kernel], {
      maps: arg.list,
      kernel: arg.like('a kernel (openKernel)', 'allocate', 'openRing'),
    });
    this.#kernel = kernel;
    for (const map of maps) this.#weights.push(kernel.prepareIntegerLinear(map));
  }

  #weightsOf(index: number): IntegerLinearWeights {
    const weights = this.#weights[index];
    if (weights === undefined) throw new ShapeError('a linear map', `below ${this.#weights.length}`, index);
    return weights;
  }

  /** W x modulo 2^32 of linear map `index`; an {@link ApplyLinear}. @throws {ShapeError} */
  readonly apply: ApplyLinear = (index, map, x, batch) => {
    const out = new Int32Array(batch * outputSize(map));
    this.#kernel.integerLinear(out, this.#weightsOf(index), x, batch);
    return out;
  };

  /** The same off the event loop where the kernel can; an {@link ApplyLinearAsync}. @throws {ShapeError} */
  readonly applyAsync = async (
    index: number,
    _map: IntegerLinearMap,
    x: Int32Array,
    batch: number,
  ): Promise<Int32Array> => this.#kernel.integerLinearAsync(this.#weightsOf(index), x, batch);

  [Symbol.dispose](): void {
    for (const weights of this.#weights) weights[Symbol.dispose]();
  }
}

/** A network whose linear maps are packed for a kernel. */
export class IntegerRunner extends IntegerLinearRunner {
  readonly network: IntegerNetwork;

  constructor(network: IntegerNetwork, kernel: Kernel) {
    super(linearMaps(network), kernel);
    this.network = network;
  }

  /** `[batch, inputs]` integers to `[batch, outputs]` integers, in the clear. */
  run(input: Int32Array): Int32Array {
    return evaluateIntegerNetwork(this.network, input, this.apply);
  }
}

function linearMaps(network: IntegerNetwork): readonly IntegerLinearMap[] {
  arg.checkArguments('new IntegerRunner', [network], {
    network: arg.like('an IntegerNetwork', 'toBytes', 'linears'),
  });
  return network.linears.map(({ map }) => map);
}

printOnOneLine(IntegerLinearRunner, IntegerRunner);
arg.guard('IntegerRunner', IntegerRunner.prototype, {
  run: { input: arg.typed('an Int32Array', Int32Array) },
});
