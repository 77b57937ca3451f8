/**
 * A network of sums, products and polynomials in place of one with ReLUs, maxima and norms. Layers are replaced in order, each fitted
 * to what the replaced layers before it really produce on the calibration data.
 */
import { UnsupportedOpError } from '../../base/errors.ts';
import { evaluateNode } from '../graph/clear-interpreter.ts';
import type { FunctionName } from '../graph/element-functions.ts';
import { DiagonalMap } from '../graph/linear-map.ts';
import type { ModelGraph, ModelNode, Wire } from '../graph/model-graph.ts';
import { channelSize, wiresOf } from '../graph/model-graph.ts';
import { rebuilt } from '../graph/passes/rebuild.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { channelStatistics } from './channel-statistics.ts';
import { fitFunction, frozenNorm, halvedWindows, isPairable, meanOfWindows } from './replace-nodes.ts';
import type { ReplacementError } from './replace-nodes.ts';

/** What a node becomes. `degree` of a polynomial, of |x| for a pairwise maximum. */
export type Replacement =
  | { readonly kind: 'polynomial'; readonly degree: number; readonly perChannel: boolean }
  | { readonly kind: 'mean' }
  | { readonly kind: 'pairwise'; readonly degree: number }
  | { readonly kind: 'frozen' };

/** One replaced node, for reports. */
export interface ReplacedLayer {
  readonly name: string;
  readonly what: string;
  readonly by: Replacement;
  /** Of the values that reached it. */
  readonly interval: readonly [low: number, high: number];
  readonly error?: ReplacementError;
}

export interface Approximation {
  readonly graph: ModelGraph;
  readonly layers: readonly ReplacedLayer[];
}

/** Steps have no polynomial that is close to them at any degree worth paying for. */
const STEPS: readonly FunctionName[] = ['sign', 'floor', 'ceil', 'round', 'truncate'];

/** The numbers of the nodes that must be replaced. @throws {UnsupportedOpError} naming all that cannot be. */
export function nodesToReplace(graph: ModelGraph): number[] {
  const problems = graph.nodes.flatMap((node) =>
    node.op === 'function' && STEPS.includes(node.fn)
      ? [`${node.fn} at "${graph.wires[node.out].name}": no polynomial comes close to a step`]
      : [],
  );
  if (problems.length > 0) throw new UnsupportedOpError(problems);
  return graph.nodes.flatMap(({ op }, i) =>
    op === 'function' || op === 'maximum' || op === 'norm' ? [i] : [],
  );
}

/**
 * The graph with the chosen nodes replaced, every wire with its statistics over `inputs` (`[batch, elements]` of each input). Quantisation
 * steps of the model are dropped, a clip that they imply is kept in the fit. `weights` says how much each sample counts in the fits.
 */
export function approximate(
  graph: ModelGraph,
  inputs: readonly ArrayLike<number>[],
  batch: number,
  choices: ReadonlyMap<number, Replacement>,
  weights?: Float64Array,
): Approximation {
  const walk = new ReplacingWalk(graph, inputs, batch, weights);
  graph.nodes.forEach((node, i) => walk.take(node, choices.get(i)));
  return walk.finish();
}

class ReplacingWalk {
  readonly #graph: ModelGraph;
  readonly #batch: number;
  readonly #weights: Float64Array | undefined;
  readonly #wires: Wire[];
  readonly #nodes: ModelNode[] = [];
  readonly #layers: ReplacedLayer[] = [];
  readonly #values: (Float64Array | undefined)[];
  readonly #lastUse = new Map<number, ModelNode>();

  constructor(
    graph: ModelGraph,
    inputs: readonly ArrayLike<number>[],
    batch: number,
    weights: Float64Array | undefined,
  ) {
    this.#weights = weights;
    this.#graph = graph;
    this.#batch = batch;
    this.#wires = [...graph.wires];
    this.#values = inputs.map((input) => Float64Array.from(input));
    for (const node of graph.nodes) for (const id of wiresOf(node)) this.#lastUse.set(id, node);
    this.#values.forEach((values, id) => this.#measure(id, values!));
  }

  take(node: ModelNode, by: Replacement | undefined): void {
    if (by === undefined) this.#push(node);
    else if (node.op === 'function' && by.kind === 'polynomial') this.#polynomial(node, by);
    else if (node.op === 'norm') this.#frozen(node);
    else if (node.op === 'maximum' && by.kind === 'pairwise' && isPairable(node))
      this.#pairwise(node, by.degree);
    else if (node.op === 'maximum') {
      this.#push({
        op: 'linear',
        in: node.in,
        out: node.out,
        map: meanOfWindows(node, this.#sizeOf(node.in)),
      });
      this.#record(node, 'largest of a window', { kind: 'mean' });
    }
    for (const id of wiresOf(node))
      if (this.#lastUse.get(id) === node && id !== this.#graph.output) this.#values[id] = undefined;
  }

  finish(): Approximation {
    const graph = rebuilt(this.#graph, { nodes: this.#nodes, wires: this.#wires });
    return { graph, layers: this.#layers };
  }

  #sizeOf(wire: number): number {
    return sizeOf(this.#wires[wire].shape);
  }

  #measure(wire: number, values: Float64Array): void {
    this.#wires[wire] = { ...this.#wires[wire], trained: channelStatistics(values, this.#wires[wire].shape) };
  }

  #push(node: ModelNode): void {
    this.#nodes.push(node);
    const values = evaluateNode(
      { ...this.#graph, wires: this.#wires },
      node,
      this.#values,
      this.#batch,
      undefined,
    );
    this.#values[node.out] = values;
    this.#measure(node.out, values);
  }

  #record(node: ModelNode, what: string, by: Replacement, error?: ReplacementError): void {
    const { low, high } = this.#wires[wiresOf(node)[0]].trained!;
    const layer = {
      name: this.#wires[node.out].name,
      what,
      by,
      interval: [Math.min(...low), Math.max(...high)] as const,
    };
    this.#layers.push(error === undefined ? layer : { ...layer, error });
  }

  #polynomial(node: ModelNode & { op: 'function' }, by: Replacement & { kind: 'polynomial' }): void {
    const shape = this.#wires[node.in].shape;
    const { coefficients, error } = fitFunction(
      node,
      this.#values[node.in]!,
      shape,
      by.degree,
      by.perChannel,
      this.#wires[node.in].trained,
      this.#weights,
    );
    if (by.degree > 1) this.#push({ op: 'polynomial', in: node.in, out: node.out, coefficients });
    else {
      const inside = channelSize(shape);
      const row = (power: number): Float64Array =>
        Float64Array.from(
          { length: sizeOf(shape) },
          (_, i) => coefficients[power][by.perChannel ? Math.floor(i / inside) : 0],
        );
      this.#push({ op: 'linear', in: node.in, out: node.out, map: new DiagonalMap(row(1), row(0)) });
    }
    this.#record(node, node.fn, by, error);
  }

  #frozen(node: ModelNode & { op: 'norm' }): void {
    const map = frozenNorm(node, this.#values[node.in]!, this.#wires[node.in].shape);
    this.#push({ op: 'linear', in: node.in, out: node.out, map });
    this.#record(node, 'normalisation', { kind: 'frozen' });
  }

  #wire(name: string, size: number): number {
    const id = this.#wires.length;
    this.#wires.push({ id, shape: [size], name });
    this.#values.push(undefined);
    return id;
  }

  /** Halves the windows: max(a, b) = (a + b) / 2 + |a - b| / 2, with an even polynomial for |x|. */
  #pairwise(node: ModelNode & { op: 'maximum' }, degree: number): void {
    let { taps, inputs } = node.windows;
    let from = node.in;
    const { name } = this.#wires[node.out];
    while (taps > 1) {
      const { sum, difference } = halvedWindows(taps, inputs, this.#sizeOf(from));
      const [s, d, p] = ['sum', 'difference', 'size'].map((part) => this.#wire(`${name}, ${part}`, sum.rows));
      this.#push({ op: 'linear', in: from, out: s, map: sum });
      this.#push({ op: 'linear', in: from, out: d, map: difference });
      const size = { op: 'function', in: d, out: p, fn: 'abs', parameters: [] } as const;
      const { coefficients } = fitFunction(size, this.#values[d]!, [1, sum.rows], degree, false);
      this.#push({ op: 'polynomial', in: d, out: p, coefficients });
      taps /= 2;
      const out = taps === 1 ? node.out : this.#wire(`${name}, largest of halves`, sum.rows);
      this.#push({ op: 'add', a: s, b: p, out });
      from = out;
      inputs = Int32Array.from({ length: sum.rows }, (_, i) => i);
    }
    this.#record(node, 'largest of a window', { kind: 'pairwise', degree });
  }
}
