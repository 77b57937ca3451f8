/**
 * The trainer's side: evaluation keys and encrypted batches in, encrypted states out. It holds no secret key and sees no value. All of its
 * work is deterministic.
 */
import * as arg from '../../../base/arguments.ts';
import { printOnOneLine } from '../../../base/inspect.ts';
import { type BootstrapKeys, Bootstrapper } from '../../../circuits/bootstrap/bootstrapper.ts';
import { ExactOperations } from '../../../circuits/exact-operations.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { CkksCiphertext } from '../../../schemes/ckks/ciphertext.ts';
import type { CkksContext } from '../../../schemes/ckks/context.ts';
import { assertCount, assertFresh } from '../assert-ciphertexts.ts';
import { type EncryptedBatch, PerceptronCircuit } from './circuit.ts';
import type { PerceptronProgram } from './program.ts';
import { EncodedMasks, MaskedOperations } from './masked-operations.ts';

export class PerceptronTrainer implements Disposable {
  readonly program: PerceptronProgram;
  #context: CkksContext;
  #keys: BootstrapKeys;
  #bootstrapper: Bootstrapper;
  #arena: Arena;
  #masks: EncodedMasks;

  /** Keys and context are borrowed. @throws {ParamsMismatchError} {@link KernelError} when memory is exhausted. */
  constructor(context: CkksContext, program: PerceptronProgram, keys: BootstrapKeys) {
    arg.checkArguments('new PerceptronTrainer', [context, program, keys], {
      context: arg.like('a CkksContext', 'keyGenerator', 'encoder'),
      program: arg.like('a PerceptronProgram', 'layout', 'spec'),
      keys: arg.like('a BootstrapKeys', 'evaluation', 'encapsulation'),
    });
    context.assertOwn('a training program', { paramsId: program.params.id });
    this.program = program;
    this.#context = context;
    this.#keys = keys;
    this.#bootstrapper = new Bootstrapper(context, keys, program.bootstrap);
    this.#arena = context.arena();
    this.#masks = new EncodedMasks(context.encoder(this.#arena), program.params.slots);
  }

  /**
   * One step: the states after it, in `arena`. Arguments are borrowed.
   *
   * @throws {ShapeError} for ciphertexts that are not the program's. {@link MissingKeyError}
   */
  step(states: readonly CkksCiphertext[], batch: EncryptedBatch, arena: Arena): CkksCiphertext[] {
    const { levels, layout, stateCiphertexts } = this.program;
    this.#assert('states', states, stateCiphertexts, levels.input);
    this.#assert('encrypted inputs', batch.inputs, layout.inputCiphertexts, levels.inputs);
    this.#assert('encrypted labels', [batch.labels], 1, levels.labels);
    using work = this.#context.arena();
    const next = this.#circuit(work).step(states, batch);
    return next.map((state) => arena.adopt(work.keep(state)));
  }

  /** Scores of every sample of a batch, in `arena`: the network of these states. @throws as {@link step}. */
  scores(states: readonly CkksCiphertext[], inputs: readonly CkksCiphertext[], arena: Arena): CkksCiphertext {
    const { levels, layout, stateCiphertexts } = this.program;
    this.#assert('states', states, stateCiphertexts, levels.input);
    this.#assert('encrypted inputs', inputs, layout.inputCiphertexts, levels.inputs);
    using work = this.#context.arena();
    const circuit = this.#circuit(work);
    const scores = circuit.scores(states, inputs);
    const evaluator = this.#context.evaluator(this.#keys.evaluation, arena);
    return evaluator.dropTo(scores, 1);
  }

  #circuit(work: Arena): PerceptronCircuit {
    const exact = new ExactOperations(this.#context, this.#keys.evaluation, work);
    return new PerceptronCircuit(this.program, new MaskedOperations(exact, this.#masks), this.#bootstrapper);
  }

  #assert(what: string, given: readonly CkksCiphertext[], count: number, level: number): void {
    assertCount(what, given, count);
    assertFresh(this.#context, what, given, level);
  }

  [Symbol.dispose](): void {
    this.#bootstrapper[Symbol.dispose]();
    this.#arena[Symbol.dispose]();
  }
}

printOnOneLine(PerceptronTrainer);
arg.guard('PerceptronTrainer', PerceptronTrainer.prototype, {
  step: {
    states: arg.list,
    batch: arg.like('an EncryptedBatch', 'inputs', 'labels'),
    arena: arg.like('an Arena', 'make', 'adopt'),
  },
  scores: { states: arg.list, inputs: arg.list, arena: arg.like('an Arena', 'make', 'adopt') },
});
