/**
 * Divides a draft into what the server must compute and the tail that the client runs: element functions, softmax, arg max and
 * the like that nothing but other such nodes follow.
 */
import { GatherMap } from '../graph/linear-map.ts';
import { rebuilt } from '../graph/passes/rebuild.ts';
import type { InputDescription, ModelGraph, ModelNode } from '../graph/model-graph.ts';
import { checkTail } from '../graph/tail-graph.ts';
import type { TailNode, TailOutput } from '../graph/tail-graph.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { Draft, DraftNode, WireValue } from './draft.ts';
import { readsOf } from './draft.ts';
import { recogniseActivations, withoutDeadNodes } from './draft-passes.ts';

export interface NamedOutput {
  readonly name: string;
  readonly value: WireValue;
  readonly texts?: readonly string[];
}

/** A node that only a client can run, but that something follows which only a server can. */
export interface StrandedNode {
  readonly name: string;
  readonly op: string;
}

export interface SplitResult {
  readonly graph?: ModelGraph;
  readonly stranded: readonly StrandedNode[];
}

function mayBeTail(node: DraftNode): boolean {
  if (node.op === 'linear') return node.map.kind === 'diagonal' || node.map.kind === 'gather';
  return node.op === 'tail' || node.op === 'function' || node.op === 'add' || node.op === 'multiply';
}

/** The numbers of the nodes that become the tail. */
function tailNodes(nodes: readonly DraftNode[]): Set<number> {
  const followed = new Set<number>();
  const candidates = new Set<number>();
  for (let i = nodes.length - 1; i >= 0; i--) {
    if (mayBeTail(nodes[i]) && !followed.has(nodes[i].out)) candidates.add(i);
    else for (const id of readsOf(nodes[i])) followed.add(id);
  }
  // Linear steps before the first function cost the server next to nothing.
  const tail = new Set<number>();
  const written = new Set<number>();
  nodes.forEach((node, i) => {
    if (!candidates.has(i)) return;
    if (node.op !== 'tail' && node.op !== 'function' && !readsOf(node).some((id) => written.has(id))) return;
    tail.add(i);
    written.add(node.out);
  });
  return tail;
}

/** `stranded` when the division is impossible, the graph otherwise. */
export function splitTail(
  draft: Draft,
  inputs: readonly InputDescription[],
  outputs: readonly NamedOutput[],
  source: ModelGraph['source'],
): SplitResult {
  const ids = outputs.map(({ value }) => value.id);
  const live = withoutDeadNodes(draft.nodes, ids);
  const nodes = withoutDeadNodes(recogniseActivations(live, draft), ids);
  const inTail = tailNodes(nodes);
  const stranded = nodes.flatMap((node, i) => {
    if (inTail.has(i)) return [];
    const op =
      node.op === 'tail'
        ? node.node.op
        : node.op === 'function' && node.fn === 'truncate'
          ? 'cast to integers'
          : undefined;
    return op === undefined ? [] : [{ name: draft.wires[node.out].name, op }];
  });
  if (stranded.length > 0) return { stranded };
  const written = new Set([...inTail].map((i) => nodes[i].out));
  const cut = [...new Set([...[...inTail].flatMap((i) => [...readsOf(nodes[i])]), ...ids])].filter(
    (id) => !written.has(id),
  );
  const server = nodes.filter((_, i) => !inTail.has(i)) as ModelNode[];
  const wires = draft.wires.map((wire, id) => ({ ...wire, id }));
  const joined = joinWires(server, wires, cut);
  const tail = new TailWriter(cut.length === 1 ? [[cut[0], 0]] : []);
  let start = 0;
  for (const id of cut.length === 1 ? [] : cut) {
    const size = sizeOf(wires[id].shape);
    const first = start;
    tail.add({ op: 'select', in: 0, from: Array.from({ length: size }, (_, i) => first + i) }, id);
    start += size;
  }
  for (const i of [...inTail].sort((a, b) => a - b)) tail.translate(nodes[i], wires[nodes[i].out].shape);
  const tailOutputs = outputs.map(({ name, value, texts }): TailOutput => {
    const output = { name, shape: value.shape, value: tail.valueOf(value.id) };
    return texts === undefined ? output : { ...output, texts };
  });
  const graph = rebuilt(
    {
      inputs,
      wires,
      nodes: [...server, ...joined.nodes],
      output: joined.output,
      tail: { nodes: tail.nodes, outputs: tailOutputs },
      source,
    },
    {},
  );
  checkTail(graph.tail, sizeOf(wires[joined.output].shape));
  return { graph, stranded };
}

interface NumberedWire {
  readonly id: number;
  readonly shape: readonly number[];
  readonly name: string;
}

/** Several wires side by side in one, since a reply is one wire. */
function joinWires(
  server: readonly ModelNode[],
  wires: NumberedWire[],
  cut: readonly number[],
): { readonly nodes: ModelNode[]; readonly output: number } {
  const nodes: ModelNode[] = [];
  if (cut.length === 1) {
    const isWritten = server.some(({ out }) => out === cut[0]);
    if (isWritten) return { nodes, output: cut[0] };
  }
  const total = cut.reduce((sum, id) => sum + sizeOf(wires[id].shape), 0);
  const add = (name: string): number => wires.push({ id: wires.length, shape: [total], name }) - 1;
  let start = 0;
  let output = -1;
  for (const id of cut) {
    const size = sizeOf(wires[id].shape);
    const from = Int32Array.from({ length: total }, (_, i) =>
      i >= start && i < start + size ? i - start : -1,
    );
    start += size;
    const part = add(`${wires[id].name}, joined`);
    nodes.push({ op: 'linear', in: id, out: part, map: new GatherMap(from, size) });
    if (output < 0) output = part;
    else {
      const sum = add('all outputs');
      nodes.push({ op: 'add', a: output, b: part, out: sum });
      output = sum;
    }
  }
  return { nodes, output };
}

const oneOrAll = (values: Float64Array): number[] =>
  values.every((value) => value === values[0]) ? [values[0]] : Array.from(values);

/** Nodes of a tail, which refer to values by their order. */
class TailWriter {
  readonly nodes: TailNode[] = [];
  readonly #values: Map<number, number>;

  constructor(known: readonly (readonly [wire: number, value: number])[]) {
    this.#values = new Map(known);
  }

  valueOf(wire: number): number {
    return this.#values.get(wire)!;
  }

  add(node: TailNode, wire: number): void {
    this.nodes.push(node);
    this.#values.set(wire, this.nodes.length);
  }

  translate(node: DraftNode, shape: readonly number[]): void {
    const [first, second] = readsOf(node).map((id) => this.valueOf(id));
    if (node.op === 'tail')
      this.add({ ...node.node, in: first, ...(second === undefined ? {} : { other: second }) }, node.out);
    else if (node.op === 'add' || node.op === 'multiply')
      this.add({ op: node.op, in: first, other: second }, node.out);
    else if (node.op === 'function') {
      const inside = sizeOf(shape.slice(1));
      const { fn, parameters, perChannel } = node;
      const perElement =
        perChannel === undefined
          ? {}
          : {
              perElement: Array.from({ length: sizeOf(shape) }, (_, i) => perChannel[Math.floor(i / inside)]),
            };
      this.add({ op: 'function', in: first, fn, parameters, ...perElement }, node.out);
    } else if (node.op === 'linear' && node.map.kind === 'diagonal') {
      const { factors, bias } = node.map;
      this.add({ op: 'affine', in: first, factor: oneOrAll(factors), offset: oneOrAll(bias) }, node.out);
    } else if (node.op === 'linear' && node.map.kind === 'gather') {
      const { from, bias } = node.map;
      this.add({ op: 'select', in: first, from: Array.from(from) }, node.out);
      if (bias.some((value) => value !== 0))
        this.add({ op: 'affine', in: this.valueOf(node.out), factor: [1], offset: oneOrAll(bias) }, node.out);
    }
  }
}
