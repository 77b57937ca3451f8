/**
 * Publishing decrypted results. What a release can promise depends on where its ciphertext comes from:
 *
 * - {@link RlweRelease.recompute} evaluates the declared circuit itself, on inputs that this process encrypted and with evaluation keys
 *   that it made. Whatever an evaluator returned plays no part, so nobody can choose what is decrypted.
 * - {@link RlweRelease.open} decrypts a ciphertext that somebody else computed. No noise protects an arbitrary ciphertext: the one with
 *   the parts 0 and 1 decrypts to the secret key. So it is refused unless the owner states that the evaluator follows the circuit.
 *   The statement is not checked, for it cannot be; where it is false the key is lost.
 */
import { ReleaseRefusedError } from '../../../base/errors.ts';
import { hasOwnKeys } from './own-encryptions.ts';
import type { SecretKey } from '../keys/secret-key.ts';

/** What the owner of the key vouches for when it opens what somebody else computed. */
export interface EvaluatorStatement {
  /** It is curious, perhaps, but computes the declared circuit on the inputs that the owner encrypted, and nothing else. */
  readonly evaluator: 'follows-the-circuit';
}

/** How {@link RlweRelease.recompute} treats inputs and answers. */
export interface RecomputeOptions<S> {
  /** What an evaluator returned, in whole bytes: it must be the same, word for word, or nothing is released. */
  readonly claimed?: S;
  /** For inputs that this process did not encrypt: the owner vouches for them, as {@link EvaluatorStatement} does for a result. */
  readonly inputs?: 'honestly-encrypted';
  /** For evaluation keys that this process did not make, as those that its owner stored and read back: the owner vouches for them. */
  readonly keys?: 'made-by-the-owner';
}

/** `S` a ciphertext, `E` an evaluator, `R` what is published. */
export abstract class RlweRelease<S extends object, E extends object, R> {
  /** The declared circuit on ciphertexts. */
  protected abstract run(evaluator: E, inputs: readonly S[]): S;

  /** @throws {ReleaseRefusedError} when this input is not what the circuit was declared for. */
  protected abstract assertInput(input: S, index: number, isVouchedFor: boolean): void;

  /** Whether both have the same facts and the same words. */
  protected abstract isSame(a: S, b: S): boolean;

  /** Decrypts what has been found fit to be released, hides what must be hidden, and decodes. */
  protected abstract disclose(result: S): R;

  /** @throws {ReleaseRefusedError} when the facts of `result` are not those of the declared circuit's output. */
  protected abstract assertOutput(result: S): void;

  /** How many inputs the circuit has. */
  protected abstract get arity(): number;

  protected abstract get key(): SecretKey;

  /**
   * The result of the declared circuit, computed here by `evaluator`, with evaluation keys that the owner made: as much work as the
   * evaluator's. Evaluation is deterministic, so an honest answer is equal word for word; `claimed` checks one.
   *
   * @throws {ReleaseRefusedError} for inputs or evaluation keys of another origin or kind, or when `claimed` differs. Whatever the circuit throws.
   */
  recompute(evaluator: E, inputs: readonly S[], options: RecomputeOptions<S> = {}): R {
    const { claimed, inputs: statement, keys } = options;
    if (inputs.length !== this.arity) {
      throw new ReleaseRefusedError(
        'not-the-circuit',
        `the circuit was declared for ${this.arity} inputs, not ${inputs.length}`,
      );
    }
    if (keys !== 'made-by-the-owner' && !hasOwnKeys(evaluator, this.key)) {
      throw new ReleaseRefusedError(
        'foreign-keys',
        "the evaluation keys were not made by this process from this secret key, and others can have it decrypt what gives the key away: make them here, or state { keys: 'made-by-the-owner' } if that is certain",
      );
    }
    inputs.forEach((input, i) => {
      this.assertInput(input, i, statement === 'honestly-encrypted');
    });
    const result = this.run(evaluator, inputs);
    this.assertOutput(result);
    if (claimed !== undefined && !this.isSame(claimed, result)) {
      throw new ReleaseRefusedError(
        'not-the-circuit',
        'the evaluator returned something else than the declared circuit gives: do not decrypt it, and do not use this evaluator',
      );
    }
    return this.disclose(result);
  }

  /**
   * The result that an evaluator sent, on the word of the key's owner that it follows the circuit. For evaluators that may deviate
   * there is {@link recompute} alone.
   *
   * @throws {ReleaseRefusedError} without the statement, or when level, scale or parts are not the declared circuit's.
   */
  open(result: S, statement: EvaluatorStatement): R {
    // Plain JavaScript may leave it out.
    const stated: Partial<EvaluatorStatement> | undefined = statement;
    if (stated?.evaluator !== 'follows-the-circuit') {
      throw new ReleaseRefusedError(
        'unvouched',
        "a ciphertext that somebody else computed can be made to decrypt to the secret key: recompute it, or state { evaluator: 'follows-the-circuit' } if that is certain",
      );
    }
    this.assertOutput(result);
    return this.disclose(result);
  }
}
