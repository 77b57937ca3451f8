/**
 * Calibration: from a trained network and some of its inputs to a network that runs under encryption, and what that costs in
 * accuracy, before anybody encrypts.
 */
import { DataError, OutOfRangeError, ShapeError } from '../../base/errors.ts';
import { interpret } from '../graph/clear-interpreter.ts';
import type { InputDescription, ModelGraph } from '../graph/model-graph.ts';
import { wireSize } from '../graph/model-graph.ts';
import { mergeLinear } from '../graph/passes/merge-linear.ts';
import { pruneConstants } from '../graph/passes/prune-constants.ts';
import { SeededGenerator } from '../tensor/generator.ts';
import { sizeOf } from '../tensor/tensor.ts';
import { approximate, nodesToReplace } from './approximate.ts';
import type { Approximation, ReplacedLayer, Replacement } from './approximate.ts';
import { decisionRule } from './decisions.ts';
import type { DecisionRule } from './decisions.ts';
import { quantiseGraph } from './quantise-graph.ts';
import { nearbySquares } from './nearby-squares.ts';
import { isPairable } from './replace-nodes.ts';

export interface CalibrationData {
  /** `[samples, elements]` of every input, normalised as the model takes them. */
  readonly inputs: readonly Float32Array[];
  /** The right class of each sample, when it is known. */
  readonly labels?: ArrayLike<number>;
}

export interface CalibrationOptions {
  /** Agreement with the float network that may be lost on held-out samples: 0.005 by default. */
  readonly drop?: number;
  /** Of polynomials: 4 by default; 2 uses least depth. */
  readonly maxDegree?: number;
  /** Of the weights in the quantised column of the report: 8 by default. */
  readonly weightBits?: number;
  /** One polynomial per channel (default), or one for a layer. */
  readonly perChannel?: boolean;
  /**
   * Bends quadratics so that each is one square, where that costs half of the drop at most: for layouts of one sample, where what
   * remains beside the square takes a product with encoded constants. Not by default.
   */
  readonly bendSquares?: boolean;
  /** Which samples are held out: by a shuffle from this seed. */
  readonly seed?: number;
}

/** How often a network decides like the float network, and rightly when labels are known. */
export interface Accuracy {
  readonly agreement: number;
  readonly accuracy?: number;
}

export interface CalibrationReport {
  readonly fitted: number;
  readonly heldOut: number;
  readonly float: Accuracy;
  readonly polynomial: Accuracy;
  readonly quantised: Accuracy;
  readonly layers: readonly ReplacedLayer[];
  /** What was tried, in order, for a person. */
  readonly trace: readonly string[];
  readonly warnings: readonly string[];
}

export interface CalibratedModel {
  /** Sums, products and polynomials only; every wire carries its statistics, inputs their interval. */
  readonly graph: ModelGraph;
  /** The same before layers were merged and constant channels dropped: the nodes of the float network, each replaced. */
  readonly fits: ModelGraph;
  readonly report: CalibrationReport;
}

const LEAST_SAMPLES = 8;
const FEW_SAMPLES = 256;
/** Numbers of one wire over all samples: 256 MB. */
const MAX_NUMBERS = 2 ** 25;

/**
 * Replaces activations, maxima and norms by what encryption can compute. Every layer starts with its cheapest replacement (degree 2,
 * means for maxima); while the held-out agreement lacks more than `drop`, the layer nearest to the output whose dearer
 * replacement helps is changed; at the end every change is tried back once. Where that does not reach `drop`, all is tried again with
 * fits that count samples near a decision more. A third of the samples is held out. Channels that became constants are dropped.
 * @throws {ShapeError} when samples are not of the model's shape. @throws {DataError} for fewer than 8 samples, or numbers that
 * are not finite. @throws {UnsupportedOpError} for functions that no polynomial approximates.
 */
export function calibrate(
  graph: ModelGraph,
  data: CalibrationData,
  options: CalibrationOptions = {},
): CalibratedModel {
  const {
    drop = 0.005,
    maxDegree = 4,
    weightBits = 8,
    perChannel = true,
    bendSquares = false,
    seed = 1,
  } = options;
  if (!(drop >= 0 && drop <= 1)) throw new OutOfRangeError('the drop', '0 to 1', drop);
  if (!(Number.isInteger(maxDegree) && maxDegree >= 2 && maxDegree <= 7))
    throw new OutOfRangeError('the largest degree', 'an integer of 2 to 7', maxDegree);
  const warnings: string[] = [];
  const { fit, test } = splitSamples(graph, data, seed, warnings);
  const rule = decisionRule(graph);
  const needed = interpret(graph, test.inputs, test.count);
  const agreementOf = (candidate: ModelGraph): number =>
    rule.agreement(interpret(candidate, test.inputs, test.count), needed, test.count);
  const replacements = new Map(
    nodesToReplace(graph).map(
      (index) => [index, replacementsOf(graph, index, maxDegree, perChannel)] as const,
    ),
  );
  const searched = (weights?: Float64Array): SearchedReplacements => {
    const search = new ReplacementSearch(graph, { fit, replacements, agreementOf, weights });
    return { ...search.run(drop), trace: search.trace };
  };
  const plain = searched();
  const best =
    plain.agreement >= 1 - drop ? plain : betterNearDecisions(plain, weightsOf(graph, fit, rule), searched);
  const chosen = bendSquares ? withNearbySquares(best, agreementOf, drop) : best.approximation.graph;
  const fits = withInputIntervals(chosen, warnings);
  const polynomial = pruneConstants(mergeLinear(fits));
  const quantised = quantiseGraph(polynomial, weightBits);
  const measure = (candidate: ModelGraph): Accuracy =>
    accuracyOf(interpret(candidate, test.inputs, test.count), rule, test, needed);
  return {
    graph: polynomial,
    fits,
    report: {
      fitted: fit.count,
      heldOut: test.count,
      float: accuracyOf(needed, rule, test, needed),
      polynomial: measure(polynomial),
      quantised: measure(quantised),
      layers: best.approximation.layers,
      trace: best.trace,
      warnings,
    },
  };
}

/** Cheaper squares, for half a drop at most, and where `drop` is reached, within it. */
function withNearbySquares(
  { approximation: { graph }, agreement }: SearchedReplacements,
  agreementOf: (graph: ModelGraph) => number,
  drop: number,
): ModelGraph {
  const near = nearbySquares(graph);
  const least = agreement >= 1 - drop ? 1 - drop : agreement - drop / 2;
  return agreementOf(near) >= least ? near : graph;
}

interface SearchedReplacements extends Evaluated {
  readonly trace: readonly string[];
}

/** How much more a sample counts that is about to be decided otherwise, and the share of the mean margin over which that fades. */
const [NEAR_WEIGHT, NEAR_SHARE] = [20, 1 / 4];

/** A sample's weight in the fits: the more, the nearer its decision is. Undefined where nothing is decided. */
function weightsOf(graph: ModelGraph, fit: Samples, { margin }: DecisionRule): Float64Array | undefined {
  if (margin === undefined) return undefined;
  const outputs = interpret(graph, fit.inputs, fit.count);
  const margins = Float64Array.from({ length: fit.count }, (_, sample) => margin(outputs, sample));
  const mean = margins.reduce((sum, value) => sum + value, 0) / fit.count;
  return margins.map((value) => 1 + NEAR_WEIGHT * Math.exp(-value / (NEAR_SHARE * mean)));
}

/** The search again with fits that count samples near a decision more, where that agrees more. */
function betterNearDecisions(
  plain: SearchedReplacements,
  weights: Float64Array | undefined,
  searched: (weights: Float64Array) => SearchedReplacements,
): SearchedReplacements {
  if (weights === undefined) return plain;
  const weighted = searched(weights);
  const isBetter = weighted.agreement > plain.agreement;
  const { trace } = weighted;
  const again = `again, samples near a decision count more${isBetter ? '' : ', not kept'}:`;
  return { ...(isBetter ? weighted : plain), trace: [...plain.trace, again, ...trace] };
}

interface Samples {
  readonly inputs: readonly Float32Array[];
  readonly count: number;
  readonly labels?: readonly number[];
}

function splitSamples(
  graph: ModelGraph,
  { inputs, labels }: CalibrationData,
  seed: number,
  warnings: string[],
): { fit: Samples; test: Samples } {
  if (inputs.length !== graph.inputs.length)
    throw new ShapeError(
      'the calibration inputs',
      `${graph.inputs.length}, one for each of the model's`,
      inputs.length,
    );
  const sizes = graph.inputs.map(({ shape }) => sizeOf(shape));
  const count = inputs[0].length / sizes[0];
  inputs.forEach((values, i) => {
    if (!Number.isInteger(count) || values.length !== count * sizes[i])
      throw new ShapeError(
        `the calibration data of ${graph.inputs[i].name}`,
        `n x ${graph.inputs[i].shape.join(' x ')}`,
        `${values.length} numbers`,
      );
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new DataError(
        `calibration sample ${Math.floor(bad / sizes[i])} of ${graph.inputs[i].name} holds ${values[bad]} at element ${bad % sizes[i]}`,
      );
  });
  if (count < LEAST_SAMPLES)
    throw new DataError(
      `${count} calibration samples; ${LEAST_SAMPLES} are the least, ${FEW_SAMPLES} are advisable`,
    );
  if (count < FEW_SAMPLES)
    warnings.push(`${count} calibration samples: fits may not carry over; ${FEW_SAMPLES} are advisable`);
  if (labels !== undefined && labels.length !== count)
    throw new ShapeError('the labels', count, labels.length);
  if (labels !== undefined && new Set(Array.from(labels)).size === 1)
    warnings.push('all labels are of one class: the accuracies tell nothing');
  const generator = new SeededGenerator(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(generator.uniform() * (i + 1));
    [order[i], order[other]] = [order[other], order[i]];
  }
  const largest = Math.max(...graph.wires.map((_, id) => wireSize(graph, id)));
  const room = Math.max(LEAST_SAMPLES, Math.floor(MAX_NUMBERS / largest));
  const used = Math.min(count, room);
  if (used < count)
    warnings.push(`${used} of ${count} samples are used: its largest layer has ${largest} values`);
  const held = Math.floor(used / 3);
  const take = (indices: readonly number[]): Samples => ({
    count: indices.length,
    inputs: inputs.map((values, input) => {
      const size = sizes[input];
      const taken = new Float32Array(indices.length * size);
      indices.forEach((index, i) => taken.set(values.subarray(index * size, (index + 1) * size), i * size));
      return taken;
    }),
    ...(labels === undefined ? {} : { labels: indices.map((index) => labels[index]) }),
  });
  return { fit: take(order.slice(held, used)), test: take(order.slice(0, held)) };
}

/** From the cheapest to the dearest. */
function replacementsOf(
  graph: ModelGraph,
  index: number,
  maxDegree: number,
  perChannel: boolean,
): Replacement[] {
  const node = graph.nodes[index];
  if (node.op === 'norm') return [{ kind: 'frozen' }];
  const degrees = [2, 4, 6].filter((degree) => degree <= maxDegree);
  // What only rounds is nearly the identity; what also clips is not.
  if (node.op === 'function' && node.fn === 'fake-quantise') degrees.unshift(1);
  if (node.op !== 'maximum') return degrees.map((degree) => ({ kind: 'polynomial', degree, perChannel }));
  const pairwise = isPairable(node)
    ? degrees.map((degree): Replacement => ({ kind: 'pairwise', degree }))
    : [];
  return [{ kind: 'mean' }, ...pairwise];
}

function describe(by: Replacement): string {
  if (by.kind === 'polynomial') return `degree ${by.degree}`;
  if (by.kind === 'pairwise') return `pairwise, |x| by degree ${by.degree}`;
  return by.kind === 'mean' ? 'mean of the window' : 'frozen statistics';
}

interface SearchSubject {
  readonly fit: Samples;
  readonly replacements: ReadonlyMap<number, readonly Replacement[]>;
  readonly agreementOf: (graph: ModelGraph) => number;
  /** Of each sample in the fits. */
  readonly weights: Float64Array | undefined;
}

/** Which replacement each node gets. */
class ReplacementSearch {
  readonly trace: string[] = [];
  readonly #graph: ModelGraph;
  readonly #fit: Samples;
  readonly #options: ReadonlyMap<number, readonly Replacement[]>;
  readonly #agreementOf: (graph: ModelGraph) => number;
  readonly #weights: Float64Array | undefined;

  constructor(graph: ModelGraph, { fit, replacements, agreementOf, weights }: SearchSubject) {
    this.#graph = graph;
    this.#fit = fit;
    this.#options = replacements;
    this.#agreementOf = agreementOf;
    this.#weights = weights;
  }

  run(drop: number): Evaluated {
    const nodes = [...this.#options.keys()];
    const place = new Map(nodes.map((index) => [index, 0]));
    let best = this.#evaluate(place);
    this.#note('cheapest replacements', best.agreement);
    let hasChanged = true;
    while (best.agreement < 1 - drop && hasChanged) {
      hasChanged = false;
      for (const index of [...nodes].reverse()) {
        const next = place.get(index)! + 1;
        if (next >= this.#options.get(index)!.length) continue;
        const tried = this.#evaluate(new Map([...place, [index, next]]));
        const isBetter = tried.agreement > best.agreement;
        this.#note(
          `${this.#nameOf(index)}: ${describe(this.#options.get(index)![next])}`,
          tried.agreement,
          isBetter,
        );
        if (!isBetter) continue;
        place.set(index, next);
        best = tried;
        hasChanged = true;
        if (best.agreement >= 1 - drop) break;
      }
    }
    return this.#tryBack(place, best, drop);
  }

  /** A change whose reversal costs nothing any more is taken back. */
  #tryBack(place: Map<number, number>, reached: Evaluated, drop: number): Evaluated {
    let best = reached;
    for (const [index, at] of place) {
      if (at === 0) continue;
      const tried = this.#evaluate(new Map([...place, [index, at - 1]]));
      const isEnough = tried.agreement >= Math.min(best.agreement, 1 - drop);
      this.#note(
        `${this.#nameOf(index)}: back to ${describe(this.#options.get(index)![at - 1])}`,
        tried.agreement,
        isEnough,
      );
      if (!isEnough) continue;
      place.set(index, at - 1);
      best = tried;
    }
    return best;
  }

  #evaluate(place: ReadonlyMap<number, number>): Evaluated {
    const choices = new Map([...place].map(([index, at]) => [index, this.#options.get(index)![at]]));
    const approximation = approximate(this.#graph, this.#fit.inputs, this.#fit.count, choices, this.#weights);
    return { approximation, agreement: this.#agreementOf(approximation.graph) };
  }

  #nameOf(index: number): string {
    return this.#graph.wires[this.#graph.nodes[index].out].name;
  }

  #note(what: string, agreement: number, isKept = true): void {
    this.trace.push(`${what}: agreement ${(100 * agreement).toFixed(2)} %${isKept ? '' : ', not kept'}`);
  }
}

interface Evaluated {
  readonly approximation: Approximation;
  readonly agreement: number;
}

function accuracyOf(got: Float64Array, rule: DecisionRule, test: Samples, needed: Float64Array): Accuracy {
  const agreement = rule.agreement(got, needed, test.count);
  const accuracy = test.labels === undefined ? undefined : rule.accuracy?.(got, test.labels);
  return accuracy === undefined ? { agreement } : { agreement, accuracy };
}

/** Inputs are described by what was seen of them. */
function withInputIntervals(graph: ModelGraph, warnings: string[]): ModelGraph {
  const inputs = graph.inputs.map((input, i): InputDescription => {
    const { low, high } = graph.wires[i].trained!;
    const constants = low.reduce((count, value, channel) => count + (value === high[channel] ? 1 : 0), 0);
    if (constants > 0)
      warnings.push(
        `${constants} of ${low.length} channels of ${input.name} never change in the calibration data`,
      );
    const interval = [Math.min(...low), Math.max(...high)] as const;
    const clip = input.clip.every(Number.isFinite) ? input.clip : interval;
    return { ...input, interval, clip };
  });
  return { ...graph, inputs };
}
