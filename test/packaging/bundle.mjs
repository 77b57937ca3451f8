// node bundle.mjs BUNDLER FOLDER [PORT]: bundles FOLDER/page.js and its worker into FOLDER/out-BUNDLER as its users would, with the
// bundlers installed in FOLDER and no plugin for this package. esbuild and Rollup follow no worker: theirs is an entry. `vite7-dev` and `vite8-dev` serve instead, at PORT, and print the address.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [bundler, folder, port = '0'] = process.argv.slice(2);
const require = createRequire(join(folder, 'package.json'));
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);
const out = join(folder, `out-${bundler}`);
const entries = ['page', 'worker', 'client-worker'].map((name) => join(folder, `${name}.js`));
const page = readFileSync(join(folder, 'index.html'), 'utf8');
const writePage = (text) => writeFileSync(join(out, 'index.html'), text);

async function vite(name) {
  const { build } = await load(name);
  await build({
    root: folder,
    logLevel: 'error',
    configFile: false,
    build: { outDir: out, target: 'es2022' },
    worker: { format: 'es' },
  });
}

async function viteDev(name) {
  const { createServer } = await load(name);
  const options = { root: folder, logLevel: 'error', configFile: false, cacheDir: join(folder, `.${name}`) };
  const server = await createServer({ ...options, server: { port: Number(port), host: '127.0.0.1' } });
  await server.listen();
  process.stdout.write(`${server.resolvedUrls.local[0]}\n`);
}

const BUNDLERS = {
  vite7: () => vite('vite7'),
  vite8: () => vite('vite8'),
  'vite7-dev': () => viteDev('vite7'),
  'vite8-dev': () => viteDev('vite8'),
  async esbuild() {
    const { build } = await load('esbuild');
    await build({
      entryPoints: entries,
      bundle: true,
      minify: true,
      format: 'esm',
      outdir: out,
      logLevel: 'warning',
    });
    writePage(page);
  },
  async rollup() {
    const { rollup } = await load('rollup');
    // Resolving packages is no plugin for this one: Rollup alone finds no package at all.
    const { nodeResolve } = await load('@rollup/plugin-node-resolve');
    const bundle = await rollup({ input: entries, plugins: [nodeResolve()], logLevel: 'silent' });
    await bundle.write({ dir: out, format: 'es' });
    writePage(page);
  },
  async webpack() {
    const { default: webpack } = await load('webpack');
    const config = {
      context: folder,
      mode: 'production',
      entry: { page: './page.js' },
      output: { path: out },
    };
    const stats = await new Promise((resolve, reject) => {
      webpack(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
    if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
    // Its programs are no modules unless asked.
    writePage(page.replace('type="module"', 'defer'));
  },
};

await BUNDLERS[bundler]();
