/**
 * Computing on integers modulo t_1 t_2 ...: every operation is that of {@link BgvEvaluator} for each modulus, with the same keys, so it
 * costs as many times as much and has the noise, the requirements and the errors of that one. The components may be at different
 * levels: each is switched by its own noise.
 */
import { OutOfRangeError } from '../../../base/errors.ts';
import { residue } from '../../../kernel/tables/modular.ts';
import type { Arena } from '../../../ring/arena.ts';
import type { EvaluationKeys } from '../../rlwe/keys/evaluation-keys.ts';
import type { BgvCiphertext } from '../ciphertext.ts';
import { recordEvaluator } from '../../rlwe/release/own-encryptions.ts';
import { assemble, type BgvCrtCiphertext } from './crt-ciphertext.ts';
import type { BgvCrtContextBase } from './crt-context-base.ts';
import { BgvCrtPlaintext } from './crt-encoder.ts';
import type { BgvEvaluator } from '../evaluator.ts';

export class BgvCrtEvaluator {
  #context: BgvCrtContextBase;
  #arena: Arena;
  #evaluators: readonly BgvEvaluator[];

  /** @throws {ParamsMismatchError} */
  constructor(context: BgvCrtContextBase, keys: EvaluationKeys, arena: Arena) {
    this.#context = context;
    this.#arena = arena;
    this.#evaluators = context.components.map((component) => component.evaluator(keys, arena));
    recordEvaluator(this, keys);
  }

  add(a: BgvCrtCiphertext, b: BgvCrtCiphertext | BgvCrtPlaintext): BgvCrtCiphertext {
    return this.#zip('add', a, b);
  }

  sub(a: BgvCrtCiphertext, b: BgvCrtCiphertext | BgvCrtPlaintext): BgvCrtCiphertext {
    return this.#zip('sub', a, b);
  }

  /** a * b slot by slot modulo t_1 t_2 ..., relinearised when b is a ciphertext. */
  mul(a: BgvCrtCiphertext, b: BgvCrtCiphertext | BgvCrtPlaintext): BgvCrtCiphertext {
    return this.#zip('mul', a, b);
  }

  negate(a: BgvCrtCiphertext): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x) => evaluator.negate(x));
  }

  /** a * weight for an integer below t_1 t_2 ... in absolute value. @throws {OutOfRangeError} */
  mulConstant(a: BgvCrtCiphertext, weight: number | bigint): BgvCrtCiphertext {
    const { modulus } = this.#context.params;
    const exact = typeof weight === 'bigint' || Number.isSafeInteger(weight) ? BigInt(weight) : modulus;
    if (exact >= modulus || exact <= -modulus) {
      throw new OutOfRangeError('weight', `an integer below ${modulus} in absolute value`, 'another');
    }
    return this.#each(a, (evaluator, x) => {
      const { t } = x.context.params;
      const small = Number(residue(exact, BigInt(t)));
      return evaluator.mulConstant(x, 2 * small > t ? small - t : small);
    });
  }

  modSwitchAuto(a: BgvCrtCiphertext): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x) => evaluator.modSwitchAuto(x));
  }

  /** Each component at the lowest level that holds it: for replies. */
  modSwitchLowest(a: BgvCrtCiphertext): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x) => evaluator.modSwitchLowest(x));
  }

  rotate(a: BgvCrtCiphertext, by: number): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x) => evaluator.rotate(x, by));
  }

  swapRows(a: BgvCrtCiphertext): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x) => evaluator.swapRows(x));
  }

  #zip(
    op: 'add' | 'sub' | 'mul',
    a: BgvCrtCiphertext,
    b: BgvCrtCiphertext | BgvCrtPlaintext,
  ): BgvCrtCiphertext {
    return this.#each(a, (evaluator, x, i) =>
      b instanceof BgvCrtPlaintext ? evaluator[op](x, b.components[i]!) : evaluator[op](x, b.components[i]!),
    );
  }

  #each(
    a: BgvCrtCiphertext,
    compute: (evaluator: BgvEvaluator, x: BgvCiphertext, index: number) => BgvCiphertext,
  ): BgvCrtCiphertext {
    this.#context.components[0]!.assertOwn('an operand', a);
    return assemble(this.#arena, this.#context, (_, i) => compute(this.#evaluators[i]!, a.components[i]!, i));
  }
}
