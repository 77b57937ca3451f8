/**
 * The owner's side of a network's training: it encrypts the first weights, batches, and samples to ask about, and it alone can open states
 * and scores. What it opens is for itself: exact values that are handed on can give away its key.
 */
import * as arg from '../../../base/arguments.ts';
import { DataError } from '../../../base/errors.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
import type { SecretKey } from '../../../schemes/rlwe/keys/secret-key.ts';
import type { EncryptedBatch } from './circuit.ts';
import type { DenseWeights, LabelledSamples, PerceptronState } from './clear.ts';
import type { WeightPlace } from './layout.ts';
import type { PerceptronProgram } from './program.ts';
import { PERCEPTRON_INPUT_BOUND } from './spec.ts';

/** Of the squares of a guard, summed in one slot: in range each is below 2^-20. */
const GUARD_THRESHOLD = 1 / 2;

export class PerceptronOwner {
  readonly program: PerceptronProgram;
  #context: CkksContext;
  #secret: SecretKey;

  /** Key and context are borrowed. @throws {ParamsMismatchError} */
  constructor(context: CkksContext, program: PerceptronProgram, secret: SecretKey) {
    arg.checkArguments('new PerceptronOwner', [context, program, secret], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a PerceptronProgram', 'layout', 'spec'),
      secret: arg.like('a SecretKey', 'exportSecretBytes', 'toJSON'),
    });
    context.assertOwn('a training program', { paramsId: program.params.id });
    context.assertOwn('a secret key', secret);
    this.program = program;
    this.#context = context;
    this.#secret = secret;
  }

  /** The weights that training starts from: a state as the trainer returns it. @throws {DataError} for weights beyond their bound. */
  encryptState(state: PerceptronState, arena: Arena): CkksCiphertext[] {
    const { layout, params, levels, spec } = this.program;
    const values = Array.from({ length: layout.states }, () => new Float64Array(params.slots));
    const half = 2 ** layout.leafBits;
    const put = (isVelocity: boolean, { leaf, at }: WeightPlace, value: number): void => {
      if (!(Math.abs(value) <= spec.weightBound))
        throw new DataError(`a weight is not within ${spec.weightBound}, its bound`);
      const k = leaf % half;
      const state = Math.floor(leaf / half) + (isVelocity && !layout.isPacked ? layout.weightStates : 0);
      const period = layout.isPacked ? 2 * half : half;
      const first = k + (isVelocity && layout.isPacked ? half : 0);
      for (let sample = first; sample < layout.samples; sample += period)
        values[state]![sample * layout.places + at] = value;
    };
    for (const [isVelocity, layers] of [
      [false, state.layers],
      [true, state.velocities],
    ] as const)
      this.#eachWeight(layers, (place, from, index) => put(isVelocity, place, from[index]!));
    // A guard has seen nothing yet.
    if (spec.guard === true) values.push(new Float64Array(params.slots));
    return values.map((slots) => this.#encrypt(slots, levels.input, arena));
  }

  /** Every weight with its place and where it stands. @throws {DataError} for a network of another shape. */
  #eachWeight(
    layers: readonly DenseWeights[],
    visit: (place: WeightPlace, from: Float64Array, index: number) => void,
  ): void {
    const { layout } = this.program;
    layout.layers.forEach(({ inputs, outputs }, l) => {
      const { weights, biases } = layers[l] ?? {};
      if (weights?.length !== inputs * outputs || biases?.length !== outputs)
        throw new DataError(`layer ${l + 1} of the program has ${inputs} x ${outputs} weights`);
      for (let j = 0; j < outputs; j++) {
        visit(layout.biasPlace(l, j), biases, j);
        for (let i = 0; i < inputs; i++) visit(layout.weightPlace(l, i, j), weights, i * outputs + j);
      }
    });
  }

  #encrypt(slots: Float64Array, level: number, arena: Arena): CkksCiphertext {
    const plaintext = this.#context.encoder(arena).encode(slots, { level });
    slots.fill(0);
    using encryptor = this.#context.encryptor(this.#secret, arena);
    const ciphertext = encryptor.encrypt(plaintext);
    plaintext[Symbol.dispose]();
    return ciphertext;
  }

  /** A batch for one step. @throws {DataError} for samples that are not the program's. */
  encryptBatch(samples: LabelledSamples, arena: Arena): EncryptedBatch {
    const { layout, params, spec, levels } = this.program;
    if (samples.labels.length !== spec.batch)
      throw new DataError(`a batch has ${spec.batch} samples, not ${samples.labels.length}`);
    const width = spec.layers[0]!;
    if (samples.inputs.length !== spec.batch * width)
      throw new DataError(
        `${spec.batch} samples have ${width} numbers each, not ${samples.inputs.length} in all`,
      );
    const classes = spec.layers.at(-1)!;
    const labels = new Float64Array(params.slots);
    samples.labels.forEach((label, sample) => {
      if (label >= classes) throw new DataError(`a label is below ${classes}, the outputs of the network`);
      labels[sample * layout.places + layout.outputPlace(layout.layers.length - 1, label)] = 1;
    });
    const inputs = this.encryptInputs(samples.inputs, arena);
    return { inputs, labels: this.#encrypt(labels, levels.labels, arena) };
  }

  /** Samples to ask about, at most a batch of them. @throws {DataError} */
  encryptInputs(samples: Float64Array, arena: Arena): CkksCiphertext[] {
    const { layout, params, spec, levels } = this.program;
    const width = spec.layers[0]!;
    const count = samples.length / width;
    if (!Number.isInteger(count) || count < 1 || count > layout.samples)
      throw new DataError(
        `${layout.samples} samples of ${width} numbers at most, not ${samples.length} numbers`,
      );
    if (!samples.every((value) => Math.abs(value) <= PERCEPTRON_INPUT_BOUND))
      throw new DataError(`inputs are numbers within ${PERCEPTRON_INPUT_BOUND}`);
    const slots = Array.from({ length: layout.inputCiphertexts }, () => new Float64Array(params.slots));
    for (let i = 0; i < width; i++) {
      const { ciphertext, at, every } = layout.inputPlace(i);
      for (let sample = 0; sample < count; sample++)
        for (let place = at; place < layout.places; place += every)
          slots[ciphertext]![sample * layout.places + place] = samples[sample * width + i]!;
    }
    return slots.map((values) => this.#encrypt(values, levels.inputs, arena));
  }

  /** @throws {ParamsMismatchError} */
  #decrypt(ciphertext: CkksCiphertext): Float64Array {
    using arena = this.#context.arena();
    const plaintext = this.#context.decryptor(this.#secret, arena).decrypt(ciphertext);
    return this.#context.encoder(arena).decode(plaintext);
  }

  /** The state for the owner's own use. @throws {DataError} {@link ParamsMismatchError} */
  openState(states: readonly CkksCiphertext[]): PerceptronState {
    const { layout, spec } = this.program;
    this.#assertStates(states);
    const values = states.slice(0, layout.states).map((state) => this.#decrypt(state));
    const half = 2 ** layout.leafBits;
    const read = (isVelocity: boolean): DenseWeights[] => {
      const layers = layout.layers.map(({ inputs, outputs }) => ({
        weights: new Float64Array(inputs * outputs),
        biases: new Float64Array(outputs),
      }));
      this.#eachWeight(layers, ({ leaf, at }, to, index) => {
        const state = Math.floor(leaf / half) + (isVelocity && !layout.isPacked ? layout.weightStates : 0);
        const sample = (leaf % half) + (isVelocity && layout.isPacked ? half : 0);
        to[index] = values[state]![sample * layout.places + at]!;
      });
      return layers;
    };
    for (const slots of values)
      if (!slots.every((value) => Math.abs(value) <= 2 * spec.weightBound))
        throw new DataError('what was opened is no state of this program: a value is far beyond its bound');
    return { layers: read(false), velocities: read(true) };
  }

  #assertStates({ length }: readonly CkksCiphertext[]): void {
    const { stateCiphertexts: wanted } = this.program;
    if (length !== wanted)
      throw new DataError(`a state of this program is in ${wanted} ciphertexts, not ${length}`);
  }

  /**
   * What the guard saw in all steps so far: in how many places sums left their range, and how often in all. A sum counts from 1.2 to 1.6
   * times its bound; nearer to the bound it may count in part, and farther on it has gone round the circle and looks like a small one.
   *
   * @throws {DataError} for a program without a guard, or another state. {@link ParamsMismatchError}
   */
  openGuard(states: readonly CkksCiphertext[]): { readonly places: number; readonly times: number } {
    if (this.program.spec.guard !== true) throw new DataError('this program has no guard');
    this.#assertStates(states);
    const left = this.#decrypt(states.at(-1)!).filter((value) => value >= GUARD_THRESHOLD);
    return { places: left.length, times: left.reduce((sum, value) => sum + Math.round(value), 0) };
  }

  /** Scores of `count` samples, class by class. @throws {DataError} {@link ParamsMismatchError} */
  openScores(scores: CkksCiphertext, count: number): Float64Array {
    const { layout, spec } = this.program;
    if (!(Number.isInteger(count) && count >= 1 && count <= layout.samples))
      throw new DataError(`scores are of ${layout.samples} samples at most, not ${count}`);
    const values = this.#decrypt(scores);
    const classes = spec.layers.at(-1)!;
    return Float64Array.from({ length: count * classes }, (_, at) => {
      const place = layout.outputPlace(layout.layers.length - 1, at % classes);
      return values[Math.floor(at / classes) * layout.places + place]!;
    });
  }
}

printOnOneLine(PerceptronOwner);
arg.guard('PerceptronOwner', PerceptronOwner.prototype, {
  encryptState: {
    state: arg.like('a PerceptronState', 'layers', 'velocities'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  encryptBatch: {
    samples: arg.like('a LabelledSamples', 'inputs', 'labels'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  encryptInputs: { samples: arg.numbers, arena: arg.like('an Arena', 'make', 'adopt') },
  openState: { states: arg.list },
  openGuard: { states: arg.list },
  openScores: { scores: arg.like('a CkksCiphertext', 'toBytes', 'at'), count: arg.number },
});
