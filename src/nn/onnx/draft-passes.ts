/** Rewriting of drafts: what nobody reads goes, activations that exporters spell out become one function. */
import type { FunctionName } from '../graph/element-functions.ts';
import { DiagonalMap } from '../graph/linear-map.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { readsOf } from './draft.ts';
import type { Draft, DraftNode } from './draft.ts';

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
export function recogniseActivations(nodes: Nodes, draft: Draft): DraftNode[] {
  const writers = new Map(nodes.map((node) => [node.out, node]));
  return nodes.flatMap((node) => {
    if (node.op !== 'multiply' || node.a === node.b) return [node];
    const found = gated(writers, node.a, node.b) ?? gated(writers, node.b, node.a);
    return found === undefined ? [node] : scaledActivation(found, node.out, draft);
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

/** scale f(x). */
interface Activation {
  readonly of: number;
  readonly fn: FunctionName;
  readonly parameters: readonly number[];
  readonly scale: number;
}

function scaledActivation({ of, fn, parameters, scale }: Activation, out: number, draft: Draft): DraftNode[] {
  if (isNear(scale, 1)) return [{ op: 'function', in: of, out, fn, parameters }];
  const { shape, name } = draft.wires[out];
  const inner = draft.wires.push({ shape, name: `${name}, unscaled` }) - 1;
  const map = new DiagonalMap(new Float64Array(sizeOf(shape)).fill(scale));
  return [
    { op: 'function', in: of, out: inner, fn, parameters },
    { op: 'linear', in: inner, out, map },
  ];
}

/** s x times gate(x). */
function gated(writers: Writers, data: number, gate: number): Activation | undefined {
  const outer = affineOf(writers, gate);
  const fn = writers.get(outer.of);
  if (fn?.op !== 'function') return undefined;
  const inner = affineOf(writers, fn.in);
  const x = affineOf(writers, data);
  if (x.offset !== 0) return undefined;
  const scale = x.factor * outer.factor;
  const softplus = writers.get(fn.in);
  if (fn.fn === 'tanh' && softplus?.op === 'function' && softplus.fn === 'softplus')
    return softplus.in === x.of && outer.offset === 0
      ? { of: x.of, fn: 'mish', parameters: [], scale }
      : undefined;
  if (x.of !== inner.of) return undefined;
  const found = (name: FunctionName, parameters: readonly number[], by: number): Activation => ({
    of: x.of,
    fn: name,
    parameters,
    scale: by * scale,
  });
  if (fn.fn === 'sigmoid' && inner.offset === 0 && outer.offset === 0)
    return found('swish', [inner.factor], 1);
  if (
    fn.fn === 'erf' &&
    inner.offset === 0 &&
    isNear(inner.factor, Math.SQRT1_2) &&
    isNear(outer.offset, outer.factor)
  )
    return found('gelu', [], 2);
  if (outer.offset !== 0) return undefined;
  const isSixth = fn.fn === 'hard-sigmoid' && isNear(fn.parameters[0] * inner.factor, 1 / 6);
  if (isSixth && isNear(fn.parameters[1] + fn.parameters[0] * inner.offset, 0.5))
    return found('hard-swish', [], 1);
  const isClip = fn.fn === 'clip' && fn.parameters[0] === 0 && fn.parameters[1] === 6;
  return isClip && inner.factor === 1 && inner.offset === 3 ? found('hard-swish', [], 6) : undefined;
}
