import { describe, expect, it } from 'vitest';
import { InvalidParamsError, UnsupportedOpError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import { programId } from '../../src/compiler/program-file.ts';
import { layerBounds, provenBounds } from '../../src/compiler/step-analysis.ts';
import { GraphBuilder, tensorInput } from '../../src/nn/graph/graph-builder.ts';
import { DenseMap } from '../../src/nn/graph/linear-map.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { runClear } from '../../src/runtime/clear-machine.ts';
import { CkksParams } from '../../src/schemes/ckks/params.ts';
import { logQPCeiling } from '../../src/schemes/rlwe/security.ts';
import type { Program } from '../../src/compiler/program.ts';
import { randomConvolution, randomInputs, randomNetwork } from '../protocols/random-network.ts';

function boundsOf(program: Program) {
  const params = CkksParams.create(program.params);
  const primes = params.q.map((modulus) => modulus.q);
  return layerBounds({ list: program, primes, n: params.n }, program.inputBound);
}

describe('compile', () => {
  it('lists the steps of a three-square network: levels fall, the last square stays whole until it is packed', () => {
    const { steps, values } = compile(randomNetwork([12, 8, 8, 16, 3], 4, 1), { name: 'net' });
    const lines = steps.map(({ op, to }) => `${op} @${values[to]!.level} x${values[to]!.parts}`);
    expect(lines).toEqual([
      'expand @3 x2',
      'linear @3 x2',
      'multiply @3 x3',
      'relinearize @3 x2',
      'rescale @2 x2',
      'linear @2 x2',
      'multiply @2 x3',
      'relinearize @2 x2',
      'rescale @1 x2',
      'linear @1 x2',
      'multiply @1 x3',
      'linear @1 x3',
      'pack @1 x3',
      'relinearize @1 x2',
      'rescale @0 x2',
    ]);
  });

  it('stays within the security ceiling and is deterministic', () => {
    for (const widths of [
      [6, 4, 3],
      [6, 5, 4, 3],
      [12, 8, 8, 8, 5],
    ]) {
      const network = randomNetwork(widths, 4, 2);
      const [first, second] = [0, 1].map(() => compile(network, { name: 'net' }));
      const { logQP, logN } = CkksParams.create(first!.params);
      expect(logQP).toBeLessThanOrEqual(logQPCeiling(logN));
      expect(programId(first!)).toBe(programId(second!));
      expect(programId(compile(randomNetwork(widths, 4, 3), { name: 'net' }))).not.toBe(programId(first!));
    }
  });

  it('keeps the margins that it promises', () => {
    const bounds = boundsOf(compile(randomNetwork([12, 8, 8, 8, 5], 4, 1), { name: 'net' }));
    bounds.forEach((bound, i) => {
      expect(bound.capacity).toBeGreaterThanOrEqual(bound.trained * (i === bounds.length - 1 ? 4 : 8));
      expect(bound.proven).toBeGreaterThanOrEqual(bound.trained);
    });
    expect(bounds[0]!.proven).toBeLessThan(bounds[0]!.capacity);
  });

  it('proves bounds that no input within the clip exceeds, for every value of the program', () => {
    for (const network of [randomNetwork([12, 8, 8, 5], 4, 1), randomConvolution(4, 2)]) {
      const program = compile(network, { name: 'net', inputBound: 2 });
      const bounds = provenBounds(program, 2);
      const samples = 300;
      const inputs = randomInputs(samples, network.inputs, 4).map((value) => 3 * value);
      runClear(program, inputs, {
        observe: (value, slots) => {
          slots.forEach((slot, i) => {
            expect(Math.abs(slot)).toBeLessThanOrEqual(bounds[value]![Math.floor(i / samples)]! * (1 + 1e-9));
          });
        },
      });
    }
  });

  it('refuses what it cannot hold, saying why', () => {
    const deep = randomNetwork([6, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3], 8, 1);
    expect(() => compile(deep, { name: 'net', logN: [13] })).toThrow(InvalidParamsError);
    expect(() => compile(deep, { name: 'net', logN: [13] })).toThrow(
      /11 products deep.*hold 6: the first that does not fit is/,
    );
    const precise = randomNetwork([6, 4, 4, 4, 3], 4, 1);
    expect(() => compile(precise, { name: 'net', precision: 2 ** -30 })).toThrow(
      /precision: needed 2\^-30.0.*reached/,
    );
  });

  it('takes proven bounds where there are none from data', () => {
    const { layers, inputs, bits } = randomNetwork([6, 4, 3], 4, 1);
    const program = compile(new PolynomialNetwork(layers, inputs, bits), { name: 'net', inputBound: 1 });
    for (const { trained, proven, capacity } of boundsOf(program)) {
      expect(trained).toBeCloseTo(proven, 9);
      expect(capacity).toBeGreaterThan(proven);
    }
  });

  it('lists every node that cannot run under encryption', () => {
    const builder = new GraphBuilder();
    let wire = builder.input(tensorInput('x', [4]));
    wire = builder.linear(wire, new DenseMap(4, 4, new Float64Array(16).fill(1)), { name: 'first' });
    wire = builder.function(wire, 'relu', [], { name: 'act1' });
    wire = builder.function(wire, 'sigmoid', [], { name: 'act2' });
    expect(() => compile(builder.build(wire), { name: 'net' })).toThrow(UnsupportedOpError);
    expect(() => compile(builder.build(wire), { name: 'net' })).toThrow(/relu at act1: .*sigmoid at act2: /s);
  });
});
