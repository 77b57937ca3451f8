/**
 * All networks of one task that come from the same frames: the float network, its quantised forms with and without
 * retraining, and the polynomial ones. Each is trained at most once; later calls and later runs read the work directory.
 */
import { join } from 'node:path';
import {
  exportPolynomial,
  foldBatchNorms,
  prepareFineTuning,
  refreshStatistics,
  toSquareForm,
  withWeightBits,
} from '../../nn/index.ts';
import type { MatrixMultiply, PolynomialNetwork, Sequential, SquareStage } from '../../nn/index.ts';
import { startFloat, startStages } from './former-model.ts';
import type { FormerOutputs } from './former-model.ts';
import type { FrameSet } from './frame-set.ts';
import { freshNetwork, trainNetwork } from './network-training.ts';
import type { NetworkRun } from './network-training.ts';
import type { PerturbationRanges } from './input-perturbation.ts';
import { quadraticSpecs, reluSpecs } from './task-plan.ts';
import type { NetworkKind, StageEpochs, TaskPlan } from './task-plan.ts';
import type { TrainingLog } from './training-log.ts';

/** Weight widths of the tables. */
export const WEIGHT_BITS: readonly number[] = [16, 8, 4, 2];

/** From this width on, rounding is too fine for retraining to have anything to repair. */
const LOSSLESS_BITS = 16;
/** From this width on, little retraining is needed. */
const LIGHT_BITS = 8;
const CALIBRATION_FRAMES = 4096;
/** Frames over which the intervals of the shipped network are measured. */
const RANGE_FRAMES = 65_536;
const BATCH = 256;

/** Which frames an epoch sees. */
interface FrameDraw {
  /** States below this are silence. */
  readonly silentStates: number;
  readonly silenceShare: number;
  readonly framesPerEpoch: number;
  /** How inputs are perturbed; not at all when absent. */
  readonly perturbation?: PerturbationRanges;
}

/** Where a family works. */
export interface Workshop {
  readonly multiply: MatrixMultiply;
  readonly work: string;
  readonly log: TrainingLog;
  /** An earlier model whose networks this one's start from, and what its outputs have to do with these. */
  readonly former?: {
    readonly float: Sequential;
    readonly polynomial: PolynomialNetwork;
    readonly outputs: FormerOutputs;
  };
}

export class NetworkFamily {
  readonly kind: NetworkKind;
  readonly #plan: TaskPlan;
  readonly #frames: FrameSet;
  readonly #outputs: number;
  readonly #multiply: MatrixMultiply;
  readonly #work: string;
  readonly #log: TrainingLog;
  readonly #draw: FrameDraw;
  readonly #start: NetworkFamily | undefined;
  readonly #former: Workshop['former'];

  /** `start`: a family of the same kind whose float network is the starting point of this one's. */
  constructor(
    kind: NetworkKind,
    plan: TaskPlan,
    frames: FrameSet,
    outputs: number,
    workshop: Workshop,
    start?: NetworkFamily,
  ) {
    this.kind = kind;
    this.#plan = plan;
    this.#frames = frames;
    this.#outputs = outputs;
    this.#multiply = workshop.multiply;
    this.#work = join(workshop.work, kind);
    this.#log = workshop.log;
    this.#start = start;
    this.#former = workshop.former;
    const { statesPerUnit, silenceShare, framesPerEpoch, perturbation } = plan;
    this.#draw = {
      silentStates: statesPerUnit,
      silenceShare,
      framesPerEpoch,
      ...(perturbation === undefined ? {} : { perturbation }),
    };
  }

  /** Batch norm and ReLU in full precision. Without `epochs`, as long as the plan says in all its rounds. */
  float(epochs?: number): Sequential {
    const { sizes, seed } = this.#plan;
    const planned = this.#epochs;
    const start = this.#start;
    const former = this.#former;
    const fresh = (): Sequential =>
      freshNetwork(this.#inputShape, reluSpecs(this.kind, sizes, this.#outputs), this.#multiply, seed);
    if (former !== undefined && this.kind === 'dnn')
      return this.#train('float', epochs ?? planned.float, 1e-3, () =>
        startFloat(former.float, fresh(), former.outputs),
      );
    if (start !== undefined) {
      return this.#train('float', epochs ?? planned.float, 1e-3, () =>
        start.#outputs === this.#outputs
          ? start.float(planned.first)
          : copyWhatFits(start.float(planned.first), fresh()),
      );
    }
    return this.#train('float', epochs ?? planned.first + planned.float, 1.5e-3, fresh);
  }

  /** The float network rounded to `bits`, batch norms folded first. */
  rounded(bits: number): Sequential {
    return withWeightBits(foldBatchNorms(this.float(), this.#multiply), bits, this.#multiply);
  }

  /** The float network trained on with rounded weights. */
  retrained(bits: number): Sequential {
    if (bits >= LOSSLESS_BITS) return this.rounded(bits);
    return this.#train(`retrained-${bits}bit`, this.#quantisedEpochs(bits), 5e-4, () =>
      withWeightBits(this.float(), bits, this.#multiply),
    );
  }

  /** Batch norm and learned quadratics in full precision, started from the weights of the float network. */
  quadratic(): Sequential {
    const { sizes, seed } = this.#plan;
    return this.#learn('quadratic', this.#epochs.polynomial, 1e-3, () => {
      const network = freshNetwork(
        this.#inputShape,
        quadraticSpecs(this.kind, sizes, this.#outputs),
        this.#multiply,
        seed + 1,
      );
      copyLinearLayers(this.float(), network);
      return network;
    });
  }

  /** The canonical polynomial network at `bits`, fine-tuned in that form below 16 bits. */
  polynomial(bits: number): PolynomialNetwork {
    const inputs = this.#sample(CALIBRATION_FRAMES);
    const wide = this.#sample(RANGE_FRAMES);
    if (bits >= LOSSLESS_BITS)
      return exportPolynomial(this.#steadyQuadratic(inputs), bits, wide, this.#multiply);
    const rate = this.#plan.fineTuningRate[this.kind];
    const former = this.kind === 'dnn' && bits === this.#former?.polynomial.bits ? this.#former : undefined;
    const stages = (): SquareStage[] =>
      former === undefined
        ? toSquareForm(this.#steadyQuadratic(inputs))
        : startStages(former.polynomial, this.#frames.window.inputSize, former.outputs);
    const tuned = this.#learn(`polynomial-${bits}bit`, this.#quantisedEpochs(bits), rate, () =>
      prepareFineTuning(stages(), inputs, {
        balance: former === undefined ? 'cross' : 'none',
        bits,
        multiply: this.#multiply,
        seed: this.#plan.seed + bits,
      }),
    );
    refreshStatistics(tuned, wide);
    return exportPolynomial(tuned, bits, wide, this.#multiply, 'none');
  }

  get #epochs(): StageEpochs {
    return this.#plan.epochs[this.kind];
  }

  #quantisedEpochs(bits: number): number {
    const { lightlyQuantised, quantised } = this.#epochs;
    return bits >= LIGHT_BITS ? lightlyQuantised : quantised;
  }

  get #inputShape(): readonly [number, number, number] {
    const { coefficients, beside = 0 } = this.#plan.context;
    const { inputSize } = this.#frames.window;
    return beside === 0 ? [coefficients, 1, inputSize / coefficients] : [inputSize, 1, 1];
  }

  #steadyQuadratic(inputs: Float32Array): Sequential {
    const network = this.quadratic();
    refreshStatistics(network, inputs);
    return network;
  }

  /** Inputs of `count` training frames, silence included as in training. */
  #sample(count: number): Float32Array {
    const examples = this.#frames.draw(
      this.#plan.seed + 9,
      this.#draw.silentStates,
      this.#draw.silenceShare,
      count,
    );
    const inputs = new Float32Array(examples.count * this.#frames.window.inputSize);
    examples.read(
      Uint32Array.from({ length: examples.count }, (_, i) => i),
      0,
      inputs,
      new Int32Array(examples.count),
    );
    return inputs;
  }

  /** Trains a network that is meant to say what the float network says: its answers are part of the targets. */
  #learn(name: string, epochs: number, rate: number, start: () => Sequential): Sequential {
    const share = this.#plan.teacherShare[this.kind];
    if (share === 0) return this.#train(name, epochs, rate, start);
    return this.#train(name, epochs, rate, start, { network: () => this.float(), share });
  }

  #train(
    name: string,
    epochs: number,
    rate: number,
    start: () => Sequential,
    teacher?: NetworkRun['teacher'],
  ): Sequential {
    const run: NetworkRun = {
      name,
      epochs,
      batch: BATCH,
      rate,
      weightDecay: 1e-2,
      labelSmoothing: 0.05,
      seed: this.#plan.seed + 17,
      start,
      ...(teacher === undefined ? {} : { teacher }),
    };
    const { silentStates, silenceShare, framesPerEpoch, perturbation } = this.#draw;
    const examplesOf = (epoch: number) =>
      this.#frames.draw(
        run.seed + 1000 * (epoch + 1),
        silentStates,
        silenceShare,
        framesPerEpoch,
        perturbation,
      );
    return trainNetwork(run, examplesOf, this.#multiply, this.#work, this.#log);
  }
}

/** Takes the layers of `from` that have as many outputs; the last one is left as it is when it has other states. */
function copyWhatFits(from: Sequential, to: Sequential): Sequential {
  for (const [i, target] of to.layers.entries()) {
    const source = from.layers[i];
    if (source.outputShape[0] !== target.outputShape[0]) continue;
    for (const [p, parameter] of target.parameters.entries()) parameter.value.set(source.parameters[p].value);
    for (const [s, values] of target.statistics.entries()) values.set(source.statistics[s]);
  }
  return to;
}

/** Copies weights and batch norms layer by layer; activations of `to` keep their own parameters. */
function copyLinearLayers(from: Sequential, to: Sequential): void {
  for (const [i, target] of to.layers.entries()) {
    const source = from.layers[i];
    if (source.spec.kind !== target.spec.kind) continue;
    for (const [p, parameter] of target.parameters.entries()) parameter.value.set(source.parameters[p].value);
    for (const [s, values] of target.statistics.entries()) values.set(source.statistics[s]);
  }
}
