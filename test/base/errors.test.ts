/** What programs decide by must survive a minifier, which renames classes: `code`, and `name` written out. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DisposedError, KernelError } from '../../src/base/errors.ts';

const SOURCES = fileURLToPath(new URL('../../src', import.meta.url));

/** Classes of errors whose first member is not their own name. */
function misnamed(text: string): string[] {
  const declared = text.matchAll(/class (\w+Error) extends SubrosaError[^{]*(?:\{[^}]*\}>)? \{\n(.*)\n/g);
  return [...declared]
    .filter(([, name, line]) => line?.trim() !== `override readonly name = '${name}';`)
    .map(([, name]) => String(name));
}

test('every error says its own name', () => {
  const bad =
    "class SomeError extends SubrosaError<{ a: string }> {\n  override readonly name = 'OtherError';\n";
  expect(misnamed(bad)).toEqual(['SomeError']);
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  const texts = files.map((path) => readFileSync(join(SOURCES, path), 'utf8'));
  expect(texts.join('\n').match(/extends SubrosaError/g)?.length).toBeGreaterThan(20);
  expect(texts.flatMap(misnamed)).toEqual([]);
});

test('an error reads as its name and its sentence', () => {
  expect(String(new DisposedError('a key'))).toBe('DisposedError: a key was used after it was disposed');
  expect(new KernelError('wasm', 'x')).toMatchObject({ name: 'KernelError', code: 'kernel' });
});
