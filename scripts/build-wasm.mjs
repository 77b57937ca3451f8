// Compiles assembly/ to build/wasm/relaxed.wasm (fused multiply-add from relaxed SIMD) and build/wasm/simd128.wasm.
import { mkdirSync } from 'node:fs';
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
}
