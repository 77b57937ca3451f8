// npm run docs: the documentation as a site in build/site, with search and the API reference; ends with an error on a broken link.
// `--no-reference` leaves out the reference, which takes longest.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installFixture } from '../install-fixture.mjs';
import { brokenLinks } from './links.mjs';
import { stagePages } from './stage.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const out = join(root, 'build/site');
const options = process.argv.slice(2);

function run(args) {
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

const say = (text) => process.stderr.write(`docs: ${text}\n`);

function report(problems) {
  if (problems.length === 0) return;
  for (const problem of problems) say(problem);
  process.exit(1);
}

say('installing the generator where it is missing (VitePress, 102 MB in .cache)');
const installed = installFixture('site');
// Inside the folder of the generator, so that the theme is found from there.
const staged = join(installed, 'pages');
rmSync(staged, { recursive: true, force: true });
rmSync(out, { recursive: true, force: true });
mkdirSync(join(staged, '.vitepress/theme'), { recursive: true });
report(stagePages(root, staged));
cpSync(join(here, 'index.md'), join(staged, 'index.md'));
// The default theme without its web fonts, and our colours.
writeFileSync(
  join(staged, '.vitepress/theme/index.js'),
  "import theme from 'vitepress/theme-without-fonts';\nimport './theme.css';\nexport default theme;\n",
);
cpSync(join(here, 'theme.css'), join(staged, '.vitepress/theme/theme.css'));
cpSync(join(root, 'src/apps/web/pages/icon.svg'), join(staged, 'public/icon.svg'));
const config = await import('./config.mjs');
writeFileSync(
  join(staged, '.vitepress/config.mjs'),
  `export default ${JSON.stringify({ ...config.default, outDir: out })};\n`,
);
run([join(installed, 'node_modules/vitepress/bin/vitepress.js'), 'build', staged]);
if (!options.includes('--no-reference')) {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
  run([typedoc, '--out', join(out, 'reference'), '--disableSources', '--logLevel', 'Warn']);
}
report(brokenLinks(out, options.includes('--no-reference') ? ['reference'] : []));
const { version } = JSON.parse(readFileSync(join(installed, 'node_modules/vitepress/package.json'), 'utf8'));
say(`built by VitePress ${version}: ${existsSync(join(out, 'index.html')) ? 'build/site' : 'nothing'}`);
