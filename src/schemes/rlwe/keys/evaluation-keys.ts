/** What a server needs to compute on one client's ciphertexts: relinearisation and Galois keys. Public, tied to one secret key. */
import type { GaloisElement, ParamsId } from '../../../base/brand.ts';
import { MissingKeyError } from '../../../base/errors.ts';
import type { RlweContext } from '../context.ts';
import type { KeyPlan, ResolvedKeyPlan } from './key-plan.ts';
import { conjugationElement, resolveKeyPlan, rotationSteps } from './key-plan.ts';
import type { RlweParams } from '../params.ts';
import { SwitchingKey } from './switching-key.ts';
import { HEADER_BYTES, readHeader, WireKind, writeHeader } from '../wire/wire.ts';

/** The relinearisation key switches from s^2 and is stored under the name 0, which no automorphism has. */
const RELINEARIZE = 0;

const MAX_STEPS_SHOWN = 16;

export class EvaluationKeys implements Disposable {
  readonly paramsId: ParamsId;
  #keys: ReadonlyMap<number, SwitchingKey>;
  #n: number;

  /** Takes ownership of the keys. Made by the key generator. */
  constructor(
    context: RlweContext,
    relinearize: SwitchingKey | null,
    galois: Iterable<[GaloisElement, SwitchingKey]>,
  ) {
    this.paramsId = context.params.id;
    this.#n = context.params.n;
    const keys = new Map<number, SwitchingKey>(galois);
    if (relinearize !== null) keys.set(RELINEARIZE, relinearize);
    this.#keys = keys;
  }

  /**
   * One object with the keys of several, of which it takes them: they are empty afterwards. Of a key that two of them have, the one of
   * the higher level.
   *
   * @throws {ParamsMismatchError}
   */
  static joined(context: RlweContext, parts: readonly EvaluationKeys[]): EvaluationKeys {
    for (const part of parts) context.assertOwn('evaluation keys', part);
    const keys = new Map<number, SwitchingKey>();
    for (const part of parts) {
      for (const [name, key] of part.#keys) {
        const other = keys.get(name);
        const isHighest = other === undefined || other.maxLevel < key.maxLevel;
        (isHighest ? other : key)?.[Symbol.dispose]();
        if (isHighest) keys.set(name, key);
      }
      part.#keys = new Map();
    }
    const joined = new EvaluationKeys(context, null, []);
    joined.#keys = keys;
    return joined;
  }

  has(element: GaloisElement): boolean {
    return this.#keys.has(element);
  }

  /** Every key object, for audits of their sizes. */
  get all(): readonly SwitchingKey[] {
    return [...this.#keys.values()];
  }

  /** The key from s(X^element) to s, fit for `level`. @throws {MissingKeyError} */
  galoisKey(element: GaloisElement, level: number): SwitchingKey {
    return this.#find(element, level);
  }

  /** The key from s^2 to s, fit for `level`. @throws {MissingKeyError} */
  relinearizationKey(level: number): SwitchingKey {
    return this.#find(RELINEARIZE, level);
  }

  #find(name: number, level: number): SwitchingKey {
    const key = this.#keys.get(name);
    if (key === undefined || key.maxLevel < level) throw this.#missing(name, level, key);
    return key;
  }

  /** Names the key as a key plan does, and those that are there. */
  #missing(name: number, level: number, lower: SwitchingKey | undefined): MissingKeyError {
    const steps = rotationSteps(this.#n);
    const entry = (element: number): { what: string; plan: string } => {
      if (element === RELINEARIZE) return { what: 'the relinearization key', plan: 'relinearize: true' };
      if (element === conjugationElement(this.#n))
        return { what: 'the key of the conjugation', plan: 'conjugate: true' };
      const step = steps.get(element);
      return step === undefined
        ? { what: `the Galois key for element ${element}`, plan: `galois: [${element}]` }
        : { what: `the key for rotations by ${step}`, plan: `rotations: [${step}]` };
    };
    const { what, plan } = entry(name);
    const present = [...this.#keys.keys()]
      .flatMap((element) => steps.get(element) ?? [])
      .sort((a, b) => a - b);
    const shown =
      present.slice(0, MAX_STEPS_SHOWN).join(', ') + (present.length > MAX_STEPS_SHOWN ? ', ...' : '');
    const rotations = present.length === 0 ? 'no rotation' : `rotations by ${shown}`;
    const limit = lower === undefined ? '' : `, theirs serves up to level ${lower.maxLevel}`;
    return new MissingKeyError(
      `${what} at level ${level}${limit}; they have ${rotations}; keyGenerator.evaluationKeys(secret, { ${plan} }) makes it`,
    );
  }

  /** Bytes on the wire of the keys for `plan`. */
  static byteLength(params: RlweParams, plan: KeyPlan): number {
    return HEADER_BYTES + bodyBytes(params, resolveKeyPlan(params, plan));
  }

  toBytes(context: RlweContext): Uint8Array {
    context.assertOwn('evaluation keys', this);
    const names = [...this.#keys.keys()].sort((a, b) => a - b);
    const { params } = context;
    const length = names.reduce((sum, name) => sum + keyBytes(params, this.#keys.get(name)!.maxLevel), 2);
    const writer = writeHeader(WireKind.evaluationKeys, this.paramsId, length);
    writer.u16(names.length);
    for (const name of names) {
      const key = this.#keys.get(name)!;
      writer.u32(name);
      writer.u32(key.maxLevel);
      key.write(writer);
    }
    return writer.finish();
  }

  /**
   * Reads exactly the keys that `plan` asks for, in its canonical order: the length is known before anything is parsed, and a
   * client cannot make the server hold more.
   *
   * @throws {DecodeError} {@link ParamsMismatchError}
   */
  static fromBytes(context: RlweContext, bytes: Uint8Array, plan: KeyPlan): EvaluationKeys {
    const resolved = resolveKeyPlan(context.params, plan);
    const reader = readHeader('evaluation keys', bytes, WireKind.evaluationKeys, context.params.id);
    if (reader.remaining !== bodyBytes(context.params, resolved))
      throw reader.error('not the keys of the plan');
    const expected = entries(resolved);
    if (reader.u16() !== expected.length) throw reader.error('not the keys of the plan');
    const keys: [number, SwitchingKey][] = [];
    try {
      for (const { name, maxLevel } of expected) {
        if (reader.u32() !== name || reader.u32() !== maxLevel)
          throw reader.error('not the keys of the plan');
        keys.push([name, SwitchingKey.read(reader, context, maxLevel)]);
      }
      reader.end();
    } catch (error) {
      for (const [, key] of keys) key[Symbol.dispose]();
      throw error;
    }
    const relinearize = keys[0]?.[0] === RELINEARIZE ? keys.shift()![1] : null;
    return new EvaluationKeys(context, relinearize, keys as [GaloisElement, SwitchingKey][]);
  }

  [Symbol.dispose](): void {
    for (const key of this.#keys.values()) key[Symbol.dispose]();
  }
}

function entries(plan: ResolvedKeyPlan): { name: number; maxLevel: number }[] {
  const galois = plan.galois.map(({ element, maxLevel }) => ({ name: element as number, maxLevel }));
  if (plan.relinearizeLevel === null) return galois;
  return [{ name: RELINEARIZE, maxLevel: plan.relinearizeLevel }, ...galois];
}

function keyBytes(params: RlweParams, maxLevel: number): number {
  return 8 + SwitchingKey.byteLength(params, maxLevel);
}

function bodyBytes(params: RlweParams, plan: ResolvedKeyPlan): number {
  return entries(plan).reduce((sum, { maxLevel }) => sum + keyBytes(params, maxLevel), 2);
}
