/**
 * Publishing what a declared circuit gives, exactly. A BGV decryption within its noise bound is the circuit's value and nothing else, so
 * no noise is added. But the bound of a ciphertext that was read from bytes is its sender's word: with the parts 0 and t^-1 it decrypts to
 * the secret key. So a release decrypts what it computed itself, or what the owner of the key vouches for.
 */
import { ReleaseRefusedError } from '../../base/errors.ts';
import { encryptionOf } from '../rlwe/release/own-encryptions.ts';
import { RlweRelease } from '../rlwe/release/release.ts';
import { sameCiphertexts } from '../rlwe/release/same-ciphertexts.ts';
import type { SecretKey } from '../rlwe/keys/secret-key.ts';
import type { BgvCiphertext } from './ciphertext.ts';
import type { BgvContextBase } from './context-base.ts';
import { BgvDecryptor } from './decryptor.ts';
import { BgvEncoder } from './encoder.ts';
import type { BgvEvaluator } from './evaluator.ts';

/** What an owner declares: `S` the ciphertexts, `E` the evaluator. */
export interface BgvCircuit<S = BgvCiphertext, E = BgvEvaluator> {
  /** Number of inputs. */
  readonly inputs: number;
  run(on: E, inputs: readonly S[]): S;
}

/** A release over any number of plaintext moduli. */
export abstract class BgvReleaseOf<S extends object, E extends object, R> extends RlweRelease<S, E, R> {
  readonly #circuit: BgvCircuit<S, E>;

  constructor(circuit: BgvCircuit<S, E>) {
    super();
    this.#circuit = circuit;
  }

  protected override get arity(): number {
    return this.#circuit.inputs;
  }

  protected override run(evaluator: E, inputs: readonly S[]): S {
    return this.#circuit.run(evaluator, inputs);
  }

  /** The parts of a ciphertext, one for each plaintext modulus. */
  protected abstract components(ciphertext: S): readonly BgvCiphertext[];

  protected abstract get contexts(): readonly BgvContextBase[];

  protected override assertInput(input: S, index: number, isVouchedFor: boolean): void {
    this.assertOutput(input);
    if (!isVouchedFor && this.components(input).some((each) => encryptionOf(each, this.key) === undefined)) {
      throw new ReleaseRefusedError(
        'foreign-input',
        `this process did not encrypt input ${index} under this key, which could hold anything: encrypt it here, or state { inputs: 'honestly-encrypted' } if that is certain`,
      );
    }
  }

  protected override assertOutput(result: S): void {
    const components = this.components(result);
    this.contexts.forEach((context, i) => {
      context.assertOwn('a ciphertext', components[i]!);
    });
  }

  protected override isSame(a: S, b: S): boolean {
    const others = this.components(b);
    return this.components(a).every((each, i) => {
      const other = others[i]!;
      return each.factor === other.factor && sameCiphertexts(each, other);
    });
  }
}

export class BgvRelease extends BgvReleaseOf<BgvCiphertext, BgvEvaluator, Float64Array> {
  readonly #context: BgvContextBase;
  readonly #key: SecretKey;

  /** @throws {ParamsMismatchError} */
  constructor(context: BgvContextBase, key: SecretKey, circuit: BgvCircuit) {
    super(circuit);
    context.assertOwn('a secret key', key);
    this.#context = context;
    this.#key = key;
  }

  protected override components(ciphertext: BgvCiphertext): readonly BgvCiphertext[] {
    return [ciphertext];
  }

  protected override get contexts(): readonly BgvContextBase[] {
    return [this.#context];
  }

  protected override get key(): SecretKey {
    return this.#key;
  }

  protected override disclose(result: BgvCiphertext): Float64Array {
    using arena = this.#context.arena();
    const plaintext = new BgvDecryptor(this.#context, this.#key, arena).decrypt(result);
    return new BgvEncoder(this.#context, arena).decode(plaintext);
  }
}
