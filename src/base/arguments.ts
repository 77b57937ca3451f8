/**
 * What public methods are given by programs that no compiler has checked. A class lists its methods with the kind of each argument;
 * {@link guard} wraps them, so that a wrong one is named before anything is computed: "CkksEvaluator.mul: b must be ... but is ...".
 * Messages say what an argument is, never its value: it may be a secret.
 */
import { ArgumentTypeError, DisposedError } from './errors.ts';

/** What an argument may be. */
export interface Kind {
  /** Completes "must be". */
  readonly needed: string;
  readonly accepts: (value: unknown) => boolean;
  /** Also what was disposed. */
  readonly isForTheDisposed?: boolean;
}

/** The arguments of a method by name, in their order; those beyond are not looked at. */
export type Signature = Readonly<Record<string, Kind>>;

const VOWEL = /^[aeiou]/i;

/** What a value is, not which: "NaN", "a number", "a CkksPlaintext". */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? 'a number' : String(value);
  if (typeof value !== 'object')
    return typeof value === 'function' ? 'a function or class' : `a ${typeof value}`;
  const name: unknown = Array.isArray(value) ? 'array' : value.constructor?.name;
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object of another kind';
  return `${VOWEL.test(name) ? 'an' : 'a'} ${name}`;
}

const kind = (needed: string, accepts: Kind['accepts']): Kind => ({ needed, accepts });

/** Infinity, too: a time limit may be none. */
export const number = kind('a number', (value) => typeof value === 'number' && !Number.isNaN(value));
export const finite = kind('a finite number', Number.isFinite);
export const integer = kind('an integer', Number.isInteger);
export const text = kind('a string', (value) => typeof value === 'string');
export const flag = kind('true or false', (value) => typeof value === 'boolean');
export const bigint = kind('a bigint', (value) => typeof value === 'bigint');
export const list = kind('an array', Array.isArray);
export const iterable = kind(
  'something to iterate over',
  (value) => typeof value === 'object' && value !== null && Symbol.iterator in value,
);
export const map = kind('a Map', (value) => value instanceof Map);
export const bytes = kind('a Uint8Array', (value) => value instanceof Uint8Array);
export const options = kind(
  'an object of options',
  (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value),
);
export const callback = kind('a function', (value) => typeof value === 'function');

/** What the elements are is found out where they are read. */
export const numbers = kind(
  'an array of numbers',
  (value) =>
    (Array.isArray(value) && value.every((element) => typeof element === 'number')) ||
    (ArrayBuffer.isView(value) && 'length' in value && !isBigIntArray(value)),
);

function isBigIntArray(value: ArrayBufferView): boolean {
  return value instanceof BigInt64Array || value instanceof BigUint64Array;
}

/** Objects of these classes, whose constructors may be private. */
export function instance(needed: string, ...classes: readonly { readonly prototype: object }[]): Kind {
  return kind(needed, (value) => classes.some(({ prototype }) => isMadeFrom(prototype, value)));
}

function isMadeFrom(prototype: object, value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.prototype.isPrototypeOf.call(prototype, value);
}

/** Objects that have all of `members`, their class or where they come from aside: what an interface asks for. */
export function like(needed: string, ...members: readonly string[]): Kind {
  return kind(
    needed,
    (value) => typeof value === 'object' && value !== null && members.every((member) => member in value),
  );
}

/** What draws seeds from the system: a RandomSource. */
export const randomSource = like('a source of randomness (systemRandom)', 'seed');

/** Typed arrays of one type. */
export function typed(
  needed: string,
  array: { readonly prototype: { readonly [Symbol.toStringTag]: string } },
): Kind {
  return instance(needed, array);
}

/** One of a few words. */
export function oneOf(...words: readonly string[]): Kind {
  return kind(
    words.map((word) => `'${word}'`).join(' or '),
    (value) => typeof value === 'string' && words.includes(value),
  );
}

export function listOf(needed: string, element: Kind): Kind {
  return kind(needed, (value) => Array.isArray(value) && value.every(element.accepts));
}

export const anything = kind('anything', () => true);

export function optional(wanted: Kind): Kind {
  return kind(`${wanted.needed}, or left out`, (value) => value === undefined || wanted.accepts(value));
}

export function either(...kinds: readonly Kind[]): Kind {
  return kind(kinds.map(({ needed }) => needed).join(' or '), (value) =>
    kinds.some(({ accepts }) => accepts(value)),
  );
}

/** @throws {ArgumentTypeError} {@link DisposedError} */
export function checkArguments(where: string, args: readonly unknown[], signature: Signature): void {
  let i = 0;
  for (const name in signature) {
    const value = args[i++];
    const { needed, accepts, isForTheDisposed } = signature[name] as Kind;
    if (!accepts(value)) throw new ArgumentTypeError(`${where}: ${name}`, needed, kindOf(value));
    if (isForTheDisposed !== true && isDisposed(value))
      throw new DisposedError(`${where}: ${name}, ${kindOf(value)},`);
  }
}

function isDisposed(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'isDisposed' in value && value.isDisposed === true;
}

type MethodsOf<T> = { [M in keyof T]: T[M] extends (...args: never[]) => unknown ? M : never }[keyof T] &
  string;

/** Of methods that are guarded. */
const guarded = new WeakMap<object, Signature>();

/** What the arguments of `method` must be, when it is guarded. */
export function signatureOf(method: object): Signature | undefined {
  return guarded.get(method);
}

/** Checks the arguments of methods of `owner`, a prototype or a class with static methods, inherited ones too. */
export function guard<T extends object>(
  name: string,
  owner: T,
  signatures: Partial<Record<MethodsOf<T>, Signature>>,
): void {
  for (const [method, signature] of Object.entries(signatures) as [string, Signature][]) {
    const call = Reflect.get(owner, method) as (...args: unknown[]) => unknown;
    const where = `${name}.${method}`;
    const isAsync = call.constructor.name === 'AsyncFunction';
    const checked = {
      [method](this: unknown, ...args: unknown[]): unknown {
        try {
          checkArguments(where, args, signature);
        } catch (error) {
          if (isAsync) return Promise.reject(error);
          throw error;
        }
        return Reflect.apply(call, this, args);
      },
    }[method];
    guarded.set(checked, signature);
    Object.defineProperty(owner, method, {
      value: checked,
      writable: true,
      configurable: true,
      enumerable: false,
    });
  }
}
