/**
 * Every class that a public sub-path of the package exports: its objects print as one line, and what it is given is checked before
 * anything is computed. Found by walking the exports and the sources, so that a new class cannot be forgotten.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { signatureOf } from '../src/base/arguments.ts';
import { ArgumentTypeError } from '../src/base/errors.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const INSPECT = Symbol.for('nodejs.util.inspect.custom');
/** Handed out by contexts there, which check what they are given: programs do not call constructors. */
const MADE_BY_CONTEXTS = new Set(['./ckks', './bgv']);
/** Where functions are checked as well; the others take numbers, and say so by their ranges. */
const WITH_FUNCTIONS = new Set(['.', './fe', './nn', './cryptonn', './edge', './client']);

type Callable = (...args: unknown[]) => unknown;
type Class = (abstract new (...args: never[]) => object) & Record<string, unknown>;

/** A method, function or constructor as the source declares it. */
interface Declared {
  readonly name: string;
  readonly isStatic: boolean;
  /** Names of the parameters; empty for patterns. */
  readonly parameters: readonly string[];
  /** False when none of them has a type to check. */
  readonly isChecked: boolean;
}

interface Declarations {
  readonly methods: Map<string, readonly Declared[]>;
  readonly constructors: Map<string, Declared>;
  readonly functions: Map<string, Declared>;
}

/** Source files of a sub-path, from its place in the package. */
function entries(target: unknown): string[] {
  const built = typeof target === 'string' ? [target] : Object.values(target as Record<string, string>);
  const sources = built
    .filter((path) => path.endsWith('.js'))
    .map((path) => path.replace('./dist/', '').replace(/\.js$/, '.ts'));
  return [...new Set(sources)];
}

/** A type that says nothing about the value: it cannot be checked here. */
function isOpen(node: ts.ParameterDeclaration): boolean {
  return node.dotDotDotToken !== undefined || /^(unknown|[A-Z])$/.test(node.type?.getText() ?? 'unknown');
}

function declared(name: string, node: ts.SignatureDeclaration, isStatic = false): Declared {
  const parameters = node.parameters.map(({ name: of }) =>
    ts.isIdentifier(of) ? of.text.replace(/^_/, '') : '',
  );
  const isChecked = node.parameters.some(
    (parameter) => !isOpen(parameter) || parameter.initializer !== undefined,
  );
  return { name, isStatic, parameters, isChecked };
}

function declarationsIn(files: readonly string[]): Declarations {
  const found: Declarations = { methods: new Map(), constructors: new Map(), functions: new Map() };
  for (const file of files) {
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
    for (const node of source.statements) {
      if (ts.isFunctionDeclaration(node) && node.name !== undefined && node.body !== undefined)
        found.functions.set(node.name.text, declared(node.name.text, node));
      if (!ts.isClassDeclaration(node) || node.name === undefined) continue;
      const methods: Declared[] = [];
      for (const member of node.members) {
        const flags = ts.getCombinedModifierFlags(member);
        if ((flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0) continue;
        if (ts.isConstructorDeclaration(member)) {
          found.constructors.set(node.name.text, declared(node.name.text, member));
        } else if (ts.isMethodDeclaration(member) && ts.isIdentifier(member.name) && member.body) {
          methods.push(declared(member.name.text, member, (flags & ts.ModifierFlags.Static) !== 0));
        }
      }
      found.methods.set(node.name.text, methods);
    }
  }
  return found;
}

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => join(ROOT, 'src', path));
const all = declarationsIn(sources);

/** `call` with arguments that no program means, or what it did instead. */
async function refuses(call: Callable): Promise<string> {
  try {
    const result = await call(...Array.from({ length: 8 }, () => Symbol('no argument')));
    // A generator begins when it is asked for the first element.
    if (typeof result === 'object' && result !== null && Symbol.iterator in result)
      (result as unknown as Iterator<unknown>).next();
  } catch (error) {
    return error instanceof ArgumentTypeError ? 'refused' : `${(error as Error).name}`;
  }
  return 'accepted';
}

function isClass(value: unknown): value is Class {
  return typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class');
}

/** The class and those that it extends, as far as they are ours. */
function lineage(of: Class): Class[] {
  const parent = Object.getPrototypeOf(of) as Class | null;
  return parent === null || parent === Function.prototype ? [of] : [of, ...lineage(parent)];
}

/** What is wrong with a class; nothing when all is well. */
async function faultsOf(name: string, each: Class, isMadeByContexts: boolean): Promise<string[]> {
  const faults: string[] = [];
  if (!(INSPECT in (each.prototype as object))) faults.push(`${name} has no line of its own`);
  for (const ancestor of lineage(each)) {
    const isNamed = exportedClasses.has(ancestor) || ancestor === each;
    for (const method of all.methods.get(ancestor.name) ?? []) {
      if (!method.isChecked) continue;
      const owner = (method.isStatic ? each : each.prototype) as Record<string, Callable>;
      const call = owner[method.name] as Callable;
      const where = `${name}.${method.name}`;
      // What programs cannot name, they do not call but through what is theirs.
      if (!isNamed && signatureOf(call) === undefined) continue;
      const known = Object.keys(signatureOf(call) ?? {});
      const expected = method.parameters.slice(0, known.length);
      const isInStep = known.every((argument, i) => expected[i] === '' || expected[i] === argument);
      if (known.length === 0 || !isInStep)
        faults.push(`${where}(${method.parameters.join(', ')}) is checked as (${known.join(', ')})`);
      const outcome = await refuses((...args) =>
        Reflect.apply(call, Object.create(each.prototype as object), args),
      );
      if (outcome !== 'refused') faults.push(`${where}: ${outcome}`);
    }
  }
  const made = all.constructors.get(name);
  if (made?.isChecked === true && !isMadeByContexts) {
    const outcome = await refuses((...args) => Reflect.construct(each as never, args));
    if (outcome !== 'refused') faults.push(`new ${name}: ${outcome}`);
  }
  return faults;
}

/** A worker's file is for a thread to run, not for programs to import; a module of WebAssembly has no classes. */
const subPaths = Object.entries(manifest.exports).filter(
  ([path, target]) =>
    path !== './package.json' &&
    !path.endsWith('.wasm') &&
    !entries(target).some((entry) => entry.endsWith('-worker.ts')),
);

const exportedClasses = new Set<Class>();
for (const [, target] of subPaths) {
  for (const entry of entries(target)) {
    const exported: Record<string, unknown> = await import(join(ROOT, entry));
    for (const value of Object.values(exported)) if (isClass(value)) exportedClasses.add(value);
  }
}

describe.each(subPaths)('%s', (path, target) => {
  test('objects print as one line; arguments of the wrong type are named', async () => {
    const faults: string[] = [];
    let classes = 0;
    for (const entry of entries(target)) {
      const exported: Record<string, unknown> = await import(join(ROOT, entry));
      for (const [name, value] of Object.entries(exported)) {
        if (isClass(value)) {
          if (value.prototype instanceof Error) continue;
          classes++;
          faults.push(...(await faultsOf(name, value, MADE_BY_CONTEXTS.has(path))));
        } else if (typeof value === 'function' && WITH_FUNCTIONS.has(path)) {
          if (all.functions.get(name)?.isChecked !== true) continue;
          const outcome = await refuses(value as Callable);
          if (outcome !== 'refused') faults.push(`${name}: ${outcome}`);
        }
      }
    }
    expect(faults).toEqual([]);
    expect(classes).toBeGreaterThan(0);
  });
});

test('a class that checks nothing is found (positive control)', async () => {
  class Unchecked {
    double(value: number): number {
      return 2 * value;
    }
  }
  all.methods.set('Unchecked', [{ name: 'double', isStatic: false, parameters: ['value'], isChecked: true }]);
  expect(await faultsOf('Unchecked', Unchecked as unknown as Class, false)).toEqual([
    'Unchecked has no line of its own',
    'Unchecked.double(value) is checked as ()',
    'Unchecked.double: TypeError',
  ]);
  expect(inspect(new Unchecked())).not.toMatch(/^Unchecked\(/);
});
