/**
 * What Node's console.log prints of an object: one line, without words of memory, without secrets. Of the public fields it shows
 * numbers, names and identifiers, and of arrays their lengths; bigints, other strings and objects are left out. Browsers have no such
 * hook; what is private there stays private.
 */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** Strings that are worth showing and never secret. */
const NAMES = new Set([
  'name',
  'kind',
  'isa',
  'role',
  'model',
  'operation',
  'id',
  'paramsId',
  'schemeId',
  'programId',
]);
/** Bounds that follow from clear values. */
const HIDDEN = new Set(['maxAbs', 'rowNorm']);
const LONGEST_STRING = 12;
const MAX_FIELDS = 8;

/** A class, also one whose constructor is private or abstract. */
type AnyClass = { readonly prototype: object; readonly name: string };

/** Gives each class that has no line of its own the one of `oneLine`; subclasses inherit it. */
export function printOnOneLine(...classes: readonly AnyClass[]): void {
  for (const { prototype } of classes) {
    if (INSPECT in prototype) continue;
    Object.defineProperty(prototype, INSPECT, {
      value(this: object) {
        return oneLine(this);
      },
      configurable: true,
    });
  }
}

/** Gives one object, which has no class of its own, its line. Copies of it by `...` have none. Returns it. */
export function printedAs<T extends object>(name: string, object: T): T {
  return Object.defineProperty(object, INSPECT, { value: () => oneLine(object, name) });
}

/** `Name(field value, array[length])`. */
function oneLine(object: object, title = object.constructor.name): string {
  const fields: string[] = [];
  for (const [name, value] of Object.entries(object)) {
    if (fields.length === MAX_FIELDS) break;
    if (HIDDEN.has(name)) continue;
    if (typeof value === 'number') fields.push(`${name} ${shortNumber(name, value)}`);
    else if (typeof value === 'boolean') fields.push(value ? name : `not ${name}`);
    else if (typeof value === 'string' && NAMES.has(name))
      fields.push(`${name} ${value.slice(0, LONGEST_STRING)}`);
    else if (Array.isArray(value) || ArrayBuffer.isView(value))
      fields.push(`${name}[${(value as ArrayLike<unknown>).length}]`);
  }
  return `${title}(${fields.join(', ')})`;
}

function shortNumber(name: string, value: number): string {
  if (/scale/i.test(name) && value > 0) return `2^${Math.log2(value).toFixed(2)}`;
  return Number.isInteger(value) ? `${value}` : value.toPrecision(4);
}
