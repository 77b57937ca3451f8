/** docs/operators.md says what the tables say. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { operatorsPage } from '../../../src/nn/onnx/operator-docs.ts';

test('docs/operators.md is current (node scripts/operators-page.mjs writes it)', () => {
  expect(readFileSync(new URL('../../../docs/operators.md', import.meta.url), 'utf8')).toBe(operatorsPage());
});
