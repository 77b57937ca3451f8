/**
 * The training of a network on encrypted batches as a public program: shapes, levels, parameters, keys, who learns what. Owner and trainer
 * derive everything from the specification; every file carries its hash.
 *
 * Source: [NRPH19] trains networks on encrypted samples, with tables under BGV; here values are real numbers in CKKS, and the activation is
 * the polynomial of the bootstrap that the next layer needs anyway.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { BootstrapPlan } from '../../../circuits/bootstrap/plan.ts';
import { CkksParams } from '../../../schemes/ckks/params.ts';
import type { KeyPlan } from '../../../schemes/rlwe/keys/key-plan.ts';
import { assertForTests, specId } from '../program-fields.ts';
import { PerceptronLayout, type SlotAxis } from './layout.ts';
import { gradientStages, inputStages, leafStages, type StepLevels, stepLevels } from './plan.ts';
import { assertPerceptronSpec, canonicalPerceptronSpec, type PerceptronSpec } from './spec.ts';

const WORD_BYTES = 8;
/** Ciphertexts of a step besides chunks, and masks, that are alive at once: about. */
const [STEP_CIPHERTEXTS, MASKS] = [32, 128];

/** Rotations to the left that sum an axis: what is at its start is then the sum. */
export function sumSteps({ stride, size }: SlotAxis): number[] {
  return Array.from({ length: Math.log2(size) }, (_, i) => stride * 2 ** i);
}

/** Rotations to the right that spread what is at the start of an axis. */
export function fillSteps(axis: SlotAxis): number[] {
  return sumSteps(axis).map((step) => -step);
}

/** The rest of an axis behind its first `size` indices. */
export function restOf(axis: SlotAxis, size: number): SlotAxis {
  return { stride: axis.stride * size, size: axis.size / size };
}

export class PerceptronProgram {
  readonly spec: PerceptronSpec;
  readonly params: CkksParams;
  readonly layout: PerceptronLayout;
  readonly bootstrap: BootstrapPlan;
  readonly levels: StepLevels;

  /**
   * `insecure` are parameters for tests, marked so; without them those of 128 bits for bootstrapping.
   *
   * @throws {DataError} {@link OutOfRangeError} {@link InvalidParamsError} that says what does not fit.
   */
  constructor(spec: PerceptronSpec, insecure?: CkksParams) {
    arg.checkArguments('new PerceptronProgram', [spec, insecure], {
      spec: arg.options,
      insecure: arg.optional(arg.like('a CkksParams', 'toBytes', 'qMods')),
    });
    assertPerceptronSpec(spec);
    assertForTests(insecure);
    this.spec = Object.freeze({ ...spec, layers: Object.freeze([...spec.layers]) });
    this.params = insecure ?? CkksParams.bootstrapping();
    this.layout = new PerceptronLayout(spec, this.params.slots);
    this.bootstrap = new BootstrapPlan(this.params);
    this.levels = stepLevels(spec, this.layout, this.bootstrap);
  }

  /** SHA-256 of the specification: what files must agree on. */
  get id(): string {
    return specId(canonicalPerceptronSpec(this.spec));
  }

  /** The keys that the trainer needs. */
  get keyPlan(): KeyPlan {
    return this.bootstrap.keyPlan(this.#rotationPlan);
  }

  /** Bytes at the trainer: keys, what bootstraps hold, and what a step does besides, about. */
  get memory(): { readonly keys: number; readonly wire: number; readonly all: number } {
    const { keys, wire, factors, working } = this.bootstrap.bytes(this.#rotationPlan);
    const { layout, params, levels } = this;
    const limb = params.n * WORD_BYTES;
    const chunks = layout.layers.reduce(
      (sum, { inputChunks, outputChunks }) => sum + inputChunks + 2 * outputChunks,
      0,
    );
    const ciphertexts = (chunks + STEP_CIPHERTEXTS) * 2 * (levels.gradientProduct + 1);
    const masks = MASKS * (levels.state + 1);
    return { keys, wire, all: keys + factors + working + (ciphertexts + masks) * limb };
  }

  get #rotationPlan(): KeyPlan {
    const { layout, levels } = this;
    const rotations = new Map<number, number>();
    const { slots } = this.params;
    const add = (step: number, maxLevel: number): void => {
      const to = ((step % slots) + slots) % slots;
      if (to !== 0) rotations.set(to, Math.max(maxLevel, rotations.get(to) ?? 0));
    };
    /** Distances within a stage, in both directions unless slots repeat after it. */
    const around = ({ stride, size }: SlotAxis, isCyclic: boolean, maxLevel: number): void => {
      for (let i = 1; i < size; i++) {
        add(i * stride, maxLevel);
        if (!isCyclic) add(-i * stride, maxLevel);
      }
    };
    leafStages(layout).forEach((stage) => around(stage, true, levels.state));
    gradientStages(layout).forEach((stage) => around(stage, true, levels.gradientProduct));
    const all = { stride: layout.places * 2 ** layout.leafBits, size: layout.samples / 2 ** layout.leafBits };
    for (const step of sumSteps(all)) add(step, levels.state);
    inputStages(layout).forEach((stage) => around(stage, false, levels.inputs));
    layout.layers.forEach(({ reduce, out, outputChunks }, l) => {
      const { spread } = levels.layers[l]!;
      const top = Math.max(spread + 1, levels.forwardProduct + 1, levels.gradientProduct + 1);
      const chunks = { stride: reduce.stride, size: 2 ** Math.ceil(Math.log2(outputChunks)) };
      around(chunks, false, top);
      for (const axis of [reduce, out, restOf(reduce, chunks.size)])
        for (const step of [...sumSteps(axis), ...fillSteps(axis)]) add(step, top);
    });
    return { rotations: [...rotations].map(([step, maxLevel]) => ({ step, maxLevel })) };
  }

  /** Ciphertexts of what a step starts from and ends with: weights and moves, and what the guard saw. */
  get stateCiphertexts(): number {
    return this.layout.states + (this.spec.guard === true ? 1 : 0);
  }

  /** Bootstraps of a step. */
  get bootstrapsPerStep(): number {
    const errors = this.levels.layers.filter(({ isErrorRefreshed }) => isErrorRefreshed).length;
    return this.layout.states + this.layout.layers.length + errors;
  }

  /** Ciphertexts of a batch: inputs, then labels. */
  get batchCiphertexts(): number {
    return this.layout.inputCiphertexts + 1;
  }

  /** Weights and constants of the network. */
  get weights(): number {
    const { layers } = this.spec;
    return layers.slice(1).reduce((sum, outputs, l) => sum + (layers[l]! + 1) * outputs, 0);
  }

  /** Where the sums of a layer are before their activation. */
  sumLevel(layer: number): number {
    const { input, forwardProduct } = this.levels;
    // Chunks are put side by side by masks, which costs the level that the bootstrap would take for the scale.
    return this.layout.layers[layer]!.outputChunks > 1 ? input : forwardProduct - 1;
  }

  /** Where a leaf of the state is used: constants are added to the sums of their layer. */
  leafLevel(leaf: number): number {
    const { layer, isBias } = this.layout.leafOf(leaf);
    return isBias ? this.sumLevel(layer) : this.levels.layers[layer]!.weights;
  }

  /** What each party learns, for people. */
  get whoLearnsWhat(): { readonly trainer: string[]; readonly owner: string[]; readonly nobody: string[] } {
    const { layers, batch, steps, loss, activation, guard } = this.spec;
    return {
      trainer: [
        `the shape ${layers.join('-')}, batches of ${batch}, ${steps} steps, rate, momentum and decay, ${loss} loss, ${activation} activations`,
        'powers of two that bound weights and errors (the owner chose them with its data), and how long the run takes',
      ],
      owner: [
        `${this.weights} weights and their last moves; scores of samples that it asks about`,
        ...(guard === true ? ['whether, where and how often a sum before an activation left its range'] : []),
        'they are for the owner alone: exact values that are handed on can give away the secret key',
      ],
      nobody: ['samples, labels, sums, activations, errors, gradients and the loss, outside the owner'],
    };
  }
}

/** A program from JSON that somebody sent; `insecure` as for its constructor. @throws {DataError} {@link OutOfRangeError} {@link InvalidParamsError} */
export function parsePerceptronProgram(value: unknown, insecure?: CkksParams): PerceptronProgram {
  assertPerceptronSpec(value);
  return new PerceptronProgram(value, insecure);
}

printOnOneLine(PerceptronProgram);
arg.guard('PerceptronProgram', PerceptronProgram.prototype, {
  sumLevel: { layer: arg.number },
  leafLevel: { leaf: arg.number },
});
