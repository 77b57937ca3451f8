/**
 * Model graph -> Program: the order of the passes, nothing else. Never sees a key or an input. Deterministic: the same graph and
 * options give the same program on every machine.
 */
import * as arg from '../base/arguments.ts';
import { InvalidParamsError, LimitError, UnsupportedOpError } from '../base/errors.ts';
import { completedSquares } from '../nn/activations/nearby-squares.ts';
import { normaliseChannels } from '../nn/activations/normalise-channels.ts';
import { type ModelGraph, type ModelNode, wireSize } from '../nn/graph/model-graph.ts';
import { toModelGraph } from '../nn/graph/polynomial-model.ts';
import { PolynomialNetwork } from '../nn/polynomial/polynomial-network.ts';
import { expansionElements } from '../schemes/ckks/expand-interleaved.ts';
import type { Circuit } from './circuit.ts';
import { lowerGraph } from './lower-graph.ts';
import type { Bucket, ModelDescription } from './offer.ts';
import { type FoundPlan, searchParameters } from './parameter-search.ts';
import type { KeyPlanName } from './packed/key-plans.ts';
import { keysOf } from './packed/packed-analysis.ts';
import { type FoundPacked, type PackedSearchOptions, searchPacked } from './packed/packed-parameters.ts';
import type { Placement } from './placement.ts';
import type { Program } from './program.ts';
import { batchCost } from './program-cost.ts';
import { SMALLEST_BLOCK } from './step-analysis.ts';
import { validateProgram } from './validate-program.ts';

export interface CompileOptions {
  /** Names the model on the wire: ^[a-z0-9][a-z0-9_-]{0,63}$. */
  readonly name: string;
  /** The client clips inputs to [-inputBound, inputBound]; default: what the input's description clips to, else 8. */
  readonly inputBound?: number;
  /** Largest error of a score that is accepted, relative to the scores' range; default 2^-10. */
  readonly precision?: number;
  /** Ring degrees to try, smallest first; default 2^13, 2^14, 2^15. */
  readonly logN?: readonly number[];
  /** Bits of a weight, sign included, for models that bring no integers; default 8, and 16 where weights are encoded (packed). */
  readonly weightBits?: number;
  /** Where products are relinearised and rescaled; default: where it costs least. */
  readonly placement?: Placement;
  /**
   * `batch`: thousands of samples at once, one to a slot; `packed`: one sample, its features in the slots; `auto`: packed where that is
   * possible and takes less time for one sample. Default batch.
   */
  readonly layout?: ProgramLayout;
  /**
   * Of packed programs: `traced` replies carry nothing but the scores' subring where the layout of the scores allows that, `whole` ones
   * the whole ciphertext. Default traced.
   */
  readonly reply?: 'traced' | 'whole';
  /**
   * Of packed programs: `tailored` keys are those that the steps take; `standard` ones are the same for all programs of one parameter set, so
   * that other weights, or another network, need no other enrolment, and rotations without a key are made of several. Default tailored.
   */
  readonly keys?: KeyPlanName;
}

export type ProgramLayout = 'batch' | 'packed' | 'auto';

/** Features of unit variance. */
const DEFAULT_INPUT_BOUND = 8;
const DEFAULT_PRECISION = 2 ** -10;
const DEFAULT_WEIGHT_BITS = { batch: 8, packed: 16 };
const DEFAULT_LOG_N = [13, 14, 15];

/**
 * @throws {UnsupportedOpError} that lists every node that cannot run under encryption.
 * @throws {InvalidParamsError} when no parameter set holds the network at the asked precision, saying what is missing.
 */
export function compile(model: ModelGraph | PolynomialNetwork, options: CompileOptions): Program {
  arg.checkArguments('compile', [model, options], {
    model: arg.either(
      arg.like('a ModelGraph', 'inputs', 'output'),
      arg.like('a PolynomialNetwork', 'layers', 'ranges'),
    ),
    options: arg.options,
  });
  const graph = model instanceof PolynomialNetwork ? toModelGraph(model) : model;
  const inputBound = options.inputBound ?? clipBound(graph) ?? DEFAULT_INPUT_BOUND;
  const layout = options.layout ?? 'batch';
  const lowered = (kind: keyof typeof DEFAULT_WEIGHT_BITS, from = graph): Circuit =>
    lowerGraph(from, { inputBound, weightBits: options.weightBits ?? DEFAULT_WEIGHT_BITS[kind] });
  const circuit = lowered(layout === 'packed' ? 'packed' : 'batch');
  const [low, high] = circuit.outputRange;
  if (!(low < high))
    throw new InvalidParamsError('the scores of the model are constant: nothing is left to compute', {
      low,
      high,
    });
  const wanted = (options.precision ?? DEFAULT_PRECISION) * (high - low);
  const subject = { graph, circuit, wanted, name: options.name };
  const logN = options.logN ?? DEFAULT_LOG_N;
  const search = { wanted, logN, isTraced: options.reply !== 'whole', plan: options.keys ?? 'tailored' };
  const packed = (): FoundPackedProgram => packedPlan(subject, lowered, search);
  if (layout === 'packed') return assemblePacked(packed());
  const { placement } = options;
  const batch = () =>
    assemble(subject, searchParameters(circuit, { wanted, logN, ...(placement && { placement }) }));
  return layout === 'batch' ? batch() : cheaper(packed, batch);
}

/** Packed when a sample costs less so; a model that fits one layout only gets that one. */
function cheaper(plan: () => FoundPackedProgram, batch: () => Program): Program {
  const attempt = <T>(work: () => T): T | Error => {
    try {
      return work();
    } catch (error) {
      if (
        error instanceof InvalidParamsError ||
        error instanceof UnsupportedOpError ||
        error instanceof LimitError
      )
        return error;
      throw error;
    }
  };
  const packed = attempt(plan);
  if (packed instanceof Error) return batch();
  const other = attempt(batch);
  if (!(other instanceof Error) && batchCost(other) <= packed.found.cost) return other;
  return assemblePacked(packed);
}

interface Assembled {
  readonly graph: ModelGraph;
  readonly circuit: Circuit;
  readonly wanted: number;
  readonly name: string;
}

/** Six deviations use half of the error budget. */
const FLOODING_DEVIATIONS = 12;

interface FoundPackedProgram {
  readonly subject: Assembled;
  readonly found: FoundPacked;
}

/**
 * Quadratics as one square each, where they allow that; where no parameters hold those, as they came. One level less is worth more than
 * the bits that larger squares take.
 */
function packedPlan(
  subject: Assembled,
  lowered: (kind: 'packed', graph?: ModelGraph) => Circuit,
  search: PackedSearchOptions,
): FoundPackedProgram {
  const plan = (graph: ModelGraph): FoundPackedProgram => {
    const circuit = lowered('packed', graph);
    return { subject: { ...subject, circuit }, found: searchPacked(circuit, search) };
  };
  const { graph } = subject;
  if (!graph.nodes.some(isShiftedSquare)) return plan(graph);
  try {
    return plan(normaliseChannels(completedSquares(graph)));
  } catch (error) {
    if (!(error instanceof InvalidParamsError)) throw error;
    return plan(graph);
  }
}

/** A quadratic that is no multiple of a square. */
function isShiftedSquare(node: ModelNode): boolean {
  return (
    node.op === 'polynomial' &&
    node.coefficients.length === 3 &&
    node.coefficients[1]!.some((value) => value !== 0)
  );
}

function assemblePacked({ subject, found }: FoundPackedProgram): Program {
  const { graph, circuit, wanted, name } = subject;
  const { spec, list, plan, schemeError } = found;
  const { layouts, ...steps } = list;
  const about = descriptionOf(graph, circuit.inputBound);
  return validateProgram({
    version: list.steps.at(-1)!.op === 'trace' || plan === 'standard' ? 3 : 2,
    name,
    params: spec,
    galois: [],
    buckets: [{ block: 1, interleave: 1 }],
    inputs: wireSize(graph, 0),
    outputs: wireSize(graph, graph.output),
    inputBound: circuit.inputBound,
    output: { range: circuit.outputRange, schemeError, flooding: wanted / FLOODING_DEVIATIONS },
    ...steps,
    ...(about && { about }),
    packed: {
      layouts,
      ...(plan === 'standard' && { plan }),
      keys: keysOf({ ...list, logN: spec.logN, specials: spec.logP.length, plan }),
    },
  });
}

function clipBound({ inputs }: ModelGraph): number | undefined {
  const bound = Math.max(...(inputs[0]?.clip ?? [Infinity]).map(Math.abs));
  return Number.isFinite(bound) && bound > 0 ? bound : undefined;
}

function assemble(
  { graph, circuit, wanted, name }: Assembled,
  { spec, params, list, schemeError }: FoundPlan,
): Program {
  const buckets: Bucket[] = [];
  for (let block = SMALLEST_BLOCK; block <= params.slots; block *= 2)
    buckets.push({ block, interleave: params.slots / block });
  const about = descriptionOf(graph, circuit.inputBound);
  return validateProgram({
    version: 1,
    name,
    params: spec,
    galois: expansionElements(params.n, params.slots / SMALLEST_BLOCK),
    buckets,
    inputs: wireSize(graph, 0),
    outputs: wireSize(graph, graph.output),
    inputBound: circuit.inputBound,
    output: {
      range: circuit.outputRange,
      schemeError,
      flooding: wanted / FLOODING_DEVIATIONS,
    },
    ...list,
    ...(about && { about }),
  });
}

/** Models of our own formats have neither a description of their inputs nor a tail. */
export function descriptionOf(
  { inputs, tail, source }: ModelGraph,
  inputBound: number,
): ModelDescription | undefined {
  const input = inputs[0];
  const isBare = input?.kind === 'tensor' && tail.nodes.length === 0 && source.producer === undefined;
  if (input === undefined || isBare) return undefined;
  const finite = ([low, high]: readonly [number, number]): [number, number] => [
    Math.max(low, -inputBound),
    Math.min(high, inputBound),
  ];
  return { input: { ...input, interval: finite(input.interval), clip: finite(input.clip) }, tail };
}
