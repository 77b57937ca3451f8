/** ONNX files as model graphs. */
import { DecodeError, UnsupportedOpError } from '../../base/errors.ts';
import type { InputDescription, ModelGraph } from '../graph/model-graph.ts';
import { tensorInput } from '../graph/graph-builder.ts';
import { simplifyGraph } from '../graph/passes/simplify.ts';
import { sizeOf } from '../tensor/tensor.ts';
import type { ExternalData } from './constant-tensor.ts';
import { Draft, MAX_WIRE_ELEMENTS } from './draft.ts';
import { functionKey, GraphReader, addInitializers, opsetsOf } from './graph-reader.ts';
import type { ModelProblem, Scope } from './graph-reader.ts';
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxValueInfo } from './onnx-schema.ts';
import { recogniseNorms } from './recognise.ts';
import { splitTail } from './split-tail.ts';
import type { NamedOutput } from './split-tail.ts';
import { readOnnxModel } from './wire-format.ts';
import type { OnnxLimits } from './wire-format.ts';

export interface ImportOptions {
  readonly limits?: OnnxLimits;
  /** Whole shapes of inputs, the samples first: where the file leaves extents open. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  /** Values, or nodes, that become the inputs: what comes before is left out. */
  readonly from?: readonly string[];
  /** Values, or nodes, whose results become the outputs: what comes after is left out. */
  readonly to?: readonly string[];
  /** Reads the files that hold external data; such models are refused without it. */
  readonly external?: ExternalData;
  /** For messages. */
  readonly file?: string;
}

/**
 * The model of an ONNX file: operator sets 7 to 23, the operators of docs/operators.md. The first axis of every input is taken
 * for the samples. Sizes are checked before anything is built from them; no weight is a view of `bytes` afterwards.
 * @throws {UnsupportedOpError} naming every node that cannot be read, why, and what to do; cuts that it proposes were tried.
 * @throws {DecodeError} for bytes that are no such file. @throws {LimitError} above a limit.
 */
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): ModelGraph {
  const model = readOnnxModel(bytes, options.limits);
  const constants = initialisersOf(model, options);
  const result = readModel(model, options, constants);
  if (result.graph !== undefined) return simplifyGraph(result.graph);
  throw new UnsupportedOpError(
    result.problems.map(describeProblem),
    proposeCuts(model, options, result, constants),
  );
}

interface ReadResult {
  readonly graph?: ModelGraph;
  readonly problems: readonly ModelProblem[];
  readonly scope: Scope;
}

/** One line of a report. */
function describeProblem({ node, operator, reason, remedy }: ModelProblem): string {
  const at = node.startsWith('writing') ? node : `"${node}"`;
  return `${operator} at ${at}: ${reason}${remedy === undefined ? '' : ` (${remedy})`}`;
}

/** Decoded once, however often the model is read for cuts. */
function initialisersOf({ graph }: OnnxModel, { external }: ImportOptions): Scope {
  if (graph === undefined) throw new DecodeError('an ONNX file', 'it has no graph');
  const scope: Scope = new Map();
  addInitializers(graph, scope, external);
  return scope;
}

function readModel(model: OnnxModel, options: ImportOptions, constants: Scope): ReadResult {
  const { graph } = model;
  if (graph === undefined) throw new DecodeError('an ONNX file', 'it has no graph');
  const opsets = opsetsOf(model.opsetImport);
  const scope: Scope = new Map(constants);
  const draft = new Draft();
  const cuts = resolveCuts(graph, options);
  const inputs: InputDescription[] = [];
  const shapeErrors: DecodeError[] = [];
  let declaredBatch: number | undefined;
  for (const info of cuts.inputs) {
    const name = info.name ?? '';
    if (scope.has(name)) continue;
    const found = inputShape(info, options.shapes?.[name]);
    if (found instanceof DecodeError) {
      shapeErrors.push(found);
      scope.set(name, { kind: 'unknown' });
      continue;
    }
    const { shape, batch } = found;
    if (inputs.length === 0) declaredBatch = batch;
    scope.set(name, draft.input(name, shape));
    inputs.push(describeInput(name, shape));
  }
  if (inputs.length + shapeErrors.length === 0) throw new DecodeError('an ONNX file', 'it has no inputs');
  const functions = new Map(
    (model.functions ?? []).map((f) => [functionKey(f.domain ?? '', f.name ?? '', f.overload), f]),
  );
  const problems: ModelProblem[] = [];
  const reader = new GraphReader({
    draft,
    opsets,
    functions,
    external: options.external,
    declaredBatch,
    problems,
  });
  const nodes = recogniseNorms(graph, options.external);
  reader.walk(neededNodes(nodes, cuts.outputs, new Set(scope.keys())), scope);
  if (problems.length > 0) return { problems, scope };
  if (shapeErrors.length > 0) throw shapeErrors[0];
  const outputs = cuts.outputs.map((name): NamedOutput => {
    const value = scope.get(name);
    if (value === undefined) throw new DecodeError('an ONNX file', `nothing writes its output "${name}"`);
    if (value.kind !== 'wire')
      throw new DecodeError('an ONNX file', `its output "${name}" does not depend on its inputs`);
    const texts = draft.texts.get(value.id);
    if (value.quantised !== undefined) {
      const { scale, zero } = value.quantised;
      return { name, value: draft.affine(value, 1 / scale, zero) };
    }
    return texts === undefined ? { name, value } : { name, value, texts };
  });
  const source = {
    ...(options.file === undefined ? {} : { file: options.file }),
    ...(model.producerName === undefined ? {} : { producer: model.producerName }),
    opset: opsets.get('') ?? 0,
  };
  const split = splitTail(draft, inputs, outputs, source);
  if (split.graph !== undefined) return { graph: split.graph, problems, scope };
  return {
    scope,
    problems: split.stranded.map(({ name, op }) => ({
      node: `writing "${name}"`,
      operator: op,
      reason: 'only a client can run it, in the clear, but encrypted layers follow',
      remedy: `end the model there: --to ${name}`,
      inputs: [],
      outputs: [name],
    })),
  };
}

interface Cuts {
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly string[];
}

/** The inputs and outputs of what is to be read. @throws {DecodeError} for a name that is not in the graph. */
function resolveCuts(graph: OnnxGraph, { from, to }: ImportOptions): Cuts {
  const nodes = graph.nodes ?? [];
  const written = new Set(nodes.flatMap(({ outputs }) => outputs ?? []));
  const infos = new Map(
    [...(graph.valueInfo ?? []), ...(graph.outputs ?? []), ...(graph.inputs ?? [])].map((info) => [
      info.name ?? '',
      info,
    ]),
  );
  const constants = new Set((graph.initializers ?? []).map(({ name }) => name ?? ''));
  const isValue = (name: string): boolean => written.has(name) || infos.has(name);
  const nodeOf = (name: string): OnnxNode => {
    const node = nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new DecodeError('an ONNX graph', `it has no value and no node "${name}"`);
    return node;
  };
  const outputs = to?.map((name) => (isValue(name) ? name : (nodeOf(name).outputs?.[0] ?? '')));
  const starts = from?.map((name) => {
    if (isValue(name)) return name;
    return (nodeOf(name).inputs ?? []).find((input) => !constants.has(input)) ?? '';
  });
  return {
    inputs: starts?.map((name) => infos.get(name) ?? { name }) ?? graph.inputs ?? [],
    outputs: outputs ?? (graph.outputs ?? []).map(({ name }) => name ?? ''),
  };
}

/** The nodes on which the outputs depend, up to the values that are known. */
function neededNodes(
  nodes: readonly OnnxNode[],
  outputs: readonly string[],
  known: ReadonlySet<string>,
): OnnxNode[] {
  const needed = new Set(outputs);
  const isNeeded = new Set<OnnxNode>();
  for (const node of [...nodes].reverse()) {
    if (!(node.outputs ?? []).some((name) => needed.has(name) && !known.has(name))) continue;
    isNeeded.add(node);
    for (const name of [...(node.inputs ?? []), ...innerNames(node)]) needed.add(name);
  }
  return nodes.filter((node) => isNeeded.has(node));
}

/** Names that the branches of an `If` may read from outside. */
function innerNames(node: OnnxNode): string[] {
  return (node.attributes ?? []).flatMap(({ g }) =>
    g === undefined
      ? []
      : [
          ...(g.nodes ?? []).flatMap((inner) => [...(inner.inputs ?? []), ...innerNames(inner)]),
          ...(g.outputs ?? []).map(({ name }) => name ?? ''),
        ],
  );
}

function inputShape(
  info: OnnxValueInfo,
  stated: readonly number[] | undefined,
): { readonly shape: readonly number[]; readonly batch: number | undefined } | DecodeError {
  const name = info.name ?? '';
  const what = `input "${name}"`;
  const dims = info.type?.tensorType?.shape?.dims;
  const whole = stated ?? dims?.map(({ value }) => value);
  const ask = `state it: --shape ${name}=1x...`;
  if (whole === undefined) return new DecodeError(what, `its shape is not in the file; ${ask}`);
  if (stated !== undefined && dims !== undefined && dims.length !== stated.length)
    return new DecodeError(what, `it has ${dims.length} axes, the stated shape ${stated.length}`);
  const isLone =
    whole.length === 0 || (whole.length === 1 && dims?.[0]?.value !== undefined && stated === undefined);
  if (isLone) return new DecodeError(what, `it has no axis for the samples; ${ask}`);
  const shape: number[] = [];
  for (const [i, extent] of whole.entries()) {
    if (i === 0) continue;
    const label = extent === undefined ? `open (${dims?.[i]?.parameter ?? '?'})` : String(extent);
    if (extent === undefined || !Number.isSafeInteger(extent) || extent < 1)
      return new DecodeError(what, `extent ${i} is ${label}; ${ask}`);
    shape.push(extent);
  }
  if (!(sizeOf(shape) <= MAX_WIRE_ELEMENTS))
    return new DecodeError(what, `shape [${shape.join(', ')}] has more than ${MAX_WIRE_ELEMENTS} elements`);
  return { shape, batch: dims?.[0]?.value ?? whole[0] };
}

function describeInput(name: string, shape: readonly number[]): InputDescription {
  const base = tensorInput(name, shape.length === 0 ? [1] : shape);
  if (shape.length <= 1) return { ...base, kind: 'table' };
  const [channels, height, width] = shape;
  const isImage = shape.length === 3 && (channels === 1 || channels === 3) && height >= 8 && width >= 8;
  if (!isImage) return base;
  return {
    ...base,
    kind: 'image',
    image: { channels, size: [height, width], fit: 'stretch', invert: false, white: 1 },
  };
}

const MAX_CUTS_TRIED = 12;

/** Parts of the model that can be read, each tried: what comes before the problems, and what comes after them. */
function proposeCuts(
  model: OnnxModel,
  options: ImportOptions,
  { problems, scope }: ReadResult,
  constants: Scope,
): string[] {
  if (options.from !== undefined || options.to !== undefined) return [];
  const works = (cut: Pick<ImportOptions, 'from' | 'to'>): number => {
    try {
      return readModel(model, { ...options, ...cut }, constants).graph?.nodes.length ?? 0;
    } catch {
      return 0;
    }
  };
  const best = (
    names: readonly string[],
    cut: (name: string) => Pick<ImportOptions, 'from' | 'to'>,
  ): string | undefined => {
    const tried = [...new Set(names)]
      .slice(0, MAX_CUTS_TRIED)
      .map((name) => [works(cut(name)), name] as const);
    return tried.filter(([nodes]) => nodes > 0).sort(([a], [b]) => b - a)[0]?.[1];
  };
  const before = best(
    problems
      .flatMap(({ inputs, outputs }) => [...inputs, ...outputs])
      .filter((name) => scope.get(name)?.kind === 'wire'),
    (name) => ({ to: [name] }),
  );
  const after = best(
    [...problems].reverse().flatMap(({ outputs }) => outputs),
    (name) => ({ from: [name] }),
  );
  return [
    ...(before === undefined
      ? []
      : [`--to ${before}: what comes before can be compiled, the client runs the rest`]),
    ...(after === undefined
      ? []
      : [`--from ${after}: what comes after can be compiled, the client runs the beginning`]),
  ];
}
