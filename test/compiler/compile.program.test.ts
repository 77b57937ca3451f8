import { describe, expect, it } from 'vitest';
import { InvalidParamsError, UnsupportedOpError } from '../../src/base/errors.ts';
import { compile } from '../../src/compiler/compile.ts';
import { networkFacts } from '../../src/compiler/facts.ts';
import { followScales, planScales } from '../../src/compiler/scales.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { logQPCeiling } from '../../src/schemes/rlwe/security.ts';
import { randomConvolution, randomInputs, randomNetwork } from '../protocols/random-network.ts';

describe('compile', () => {
  it('lists the steps of a three-square network: levels fall, the last square stays whole', () => {
    const program = compile(randomNetwork([12, 8, 8, 8, 5], 4, 1), { name: 'net' });
    const line = (step: (typeof program.steps)[number]) =>
      step.op === 'linear'
        ? `linear ${step.layer} level ${step.level} parts ${step.parts}`
        : step.op === 'square'
          ? `square ${step.layer} level ${step.level}${step.relinearize ? ' relinearize' : ''}`
          : step.op;
    expect(program.steps.map(line)).toEqual([
      'expand',
      'linear 0 level 3 parts 2',
      'square 0 level 3 relinearize',
      'linear 1 level 2 parts 2',
      'square 1 level 2 relinearize',
      'linear 2 level 1 parts 2',
      'square 2 level 1',
      'linear 3 level 1 parts 3',
      'pack',
      'finish',
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
      expect(first!.params.logQP).toBeLessThanOrEqual(logQPCeiling(first!.params.logN));
      expect(first!.offer.programId).toBe(second!.offer.programId);
      const other = compile(randomNetwork(widths, 4, 3), { name: 'net' });
      expect(other.offer.programId).not.toBe(first!.offer.programId);
    }
  });

  it('keeps the margins that it promises', () => {
    const program = compile(randomNetwork([12, 8, 8, 8, 5], 4, 1), { name: 'net' });
    program.report.bounds.forEach((bound, i) => {
      const margin = i === program.report.bounds.length - 1 ? 4 : 8;
      expect(bound.capacity).toBeGreaterThanOrEqual(bound.trained * margin);
      expect(bound.proven).toBeGreaterThanOrEqual(bound.trained);
    });
    expect(program.report.bounds[0]!.proven).toBeLessThan(program.report.bounds[0]!.capacity);
  });

  it('proves bounds that no input within the clip exceeds', () => {
    for (const network of [randomNetwork([12, 8, 8, 5], 4, 1), randomConvolution(4, 2)]) {
      const facts = networkFacts(network, 2);
      const inputs = randomInputs(300, network.inputs, 4).map((value) =>
        Math.max(-2, Math.min(2, 3 * value)),
      );
      const tight = network.withRanges(network.layers.map(() => [-1e-9, 1e-9] as const));
      tight.checkRanges(inputs).forEach(({ seen }, i) => {
        expect(Math.max(-seen[0], seen[1])).toBeLessThanOrEqual(facts[i]!.proven);
      });
    }
  });

  it('refuses what it cannot hold, saying why', () => {
    const unmeasured = randomNetwork([6, 4, 3], 4, 1);
    const bare = new PolynomialNetwork(unmeasured.layers, unmeasured.inputs, unmeasured.bits);
    expect(() => compile(bare, { name: 'net' })).toThrow(UnsupportedOpError);
    const deep = randomNetwork([6, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 3], 8, 1);
    expect(() => compile(deep, { name: 'net', logN: [13] })).toThrow(InvalidParamsError);
    const precise = randomNetwork([6, 4, 4, 4, 3], 4, 1);
    expect(() => compile(precise, { name: 'net', precision: 2 ** -30 })).toThrow(/precision/);
  });

  it('chooses the largest input scale that fits', () => {
    const network = randomNetwork([12, 8, 8, 8, 5], 4, 1);
    const program = compile(network, { name: 'net' });
    const primes = program.params.q.map((modulus) => modulus.q);
    const facts = networkFacts(network, 8);
    const plan = planScales(facts, primes, program.params.n, () => true)!;
    expect(plan.inputScale).toBe(program.offer.inputScale);
    const bolder = followScales(facts, primes, program.params.n, plan.inputScale * 2 ** 0.25);
    const fits = bolder.bounds.every((bound, i) => bound.capacity >= bound.trained * (i === 3 ? 4 : 8));
    expect(fits).toBe(false);
    const { inputScale } = plan;
    const smaller = planScales(facts, primes, program.params.n, (scale) => scale < inputScale)!;
    expect(Math.log2(smaller.inputScale)).toBeCloseTo(Math.log2(inputScale) - 0.25);
  });
});
