// Checks the folders below with `noUncheckedIndexedAccess`, under which array[i] may be undefined: there an index out of bounds
// is a wrong answer or an attack, not a slow loop. The loops of kernels, clear networks and training are not among them.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const FOLDERS = ['ring', 'schemes', 'fe', 'circuits', 'compiler', 'runtime', 'protocols', 'apps'];
const EXCEPT = /\/src\/apps\/(?:speech|train)\//;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent(read.config, ts.sys, root);
const folders = FOLDERS.map((folder) => join(root, 'src', folder));
const files = folders
  .flatMap((folder) => ts.sys.readDirectory(folder, ['.ts']))
  .filter((file) => !EXCEPT.test(file));
const program = ts.createProgram(files, { ...options, noUncheckedIndexedAccess: true });
const found = files.flatMap((file) => program.getSemanticDiagnostics(program.getSourceFile(file)));
if (found.length > 0) {
  const host = {
    getCurrentDirectory: () => root,
    getCanonicalFileName: (name) => name,
    getNewLine: () => '\n',
  };
  process.stdout.write(ts.formatDiagnostics(found, host));
  process.exitCode = 1;
}
