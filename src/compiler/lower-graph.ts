/**
 * Model graph -> circuit: operations on lists of elements, whatever layout they get. Whatever is one factor and one offset
 * per element (completed squares, diagonal maps, choices of elements) costs nothing: it is kept as a view of a value and enters
 * the next linear map.
 */
import { UnsupportedOpError } from '../base/errors.ts';
import {
  channelSize,
  type ModelGraph,
  type ModelNode,
  type WireId,
  wireSize,
} from '../nn/graph/model-graph.ts';
import type { Circuit } from './circuit.ts';
import { CircuitBuilder, type ElementInterval, type ElementView } from './circuit-builder.ts';
import { lowerPolynomial } from './lower-polynomial.ts';
import { quantiseMap } from './quantise-map.ts';

export interface LoweringOptions {
  /** Inputs are within [-inputBound, inputBound]. */
  readonly inputBound: number;
  /** Bits of a weight, sign included, where the model brings no integers. */
  readonly weightBits: number;
}

/** @throws {UnsupportedOpError} that lists every node that cannot run under encryption, and why. */
export function lowerGraph(graph: ModelGraph, options: LoweringOptions): Circuit {
  refuseUnsupported(graph);
  const builder = new CircuitBuilder(wireSize(graph, 0), options.inputBound);
  const views = new Map<WireId, ElementView>([[0, { value: 0 }]]);
  const viewOf = (wire: WireId): ElementView => views.get(wire) as ElementView;
  for (const node of graph.nodes) {
    const name = graph.wires[node.out]!.name;
    const known = elementRange(graph, node.out);
    views.set(node.out, lowerNode({ graph, node, name, known, builder, viewOf, options }));
  }
  const plain = builder.materialise(viewOf(graph.output), 'output', elementRange(graph, graph.output));
  const size = wireSize(graph, graph.output);
  const places = plain.places ?? Uint32Array.from({ length: size }, (_, i) => i);
  return builder.finish({ value: plain.value, places }, wireInterval(graph, graph.output));
}

interface NodeSubject {
  readonly graph: ModelGraph;
  readonly node: ModelNode;
  readonly name: string;
  readonly known: ElementInterval | undefined;
  readonly builder: CircuitBuilder;
  readonly viewOf: (wire: WireId) => ElementView;
  readonly options: LoweringOptions;
}

function lowerNode({ graph, node, name, known, builder, viewOf, options }: NodeSubject): ElementView {
  switch (node.op) {
    case 'linear': {
      const view = viewOf(node.in);
      const { map, quantised } = node;
      if (map.kind === 'gather' && map.from.every((col) => col >= 0))
        return gathered(view, map.from, map.bias);
      if (map.kind === 'diagonal') return scaled(view, map.factors, map.bias);
      const inputs = builder.count(view.value);
      const made = quantiseMap({ name, map, quantised, view, inputs, bits: options.weightBits });
      const value = builder.linear(view.value, made.map, known, made.anchors);
      return made.places === undefined ? { value } : { value, places: made.places };
    }
    case 'polynomial': {
      const inside = channelSize(graph.wires[node.out]!.shape);
      const coefficients = node.coefficients.map(
        (row) => (element: number) => (row.length === 1 ? row[0]! : row[Math.floor(element / inside)]!),
      );
      const size = wireSize(graph, node.in);
      const { form } = node;
      return lowerPolynomial(builder, viewOf(node.in), {
        coefficients,
        size,
        form,
        name,
        known,
        range: elementRange(graph, node.in),
      });
    }
    case 'multiply': {
      if (node.a === node.b) {
        const square = [() => 0, () => 0, () => 1];
        const size = wireSize(graph, node.a);
        return lowerPolynomial(builder, viewOf(node.a), {
          coefficients: square,
          size,
          form: undefined,
          name,
          known,
          range: elementRange(graph, node.a),
        });
      }
      return builder.multiply(viewOf(node.a), viewOf(node.b), name, known);
    }
    case 'add':
      return builder.add(viewOf(node.a), viewOf(node.b), wireSize(graph, node.out), name, known);
    default:
      throw new UnsupportedOpError([`${node.op} at ${name}`]);
  }
}

/** Element e of the result is element from[e], plus the bias. */
function gathered(view: ElementView, from: Int32Array, bias: Float64Array): ElementView {
  const places = Uint32Array.from(from, (element) => view.places?.[element] ?? element);
  const moved: ElementView = {
    value: view.value,
    places,
    ...(view.factor === undefined
      ? {}
      : { factor: Float64Array.from(from, (element) => view.factor![element]!) }),
  };
  const offset = Float64Array.from(from, (element, e) => (view.offset?.[element] ?? 0) + bias[e]!);
  return offset.every((value) => value === 0) ? moved : { ...moved, offset };
}

/** factors * view + bias. */
function scaled(view: ElementView, factors: Float64Array, bias: Float64Array): ElementView {
  const factor = factors.map((value, e) => value * (view.factor?.[e] ?? 1));
  const offset = factors.map((value, e) => value * (view.offset?.[e] ?? 0) + bias[e]!);
  return { ...view, factor, offset };
}

function elementRange(graph: ModelGraph, wire: WireId): ElementInterval | undefined {
  const { trained, shape } = graph.wires[wire]!;
  if (trained === undefined) return undefined;
  const inside = channelSize(shape);
  return {
    low: (element) => trained.low[Math.floor(element / inside)]!,
    high: (element) => trained.high[Math.floor(element / inside)]!,
  };
}

function wireInterval(graph: ModelGraph, wire: WireId): [number, number] | undefined {
  const { trained } = graph.wires[wire]!;
  if (trained === undefined) return undefined;
  return [Math.min(...trained.low), Math.max(...trained.high)];
}

const REMEDY: Readonly<Record<string, string>> = {
  function: 'give calibration data, so that a polynomial takes its place',
  maximum: 'give calibration data, so that sums or polynomials take its place',
  norm: 'give calibration data, so that it is approximated, or cut the model in front of it',
};

function refuseUnsupported(graph: ModelGraph): void {
  const problems = graph.nodes.flatMap((node) => {
    const remedy = REMEDY[node.op];
    const what = node.op === 'function' ? node.fn : node.op;
    return remedy === undefined ? [] : [`${what} at ${graph.wires[node.out]!.name}: ${remedy}`];
  });
  if (graph.inputs.length > 1)
    problems.push(
      `${graph.inputs.length} inputs (${graph.inputs.map(({ name }) => name).join(', ')}): one is possible`,
    );
  if (problems.length > 0) throw new UnsupportedOpError(problems);
}
