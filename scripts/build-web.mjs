// Bundles the pages of `subrosa web` into build/web, when they are older than the build they are made of. Run after scripts/prepare.mjs.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, 'src/apps/web/pages');
const parts = join(sources, 'parts');
const compiled = join(root, 'dist/src/apps');
const out = join(root, 'build/web');
const stamp = join(out, '.built');

function newest(path) {
  const status = statSync(path);
  if (!status.isDirectory()) return status.mtimeMs;
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), 0);
}

/** A page with the files of `parts` where it names them, indented as there; in them its link to itself is marked. */
function assembled(page, path) {
  const own = `href="${path}"`;
  return page.replace(/^( *)<!-- part: ([a-z-]+) -->\n/gm, (_, indent, name) =>
    readFileSync(join(parts, `${name}.html`), 'utf8')
      .replace(/^(?=.)/gm, indent)
      .replace(own, `${own} aria-current="page"`),
  );
}

const inputs = [sources, join(root, 'dist/src'), join(root, 'build/wasm'), fileURLToPath(import.meta.url)];
const isFresh = existsSync(stamp) && inputs.every((path) => newest(path) <= statSync(stamp).mtimeMs);
if (!isFresh) {
  const { build } = await import('esbuild');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  cpSync(sources, out, { recursive: true, filter: (path) => !path.endsWith('.ts') && path !== parts });
  for (const name of readdirSync(out, { recursive: true }).filter((each) => each.endsWith('index.html'))) {
    const page = readFileSync(join(sources, name), 'utf8');
    writeFileSync(join(out, name), assembled(page, `/${name.slice(0, -'index.html'.length)}`));
  }
  const page = (name) => join(compiled, 'web/pages', `${name}.js`);
  const options = {
    minify: true,
    format: 'esm',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'warning',
  };
  await build({
    ...options,
    entryPoints: [
      ...[
        ...['digits-page', 'edges-page', 'edges-worker', 'owner-page', 'owner-worker'],
        ...['speak-page', 'speech-worker', 'wake-page', 'wake-worker'],
      ].map(page),
      join(compiled, 'client/client-worker.js'),
    ],
    bundle: true,
    // Pages leave compressed sound to the browser.
    external: ['mpg123-decoder', 'ogg-opus-decoder', '@wasm-audio-decoders/*'],
    splitting: true,
    outdir: join(out, 'assets'),
    // All in one folder: a program finds its worker beside itself.
    entryNames: '[name]',
    chunkNames: '[name]-[hash]',
    // Browsers that do not know it yet.
    define: { 'Symbol.dispose': 'symbolDispose' },
    inject: [join(root, 'dist/src/apps/web/pages/symbol-dispose.js')],
  });
  await build({
    ...options,
    entryPoints: [page('recorder-worklet')],
    bundle: true,
    outdir: join(out, 'assets'),
  });
  writeFileSync(stamp, '');
}
