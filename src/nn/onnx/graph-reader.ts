/**
 * Reads the nodes of an ONNX graph into a draft, by walking them once with values that are constants or wires. Constants fold on
 * the way; an `If` whose condition is constant and the functions of the file are walked in place. What cannot be read is
 * collected, and the walk goes on, so that one answer names everything.
 */
import { DecodeError, LimitError } from '../../base/errors.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { readSparseTensor, readTensor } from './constant-tensor.ts';
import type { ExternalData } from './constant-tensor.ts';
import { constantValue, NodeProblem } from './draft.ts';
import type { Draft, Value, WireValue } from './draft.ts';
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxNode, OnnxOperatorSet } from './onnx-schema.ts';
import { findOperator, FIRST_OPSET, LAST_OPSET } from './operator-table.ts';
import { Attributes, OperatorCall } from './operators/operator.ts';
import { RECOGNISED_DOMAIN } from './operators/norms.ts';
import { KEEPS_QUANTISATION } from './operators/quantised.ts';
import { recogniseNorms } from './recognise.ts';

/** No model has more nodes, those of functions counted each time they are used. */
const MAX_NODES = 4096;
const MAX_FUNCTION_DEPTH = 8;

/** Why a node cannot be read, and what to do about it. */
export interface ModelProblem {
  readonly node: string;
  readonly operator: string;
  readonly reason: string;
  readonly remedy?: string;
  /** Names of the values that the node reads and writes, for cuts. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Values by name; inner graphs see those outside. */
export type Scope = Map<string, Value>;

export interface ReadContext {
  readonly draft: Draft;
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, OnnxFunction>;
  readonly external: ExternalData | undefined;
  readonly declaredBatch: number | undefined;
  readonly problems: ModelProblem[];
}

/** Operator sets by domain. @throws {DecodeError} for the default domain outside 7 to 23. */
export function opsetsOf(imports: readonly OnnxOperatorSet[] | undefined): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain = '', version = 0 } of imports ?? [])
    opsets.set(domain === 'ai.onnx' ? '' : domain, version);
  const own = opsets.get('');
  if (own !== undefined && !(own >= FIRST_OPSET && own <= LAST_OPSET))
    throw new DecodeError(
      'an ONNX file',
      `operator set ${own}; ${FIRST_OPSET} to ${LAST_OPSET} are supported, convert it with onnx.version_converter`,
    );
  return opsets;
}

/** Adds the constants of a graph to a scope. @throws {DecodeError} */
export function addInitializers(graph: OnnxGraph, scope: Scope, external: ExternalData | undefined): void {
  const define = (name: string, value: Value): void => {
    if (scope.has(name)) throw new DecodeError('an ONNX graph', `"${name}" is defined twice`);
    scope.set(name, value);
  };
  for (const tensor of graph.initializers ?? [])
    define(tensor.name ?? '', constantValue(readTensor(tensor, 'an initialiser', external)));
  for (const sparse of graph.sparseInitializers ?? []) {
    const tensor = readSparseTensor(sparse, external);
    define(tensor.name, constantValue(tensor));
  }
}

export class GraphReader {
  readonly #context: ReadContext;
  #count = 0;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  /** Walks `nodes`, which must be in topological order, and adds what they write to `scope`. */
  walk(nodes: readonly OnnxNode[], scope: Scope, opsets = this.#context.opsets, depth = 0): void {
    for (const node of nodes) {
      if (++this.#count > MAX_NODES) throw new LimitError('the nodes of an ONNX model', MAX_NODES, 'more');
      const names = node.outputs ?? [];
      for (const name of names)
        if (name !== '' && scope.has(name))
          throw new DecodeError(`node ${nameOf(node)}`, `"${name}" is written twice`);
      const results = this.#readNode(node, scope, opsets, depth);
      names.forEach((name, i) => {
        const value = results?.[i] ?? { kind: 'unknown' };
        if (name !== '') scope.set(name, value);
        if (value.kind === 'wire' && name !== '') this.#context.draft.wires[value.id].name = name;
      });
    }
  }

  /** undefined when it cannot be read, which has been written down. */
  #readNode(
    node: OnnxNode,
    scope: Scope,
    opsets: ReadonlyMap<string, number>,
    depth: number,
  ): readonly Value[] | undefined {
    const operator = node.opType ?? '';
    const domain = node.domain === 'ai.onnx' ? '' : (node.domain ?? '');
    const inputs = (node.inputs ?? []).map((name): Value | undefined => {
      if (name === '') return undefined;
      const value = scope.get(name);
      if (value === undefined)
        throw new DecodeError(`node ${nameOf(node)}`, `it reads "${name}", which nothing before it writes`);
      return value;
    });
    const { draft } = this.#context;
    draft.current = `node ${nameOf(node)}`;
    try {
      const local = this.#context.functions.get(functionKey(domain, operator, node.overload));
      if (local !== undefined) return this.#inline(local, node, inputs, depth);
      if (domain === '' && operator === 'If') return this.#readIf(node, inputs, scope, opsets, depth);
      const entry = findOperator(domain, operator);
      const opset = domain === RECOGNISED_DOMAIN ? 1 : opsets.get(domain);
      if (entry === undefined) throw new NodeProblem(...reasonFor(domain, operator));
      if (opset === undefined)
        throw new NodeProblem(`the file imports no operator set of domain "${domain}"`);
      const [first, last] = entry.opsets ?? [FIRST_OPSET, LAST_OPSET];
      if (opset < first || opset > last) throw new NodeProblem(`it does not exist in operator set ${opset}`);
      const attributes = new Attributes(
        node.attributes ?? [],
        `node ${nameOf(node)}`,
        this.#context.external,
      );
      const strange = attributes.names.find((name) => !entry.attributes.includes(name));
      if (strange !== undefined) throw new NodeProblem(`attribute ${strange} is not supported`);
      // What a node that was written down would have given is not known; everything after it is left alone.
      if (inputs.some((value) => value?.kind === 'unknown')) return undefined;
      const wanted = (node.outputs ?? []).map((name) => name !== '');
      const { declaredBatch } = this.#context;
      const keeps = domain === '' && KEEPS_QUANTISATION.has(operator);
      const values = keeps ? inputs : inputs.map((value) => this.#integers(value));
      const results = entry.read(
        new OperatorCall({ draft, opset, inputs: values, attributes, wanted, declaredBatch }),
      );
      const data = inputs[0];
      const isView =
        keeps &&
        data?.kind === 'wire' &&
        data.quantised !== undefined &&
        !operator.includes('Linear') &&
        !operator.includes('Integer');
      return isView
        ? results.map((value) => (value.kind === 'wire' ? { ...value, quantised: data.quantised! } : value))
        : results;
    } catch (error) {
      if (!(error instanceof NodeProblem)) throw error;
      this.#context.problems.push({
        node: nameOf(node),
        operator: domain === '' || domain === RECOGNISED_DOMAIN ? operator : `${domain}.${operator}`,
        reason: error.message,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
        inputs: node.inputs ?? [],
        outputs: node.outputs ?? [],
      });
      return undefined;
    }
  }

  /** A quantised value as the integers that the file speaks of. */
  #integers(value: Value | undefined): Value | undefined {
    if (value?.kind !== 'wire' || value.quantised === undefined) return value;
    const { quantised, ...real } = value;
    return this.#context.draft.affine(real, 1 / quantised.scale, quantised.zero);
  }

  #readIf(
    node: OnnxNode,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    opsets: ReadonlyMap<string, number>,
    depth: number,
  ): readonly Value[] | undefined {
    const attributes = new Attributes(node.attributes ?? [], `node ${nameOf(node)}`);
    const [condition] = inputs;
    const branches = ['then_branch', 'else_branch'].map((name) => attributes.graph(name));
    if (condition?.kind === 'constant') {
      const branch = branches[condition.tensor.data[0] === 0 ? 1 : 0];
      if (branch === undefined) throw new DecodeError(`node ${nameOf(node)}`, 'it lacks a branch');
      return this.#branch(branch, scope, opsets, depth);
    }
    const [yes, no] = branches.map((branch) =>
      branch === undefined ? [] : this.#branch(branch, scope, opsets, depth),
    );
    return condition?.kind === 'wire' ? this.#choose(condition, yes, no) : undefined;
  }

  /** Both branches are computed; which of them counts is chosen in the tail. */
  #choose(condition: WireValue, yes: readonly Value[], no: readonly Value[]): readonly Value[] | undefined {
    const { draft } = this.#context;
    if (sizeOf(condition.shape) !== 1) throw new NodeProblem('its condition is an array');
    return yes.map((value, i): Value => {
      const other = no[i];
      if (value.kind === 'unknown' || other?.kind === 'unknown') return { kind: 'unknown' };
      if (value.kind !== 'wire' || other?.kind !== 'wire' || value.shape.join() !== other.shape.join())
        throw new NodeProblem(
          'its branches differ in shape, and its condition depends on the input of the model',
        );
      const every = draft.gather(condition, new Int32Array(sizeOf(value.shape)), value.shape);
      return draft.add(other, draft.multiply(every, draft.add(value, draft.affine(other, -1, 0))));
    });
  }

  #branch(branch: OnnxGraph, scope: Scope, opsets: ReadonlyMap<string, number>, depth: number): Value[] {
    const inner: Scope = new Map(scope);
    for (const { name } of branch.initializers ?? []) inner.delete(name ?? '');
    addInitializers(branch, inner, this.#context.external);
    this.walk(recogniseNorms(branch, this.#context.external), inner, opsets, depth + 1);
    return (branch.outputs ?? []).map(({ name = '' }) => {
      const value = inner.get(name);
      if (value === undefined) throw new DecodeError('a branch of If', `nothing writes its output "${name}"`);
      return value;
    });
  }

  #inline(
    local: OnnxFunction,
    node: OnnxNode,
    inputs: readonly (Value | undefined)[],
    depth: number,
  ): Value[] {
    if (depth >= MAX_FUNCTION_DEPTH)
      throw new LimitError('functions inside functions', MAX_FUNCTION_DEPTH, 'more');
    const scope: Scope = new Map();
    (local.inputs ?? []).forEach((name, i) => {
      const value = inputs[i];
      if (value !== undefined) scope.set(name, value);
    });
    const given = new Map(
      (local.attributeDefaults ?? []).map((attribute) => [attribute.name ?? '', attribute]),
    );
    for (const attribute of node.attributes ?? []) given.set(attribute.name ?? '', attribute);
    const absent = new Set((local.inputs ?? []).filter((_, i) => inputs[i] === undefined));
    const nodes = (local.nodes ?? []).map((inner) => ({
      ...inner,
      inputs: (inner.inputs ?? []).map((name) => (absent.has(name) ? '' : name)),
      attributes: (inner.attributes ?? []).flatMap((attribute) => substituted(attribute, given)),
    }));
    const own = opsetsOf(local.opsetImport);
    this.walk(nodes, scope, own.size === 0 ? this.#context.opsets : own, depth + 1);
    return (local.outputs ?? []).map((name) => scope.get(name) ?? { kind: 'unknown' });
  }
}

/** A reference to an attribute of the function becomes that attribute under the node's own name. */
function substituted(attribute: OnnxAttribute, given: ReadonlyMap<string, OnnxAttribute>): OnnxAttribute[] {
  if (!attribute.refAttrName) return [attribute];
  const value = given.get(attribute.refAttrName);
  return value === undefined ? [] : [{ ...value, name: attribute.name ?? '' }];
}

export function functionKey(domain: string, name: string, overload = ''): string {
  return `${domain}/${name}/${overload}`;
}

/** The node's name, or what it writes. */
export function nameOf(node: OnnxNode): string {
  return node.name || `writing "${node.outputs?.[0] ?? ''}"`;
}

const RECURRENT = 'recurrent networks are not supported; train a feed-forward or convolutional model instead';

const REASONS: Readonly<Record<string, readonly [reason: string, remedy?: string]>> = {
  LSTM: ['a recurrent layer', RECURRENT],
  GRU: ['a recurrent layer', RECURRENT],
  RNN: ['a recurrent layer', RECURRENT],
  Loop: ['a loop', 'export the model without loops'],
  Scan: ['a loop', 'export the model without loops'],
  NonZero: ['its result has no fixed shape'],
  LRN: ['local response normalisation', 'train with batch normalisation instead'],
  Attention: ['attention multiplies two encrypted matrices', 'cut the model before it'],
  STFT: ['a Fourier transform', 'compute the features on the client'],
  DynamicQuantizeLinear: ['its step depends on the data', 'quantise the model statically'],
};

function reasonFor(domain: string, operator: string): [reason: string, remedy?: string] {
  if (domain === '') {
    const [reason, remedy] = REASONS[operator] ?? ['this operator is not supported'];
    return remedy === undefined ? [reason] : [reason, remedy];
  }
  return [
    `operators of domain "${domain}" are not supported`,
    'export the model without optimisations of one runtime',
  ];
}
