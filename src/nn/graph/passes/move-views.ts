/**
 * Views (reshapes, transpositions, slices) cost a layer of their own only where nothing can take them up. They are carried forward
 * past element functions, sums and products, and merged into the next linear map or maximum, or into the tail.
 */
import { sizeOf } from '../../tensor/tensor.ts';
import { composeLinear } from '../linear-composition.ts';
import { DenseMap, GatherMap } from '../linear-map.ts';
import { channelSize } from '../model-graph.ts';
import type { ModelGraph, ModelNode, Wire, WireId } from '../model-graph.ts';
import type { TailGraph } from '../tail-graph.ts';
import { rebuilt } from './rebuild.ts';

/** A wire as elements of another one. */
interface View {
  readonly base: WireId;
  /** undefined: all elements in order, under another shape. */
  readonly from: Int32Array | undefined;
}

/** The same function, views merged into their neighbours. */
export function moveViews(graph: ModelGraph): ModelGraph {
  const mover = new ViewMover(graph);
  for (const node of graph.nodes) mover.take(node);
  return mover.finish();
}

class ViewMover {
  readonly #graph: ModelGraph;
  readonly #wires: Wire[];
  readonly #nodes: ModelNode[] = [];
  readonly #views = new Map<WireId, View>();
  readonly #written = new Map<string, WireId>();

  constructor(graph: ModelGraph) {
    this.#graph = graph;
    this.#wires = [...graph.wires];
  }

  take(node: ModelNode): void {
    switch (node.op) {
      case 'linear':
        this.#linear(node);
        break;
      case 'function':
      case 'polynomial':
        this.#elementwise(node);
        break;
      case 'add':
      case 'multiply':
        this.#pair(node);
        break;
      case 'maximum': {
        const view = this.#viewOf(node.in);
        const { from } = view;
        if (from?.includes(-1) === true) this.#nodes.push({ ...node, in: this.#real(node.in) });
        else if (from === undefined) this.#nodes.push({ ...node, in: view.base });
        else {
          const inputs = node.windows.inputs.map((at) => (at < 0 ? -1 : from[at]));
          this.#nodes.push({ ...node, in: view.base, windows: { taps: node.windows.taps, inputs } });
        }
        break;
      }
      default:
        this.#nodes.push({ ...node, in: this.#real(node.in, node.out) });
    }
  }

  finish(): ModelGraph {
    const { output, tail } = this.#graph;
    const view = this.#viewOf(output);
    const isReplaced = view.base !== output;
    if (isReplaced && (view.from === undefined || isPermutation(view.from, this.#sizeOf(view.base))))
      return rebuilt(this.#graph, {
        nodes: this.#nodes,
        wires: this.#wires,
        output: view.base,
        tail: view.from === undefined ? tail : selectFirst(tail, view.from),
      });
    return rebuilt(this.#graph, { nodes: this.#nodes, wires: this.#wires, output: this.#real(output) });
  }

  #sizeOf(wire: WireId): number {
    return sizeOf(this.#wires[wire].shape);
  }

  #viewOf(wire: WireId): View {
    return this.#views.get(wire) ?? { base: wire, from: undefined };
  }

  /** The wire written out, in its own order; also in its own shape when a node that looks at shapes reads it. */
  #real(wire: WireId, forShape?: WireId): WireId {
    const { base, from } = this.#viewOf(wire);
    if (base === wire || (from === undefined && forShape === undefined)) return base;
    const known = this.#written.get(`${wire}`);
    if (known !== undefined) return known;
    const size = this.#sizeOf(wire);
    const index = from ?? Int32Array.from({ length: size }, (_, i) => i);
    const out = this.#newWire(this.#wires[wire]);
    this.#nodes.push({ op: 'linear', in: base, out, map: new GatherMap(index, this.#sizeOf(base)) });
    this.#written.set(`${wire}`, out);
    return out;
  }

  #newWire({ shape, name }: Pick<Wire, 'shape' | 'name'>): WireId {
    const id = this.#wires.length;
    this.#wires.push({ id, shape, name });
    return id;
  }

  #linear(node: ModelNode & { op: 'linear' }): void {
    const { map } = node;
    const { base, from } = this.#viewOf(node.in);
    if (map.kind === 'gather' && map.bias.every((value) => value === 0)) {
      const isIdentity = map.isIdentity;
      const composed = isIdentity
        ? from
        : from === undefined
          ? map.from
          : map.from.map((at) => (at < 0 ? -1 : from[at]));
      this.#views.set(node.out, { base, from: composed });
      return;
    }
    if (from === undefined) {
      this.#nodes.push({ ...node, in: base });
      return;
    }
    const gather = new GatherMap(from, this.#sizeOf(base));
    const { quantised } = node;
    if (quantised === undefined) {
      this.#nodes.push({ ...node, in: base, map: composeLinear(map, gather) });
      return;
    }
    if (map.kind === 'window') {
      this.#nodes.push({ ...node, in: base, map: composeLinear(map, gather) });
    } else if (map.kind === 'dense' && isPermutation(from, gather.cols)) {
      const integers = new Int32Array(quantised.integers.length);
      for (let i = 0; i < integers.length; i++)
        integers[Math.floor(i / map.cols) * map.cols + from[i % map.cols]] = quantised.integers[i];
      const moved = composeLinear(map, gather) as DenseMap;
      this.#nodes.push({ ...node, in: base, map: moved, quantised: { ...quantised, integers } });
    } else this.#nodes.push({ ...node, in: this.#real(node.in) });
  }

  /** f(view(x)) = view(f(x)) when the view loses and repeats nothing, and values per channel can follow. */
  #elementwise(node: ModelNode & { op: 'function' | 'polynomial' }): void {
    const { base, from } = this.#viewOf(node.in);
    if (base === node.in) {
      this.#nodes.push(node);
      return;
    }
    const shape = this.#wires[base].shape;
    const isWhole = from === undefined || isPermutation(from, this.#sizeOf(base));
    const moved = isWhole ? this.#movedParameters(node, from, shape) : undefined;
    if (moved === undefined) {
      this.#nodes.push({ ...node, in: this.#real(node.in, node.out) });
      return;
    }
    const out = this.#newWire({ shape, name: this.#wires[node.out].name });
    this.#nodes.push({ ...moved, in: base, out });
    this.#views.set(node.out, { base: out, from });
  }

  #movedParameters(
    node: ModelNode & { op: 'function' | 'polynomial' },
    from: Int32Array | undefined,
    shape: readonly number[],
  ): (ModelNode & { op: 'function' | 'polynomial' }) | undefined {
    const old = this.#wires[node.out].shape;
    const size = sizeOf(old);
    const move = (values: Float64Array): Float64Array | undefined => {
      if (values.length === 1) return values;
      const [inside, oldInside] = [channelSize(shape), channelSize(old)];
      const result = new Float64Array(shape[0]).fill(Number.NaN);
      for (let i = 0; i < size; i++) {
        const channel = Math.floor((from?.[i] ?? i) / inside);
        const value = values[Math.floor(i / oldInside)];
        if (Number.isNaN(result[channel])) result[channel] = value;
        else if (result[channel] !== value) return undefined;
      }
      return result;
    };
    if (node.op === 'function') {
      if (node.perChannel === undefined) return node;
      const perChannel = move(node.perChannel);
      return perChannel === undefined ? undefined : { ...node, perChannel };
    }
    const coefficients = node.coefficients.map(move);
    return coefficients.some((row) => row === undefined)
      ? undefined
      : { ...node, coefficients: coefficients as Float64Array[] };
  }

  #pair(node: ModelNode & { op: 'add' | 'multiply' }): void {
    const [a, b] = [this.#viewOf(node.a), this.#viewOf(node.b)];
    const isSame =
      a.from === b.from || (a.from !== undefined && b.from !== undefined && isEqual(a.from, b.from));
    if (isSame && a.from === undefined && b.from === undefined) {
      this.#nodes.push({ ...node, a: a.base, b: b.base });
      return;
    }
    const size = this.#sizeOf(a.base);
    if (!isSame || size !== this.#sizeOf(b.base) || !isPermutation(a.from!, size)) {
      this.#nodes.push({ ...node, a: this.#real(node.a), b: this.#real(node.b) });
      return;
    }
    const out = this.#newWire({ shape: this.#wires[a.base].shape, name: this.#wires[node.out].name });
    this.#nodes.push({ ...node, a: a.base, b: b.base, out });
    this.#views.set(node.out, { base: out, from: a.from });
  }
}

function isEqual(a: Int32Array, b: Int32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** Whether every element of `size` appears exactly once. */
function isPermutation(from: Int32Array, size: number): boolean {
  if (from.length !== size) return false;
  const isSeen = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    if (from[i] < 0 || isSeen[from[i]] === 1) return false;
    isSeen[from[i]] = 1;
  }
  return true;
}

/** A tail whose input is first put into another order. */
function selectFirst(tail: TailGraph, from: Int32Array): TailGraph {
  const nodes = tail.nodes.map((node) => ({
    ...node,
    in: node.in + 1,
    ...('other' in node ? { other: node.other + 1 } : {}),
  }));
  return {
    nodes: [{ op: 'select', in: 0, from: Array.from(from) }, ...nodes],
    outputs: tail.outputs.map((output) => ({ ...output, value: output.value + 1 })),
  };
}
