/** The shipped networks of published systems have the properties that docs/images.md tells of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compile } from '../../src/compiler/compile.ts';
import { reportOf } from '../../src/compiler/report.ts';
import { Sequential } from '../../src/nn/layers/sequential.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { plainMatrixMultiply } from '../../src/nn/tensor/matrix-multiply.ts';

const bytesOf = (name: string): Uint8Array =>
  readFileSync(join(import.meta.dirname, '..', '..', 'models', 'mnist', `${name}.bin`));
const polynomialOf = (name: string): PolynomialNetwork =>
  PolynomialNetwork.fromBytes(bytesOf(`${name}-polynomial-8bit`));

it.each([
  ['cryptonets', 13, 2],
  ['chabanne', 14, 6],
  ['cryptodl', 14, 3],
  ['faster-cryptonets', 13, 2],
])('%s fits a ring of 2^%i with %i activations', (name, logN, products) => {
  const program = compile(polynomialOf(name), { name: 'published', inputBound: 1 });
  expect(program.params.logN).toBe(logN);
  expect(reportOf(program).depth).toBe(products);
});

it('Faster CryptoNets has powers of two, and few of them in the large layer', () => {
  const { layers } = polynomialOf('faster-cryptonets');
  for (const { weights } of layers)
    for (const weight of weights) expect(Math.log2(Math.abs(weight) || 1) % 1).toBe(0);
  const { weights } = layers[1]!;
  const zeros = weights.filter((weight) => weight === 0).length / weights.length;
  expect(zeros).toBeGreaterThan(0.75);
  expect(polynomialOf('cryptonets').layers[1]!.weights.filter((weight) => weight === 0).length).toBeLessThan(
    0.2 * weights.length,
  );
});

it('Chabanne et al. start from ReLU over batch norms', () => {
  const kinds = Sequential.fromBytes(bytesOf('chabanne-float'), plainMatrixMultiply).specs.map(
    ({ kind }) => kind,
  );
  expect(kinds.filter((kind) => kind === 'relu').length).toBe(6);
  kinds.forEach((kind, i) => {
    if (kind === 'relu') expect(kinds[i - 1]).toBe('batch-norm');
  });
});

it('CryptoDL is trained with the polynomial of its authors', () => {
  const { specs } = Sequential.fromBytes(bytesOf('cryptodl-float'), plainMatrixMultiply);
  const coefficients = specs.flatMap((spec) => (spec.kind === 'polynomial' ? [spec.coefficients] : []));
  expect(coefficients).toEqual([
    [0, 0.5, 0.118],
    [0, 0.5, 0.118],
    [0, 0.5, 0.118],
  ]);
});
