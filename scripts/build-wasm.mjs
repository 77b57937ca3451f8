// Compiles assembly/ to build/wasm/relaxed.wasm (fused multiply-add from relaxed SIMD) and build/wasm/simd128.wasm,
// each also as text in a JavaScript module of the same name, for bundles.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { main } from 'assemblyscript/asc';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
process.chdir(root);
mkdirSync(join('build', 'wasm'), { recursive: true });

const variants = { relaxed: ['--enable', 'relaxed-simd'], simd128: [] };

for (const [name, flags] of Object.entries(variants)) {
  // The stub runtime is never called, and the memory belongs to the host.
  const options = `--runtime stub --use abort= --noAssert -O3 --importMemory --maximumMemory 65536 --enable simd`;
  const { error, stderr } = await main([
    join('assembly', 'index.ts'),
    '--outFile',
    join('build', 'wasm', `${name}.wasm`),
    ...options.split(' '),
    ...flags,
  ]);
  if (error) {
    process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
    process.exit(1);
  }
  const text = readFileSync(join('build', 'wasm', `${name}.wasm`)).toString('base64');
  writeFileSync(join('build', 'wasm', `${name}.js`), `export default '${text}';\n`);
  writeFileSync(
    join('build', 'wasm', `${name}.d.ts`),
    'declare const base64: string;\nexport default base64;\n',
  );
}
