/** Rewriting of drafts: what nobody reads goes, activations that exporters spell out become one function. */
import type { FunctionName } from '../graph/element-functions.ts';
import { readsOf } from './draft.ts';
import type { DraftNode } from './draft.ts';

type Nodes = readonly DraftNode[];

/** Only the nodes that the outputs depend on. */
export function withoutDeadNodes(nodes: Nodes, outputs: readonly number[]): DraftNode[] {
  const needed = new Set(outputs);
  const kept: DraftNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!needed.has(node.out)) continue;
    kept.push(node);
    for (const id of readsOf(node)) needed.add(id);
  }
  return kept.reverse();
}

/** y = factor x + offset, the same for all elements, or another thing. */
interface UniformAffine {
  readonly of: number;
  readonly factor: number;
  readonly offset: number;
}

/** Swish, hard swish, mish and gelu from their products. Nodes that only they read are left for {@link withoutDeadNodes}. */
export function recogniseActivations(nodes: Nodes): DraftNode[] {
  const writers = new Map(nodes.map((node) => [node.out, node]));
  return nodes.flatMap((node) => {
    if (node.op !== 'multiply' || node.a === node.b) return [node];
    return gated(writers, node.a, node.b, node.out) ?? gated(writers, node.b, node.a, node.out) ?? [node];
  });
}

type Writers = ReadonlyMap<number, DraftNode>;

/** Follows maps that scale and shift all elements alike. */
function affineOf(writers: Writers, wire: number): UniformAffine {
  const node = writers.get(wire);
  if (node?.op !== 'linear' || node.map.kind !== 'diagonal') return { of: wire, factor: 1, offset: 0 };
  const { factors, bias } = node.map;
  if (!factors.every((f) => f === factors[0]) || !bias.every((b) => b === bias[0]))
    return { of: wire, factor: 1, offset: 0 };
  const inner = affineOf(writers, node.in);
  return { of: inner.of, factor: factors[0] * inner.factor, offset: factors[0] * inner.offset + bias[0] };
}

const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b));

/** s x times gate(x). */
function gated(writers: Writers, data: number, gate: number, out: number): DraftNode[] | undefined {
  const outer = affineOf(writers, gate);
  const fn = writers.get(outer.of);
  if (fn?.op !== 'function') return undefined;
  const inner = affineOf(writers, fn.in);
  const x = affineOf(writers, data);
  if (x.of !== inner.of || x.offset !== 0) return undefined;
  const make = (name: FunctionName, parameters: readonly number[], scale: number): DraftNode[] | undefined =>
    isNear(scale, 1) ? [{ op: 'function', in: x.of, out, fn: name, parameters }] : undefined;
  const scale = x.factor * outer.factor;
  if (fn.fn === 'sigmoid' && inner.offset === 0 && outer.offset === 0)
    return make('swish', [inner.factor], scale);
  if (fn.fn === 'tanh' && outer.offset === 0 && inner.factor === 1 && inner.offset === 0)
    return mishOf(writers, fn.in, data, out);
  if (
    fn.fn === 'erf' &&
    inner.offset === 0 &&
    isNear(inner.factor, Math.SQRT1_2) &&
    isNear(outer.offset, outer.factor)
  )
    return make('gelu', [], 2 * scale);
  const isThird = fn.fn === 'hard-sigmoid' && isNear(fn.parameters[0] * inner.factor, 1 / 6);
  if (isThird && isNear(fn.parameters[1] + fn.parameters[0] * inner.offset, 0.5) && outer.offset === 0)
    return make('hard-swish', [], scale);
  const isClip = fn.fn === 'clip' && fn.parameters[0] === 0 && fn.parameters[1] === 6 && outer.offset === 0;
  return isClip && inner.factor === 1 && inner.offset === 3 ? make('hard-swish', [], 6 * scale) : undefined;
}

function mishOf(writers: Writers, softplus: number, data: number, out: number): DraftNode[] | undefined {
  const inner = writers.get(softplus);
  const isMish = inner?.op === 'function' && inner.fn === 'softplus' && inner.in === data;
  return isMish ? [{ op: 'function', in: data, out, fn: 'mish', parameters: [] }] : undefined;
}
