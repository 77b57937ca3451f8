/**
 * Layer normalisation as exporters write it: x - mean, its square, the mean of that, plus epsilon, the root, a division. Replaced
 * before reading, so that neither the product nor the root meets encrypted values on its own.
 */
import { readTensor } from './constant-tensor.ts';
import type { ConstantTensor, ExternalData } from './constant-tensor.ts';
import { numberList } from './wire-format.ts';
import type { OnnxGraph, OnnxNode, OnnxTensor } from './onnx-schema.ts';
import { Attributes, optionalIntegers } from './operators/operator.ts';
import { RECOGNISED_DOMAIN } from './operators/norms.ts';

/** The nodes of a graph with every such pattern replaced by one node; others stay as they are. */
export function recogniseNorms(graph: OnnxGraph, external?: ExternalData): readonly OnnxNode[] {
  const nodes = graph.nodes ?? [];
  const finder = new PatternFinder(graph, external);
  const replaced = new Map<OnnxNode, OnnxNode>();
  for (const node of nodes) {
    const match = finder.normEndingAt(node);
    if (match !== undefined) replaced.set(node, match);
  }
  return replaced.size === 0 ? nodes : nodes.map((node) => replaced.get(node) ?? node);
}

class PatternFinder {
  readonly #writers: ReadonlyMap<string, OnnxNode>;
  readonly #initializers: ReadonlyMap<string, OnnxTensor>;
  readonly #external: ExternalData | undefined;

  constructor(graph: OnnxGraph, external: ExternalData | undefined) {
    this.#writers = new Map(
      (graph.nodes ?? []).flatMap((node) => (node.outputs ?? []).map((name) => [name, node] as const)),
    );
    this.#initializers = new Map((graph.initializers ?? []).map((tensor) => [tensor.name ?? '', tensor]));
    this.#external = external;
  }

  /** Div(centred, Sqrt(v)), Mul(centred, Reciprocal(Sqrt(v))) or Mul(centred, Pow(v, -0.5)). */
  normEndingAt(node: OnnxNode): OnnxNode | undefined {
    const [first = '', second = ''] = node.inputs ?? [];
    if (node.opType === 'Div') return this.#norm(node, first, this.#argumentOf(second, 'Sqrt'));
    if (node.opType !== 'Mul') return undefined;
    return (
      this.#norm(node, first, this.#inverseRoot(second)) ?? this.#norm(node, second, this.#inverseRoot(first))
    );
  }

  /** v of 1 / sqrt(v). */
  #inverseRoot(name: string): string | undefined {
    const inner = this.#argumentOf(name, 'Reciprocal');
    if (inner !== undefined) return this.#argumentOf(inner, 'Sqrt');
    const root = this.#argumentOf(name, 'Sqrt');
    if (root !== undefined) return this.#argumentOf(root, 'Reciprocal');
    const power = this.#writer(name, 'Pow');
    return power !== undefined && this.#number(power.inputs?.[1]) === -0.5 ? power.inputs?.[0] : undefined;
  }

  #norm(node: OnnxNode, centred: string, stabilised: string | undefined): OnnxNode | undefined {
    const sum = this.#writer(stabilised, 'Add');
    const difference = this.#writer(centred, 'Sub');
    if (sum === undefined || difference === undefined) return undefined;
    const [a = '', b = ''] = sum.inputs ?? [];
    const epsilon = this.#number(b) ?? this.#number(a);
    const variance = this.#writer(this.#number(b) === undefined ? b : a, 'ReduceMean');
    const [x = '', mean = ''] = difference.inputs ?? [];
    const average = this.#writer(mean, 'ReduceMean');
    if (epsilon === undefined || variance === undefined || average?.inputs?.[0] !== x) return undefined;
    if (!this.#isSquareOf(variance.inputs?.[0] ?? '', centred, x, mean)) return undefined;
    const axes = this.#axes(average);
    if (axes === undefined || axes.join() !== this.#axes(variance)?.join()) return undefined;
    const isKept = [average, variance].every(
      (mean) => new Attributes(mean.attributes ?? [], 'a mean').int('keepdims', 1) !== 0,
    );
    if (!isKept) return undefined;
    return {
      name: node.name ?? '',
      opType: 'Norm',
      domain: RECOGNISED_DOMAIN,
      inputs: [x],
      outputs: node.outputs ?? [],
      attributes: [
        { name: 'axes', type: 7, ints: numberList('int', axes) },
        { name: 'epsilon', type: 1, f: epsilon },
      ],
    };
  }

  /** The square of x - mean, which may have been computed once more. */
  #isSquareOf(name: string, centred: string, x: string, mean: string): boolean {
    const node = this.#writers.get(name);
    const [a = '', b = ''] = node?.inputs ?? [];
    const isCentred = (value: string): boolean => {
      const difference = this.#writer(value, 'Sub');
      return value === centred || (difference?.inputs?.[0] === x && difference.inputs[1] === mean);
    };
    if (node?.opType === 'Pow') return isCentred(a) && this.#number(b) === 2;
    return node?.opType === 'Mul' && a === b && isCentred(a);
  }

  #writer(name: string | undefined, opType: string): OnnxNode | undefined {
    const node = name === undefined ? undefined : this.#writers.get(name);
    return node?.opType === opType && !node.domain ? node : undefined;
  }

  #argumentOf(name: string, opType: string): string | undefined {
    return this.#writer(name, opType)?.inputs?.[0];
  }

  #constant(name: string | undefined): ConstantTensor | undefined {
    if (!name) return undefined;
    const tensor = this.#initializers.get(name);
    if (tensor !== undefined) return readTensor(tensor, 'an initialiser', this.#external);
    const node = this.#writer(name, 'Constant');
    return node === undefined
      ? undefined
      : new Attributes(node.attributes ?? [], 'a constant').tensor('value');
  }

  #number(name: string | undefined): number | undefined {
    const tensor = this.#constant(name);
    return tensor?.data.length === 1 ? tensor.data[0] : undefined;
  }

  #axes(mean: OnnxNode): number[] | undefined {
    return (
      new Attributes(mean.attributes ?? [], 'a mean').ints('axes') ??
      optionalIntegers(this.#constant(mean.inputs?.[1]))
    );
  }
}
