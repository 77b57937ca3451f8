// Makes the declarations in dist readable by TypeScript 5.2 on. The compiler writes what only later ones know: typed arrays take
// a type argument since 5.7, and a reference to a library is kept only where somebody writes it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist');
const REFERENCE = '/// <reference lib="esnext.disposable" />\n';
const TYPED_ARRAY = /\b((?:Big)?(?:Ui|I)nt(?:8|16|32|64)Array|Float(?:32|64)Array)<ArrayBuffer(?:Like)?>/g;

for (const name of readdirSync(dist, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const path = join(dist, name);
  const text = readFileSync(path, 'utf8');
  let plain = text.replace(TYPED_ARRAY, '$1');
  if (
    /\bDisposable\b|\bAsyncDisposable\b|\[Symbol\.(?:asyncD|d)ispose\]/.test(plain) &&
    !plain.startsWith(REFERENCE)
  )
    plain = REFERENCE + plain;
  if (plain !== text) writeFileSync(path, plain);
}
