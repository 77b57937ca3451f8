// What the compiler leaves undone in dist. It does not delete: what has no source any more goes, or it would be published.
//
// And the declarations become readable by TypeScript 5.2 on. The compiler writes what only later ones know: typed arrays take
// a type argument since 5.7, and a reference to a library is kept only where somebody writes it.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const REFERENCE = '/// <reference lib="esnext.disposable" />\n';
const TYPED_ARRAY = /\b((?:Big)?(?:Ui|I)nt(?:8|16|32|64)Array|Float(?:32|64)Array)<ArrayBuffer(?:Like)?>/g;

for (const name of readdirSync(dist, { recursive: true })) {
  const path = join(dist, name);
  const source = join(root, name.replace(/(?:\.d\.ts|\.js)$/, '.ts'));
  if (/\.(?:d\.ts|js)$/.test(name) && !existsSync(source)) rmSync(path);
  else if (name.endsWith('.d.ts')) makePlain(path);
}

function makePlain(path) {
  const text = readFileSync(path, 'utf8');
  let plain = text.replace(TYPED_ARRAY, '$1');
  if (
    /\bDisposable\b|\bAsyncDisposable\b|\[Symbol\.(?:asyncD|d)ispose\]/.test(plain) &&
    !plain.startsWith(REFERENCE)
  )
    plain = REFERENCE + plain;
  if (plain !== text) writeFileSync(path, plain);
}
