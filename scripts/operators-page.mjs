// Writes docs/operators.md from the operator tables of the built project.
import { writeFileSync } from 'node:fs';
import { operatorsPage } from '../dist/src/nn/onnx/operator-docs.js';

writeFileSync(new URL('../docs/operators.md', import.meta.url), operatorsPage());
