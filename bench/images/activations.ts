/** The polynomials that the four systems put in place of ReLU: what each is wrong by after a batch norm, and what they look like. */
import { evaluatePolynomial, normalFitError, openKernel, relu, reluNormalFit } from '../../src/nn/index.ts';
import { curveChart } from '../curve-chart.ts';
import { type Bench, reportFor } from '../report.ts';

const [LOW, HIGH] = [-4, 4];

const POLYNOMIALS: readonly (readonly [name: string, coefficients: readonly number[]])[] = [
  ['CryptoNets: a square', [0, 0, 1]],
  ['Chabanne et al.: fit under N(0, 1), degree 2', reluNormalFit(2)],
  ['Chabanne et al.: degree 4', reluNormalFit(4)],
  ['CryptoDL: integral of a fitted step', [0, 0.5, 0.118]],
  ['Faster CryptoNets: powers of two', [0.25, 0.5, 0.125]],
];

export const activationsPart: Bench = async () => {
  using kernel = await openKernel();
  const rows = POLYNOMIALS.map(([name, coefficients]) => ({
    name,
    polynomial: coefficients.map((c) => Number(c.toPrecision(4))).join(', '),
    'rms error under N(0, 1)': normalFitError(coefficients, relu),
  }));
  const curves = [
    { name: 'ReLU', at: relu },
    ...POLYNOMIALS.map(([name, coefficients]) => ({
      name,
      at: (x: number) => evaluatePolynomial(coefficients, x),
    })),
  ];
  const svg = curveChart(curves, { x: [LOW, HIGH], y: [-1, 6] });
  return { ...reportFor('images', kernel, rows), svg };
};
