import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VectorLoop } from '../../src/nn/tensor/vector-loop.ts';

const MULTIPLY_ADD = new VectorLoop(
  { streams: 2, columns: 2, sums: 1, scalars: 1, totals: 1, reads: [0], writes: [1] },
  (body) => {
    const x = body.stream(0);
    const y = body.keep(body.add(body.mul(body.column(0), x), body.mul(body.column(1), body.scalar(0))));
    body.setStream(1, y);
    body.addToColumn(2, y);
    body.addToTotal(0, x);
  },
);

const UNARY = new VectorLoop({ streams: 2, scalars: 1, totals: 1, reads: [0], writes: [1] }, (body) => {
  const x = body.stream(0);
  const large = body.greater(body.max(x, body.negate(x)), body.scalar(0));
  const root = body.sqrt(body.max(x, body.zero()));
  body.addToTotal(0, body.mul(x, x));
  body.setStream(1, body.sub(body.and(body.nearest(x), large), body.div(root, body.scalar(0))));
});

const value = fc.float({ min: -100, max: 100, noNaN: true });
const fround = Math.fround;

function nearestEven(x: number): number {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

describe('vector loops', () => {
  it('equal the same loop in float32, for any rows and columns', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 150 }),
        fc.integer({ min: 1, max: 37 }),
        value,
        (rows, cols, factor) => {
          const x = Float32Array.from({ length: rows * cols }, (_, i) => ((i * 37) % 101) - 50);
          const columns = [0, 1].map((c) => Float32Array.from({ length: cols }, (_, j) => j / 3 - c));
          const y = new Float32Array(rows * cols);
          const sums = [new Float64Array(cols).fill(5)];
          const [total] = MULTIPLY_ADD.run(rows, cols, { streams: [x, y], columns, sums, scalars: [factor] });
          for (let j = 0; j < cols; j++) {
            let sum = 5;
            for (let i = 0; i < rows; i++) {
              const at = i * cols + j;
              expect(y[at]).toBe(fround(fround(columns[0][j] * x[at]) + fround(columns[1][j] * factor)));
              sum += y[at];
            }
            expect(Math.abs(sums[0][j] - sum)).toBeLessThan(1e-3 * rows + 1e-3);
          }
          expect(total).toBe(x.reduce((a, b) => a + b, 0));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('runs flat over any length, tails included', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 41 }), (values) => {
        const x = Float32Array.from(values);
        const y = new Float32Array(x.length);
        const [total] = UNARY.run(1, x.length, { streams: [x, y], scalars: [2] });
        let squares = 0;
        x.forEach((v, i) => {
          const large = Math.abs(v) > 2 ? nearestEven(v) : 0;
          expect(y[i]).toBeCloseTo(fround(large - fround(fround(Math.sqrt(Math.max(v, 0))) / 2)), 6);
          squares += v * v;
        });
        expect(Math.abs(total - squares)).toBeLessThanOrEqual(1e-5 * squares + 1e-30);
      }),
    );
  });

  it('runs over more than one stage', () => {
    const x = Float32Array.from({ length: 40_001 }, (_, i) => i % 17);
    const y = new Float32Array(x.length);
    const [total] = UNARY.run(1, x.length, { streams: [x, y], scalars: [1000] });
    expect(total).toBe(x.reduce((a, b) => a + b * b, 0));
    expect(y[40_000]).toBeCloseTo(-Math.sqrt(40_000 % 17) / 1000, 7);
  });

  it('does nothing on an empty array', () => {
    expect([
      ...UNARY.run(1, 0, { streams: [new Float32Array(0), new Float32Array(0)], scalars: [1] }),
    ]).toEqual([0]);
  });
});
