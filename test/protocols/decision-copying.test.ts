/**
 * Copying a model from its answers. Where scores leave, as many samples as there are monomials give it away, and all of them fit one query. Where a
 * place of exact scores leaves, a walk along borders does it with some thousand queries. The server's places are of scores in sixteen levels,
 * which hide the borders: the same walk is far off after four times as many. What stays is imitation: see the last test.
 *
 * The oracle is the server's function in the clear; decision.test.ts shows that encrypted answers are those.
 */
import { describe, expect, test } from 'vitest';
import type { PolynomialLayer } from '../../src/nn/polynomial/polynomial-layer.ts';
import { PolynomialNetwork } from '../../src/nn/polynomial/polynomial-network.ts';
import { SeededGenerator } from '../../src/nn/tensor/generator.ts';
import { QuadraticCopy, quadraticMonomials } from '../../src/protocols/inference/copy-attack.ts';
import { LabelCopy } from '../../src/protocols/inference/label-copy-attack.ts';
import { quantisedLevel } from '../../src/schemes/tfhe/index.ts';
import { randomInputs, randomNetwork } from './random-network.ts';

const [INPUTS, OUTPUTS] = [6, 4];
const network = balanced(randomNetwork([INPUTS, 8, OUTPUTS], 4, 11));
const MONOMIALS = quadraticMonomials(INPUTS);
const fresh = randomInputs(500, INPUTS, 99);
const truth = network.run(fresh);
const [, high] = network.ranges.at(-1)!;

/** Every output has mean 0 over random inputs, so that each place wins somewhere. */
function balanced(of: PolynomialNetwork): PolynomialNetwork {
  const means = new Float64Array(OUTPUTS);
  of.run(randomInputs(1000, INPUTS, 7)).forEach((score, i) => {
    means[i % OUTPUTS]! += score / 1000;
  });
  const [first, last] = of.layers as [PolynomialLayer, PolynomialLayer];
  const layers = [first, { ...last, offset: last.offset.map((value, o) => value - means[o]!) }];
  const narrow = new PolynomialNetwork(layers, INPUTS, of.bits).withRanges(
    layers.map(() => [-1e-12, 1e-12] as const),
  );
  return narrow.withRanges(narrow.checkRanges(randomInputs(200, INPUTS, 8)).map(({ seen }) => seen));
}

const placeOf = (scores: ArrayLike<number>): number =>
  Array.from(scores).indexOf(Math.max(...Array.from(scores)));

/** What the server answers: the place of the largest of sixteen levels, four to a unit, from the top of the range down. */
function place(x: Float64Array): number {
  return placeOf(Array.from(network.run(x), (score) => quantisedLevel((score - high) * 4 + 15, 16)));
}

/** Share of fresh inputs on which the largest score of a copy is that of the network. */
function agreement(copied: ArrayLike<number>): number {
  let same = 0;
  for (let t = 0; t < 500; t++) {
    const row = (of: ArrayLike<number>) => Array.from({ length: OUTPUTS }, (_, o) => of[t * OUTPUTS + o]!);
    same += Number(placeOf(row(copied)) === placeOf(row(truth)));
  }
  return same / 500;
}

/** Distance of differences of scores to the true ones, after the best common factor, as a share of theirs. */
function distance(copied: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let t = 0; t < 500; t++)
    for (let o = 1; o < OUTPUTS; o++) {
      const a = copied[t * OUTPUTS + o]! - copied[t * OUTPUTS]!;
      const b = truth[t * OUTPUTS + o]! - truth[t * OUTPUTS]!;
      ab += a * b;
      aa += a * a;
      bb += b * b;
    }
  return Math.sqrt(Math.max(0, 1 - ab ** 2 / (aa * bb)));
}

/** Inputs as the model knows them: wider ones leave the window of the levels, whose reflections mislead. */
function drawer(): () => Float64Array {
  const generator = new SeededGenerator(5);
  return () => Float64Array.from({ length: INPUTS }, () => generator.normal());
}

function walk(queries: number, oracle: (x: Float64Array) => number): Float64Array {
  return LabelCopy.fit(oracle, { inputs: INPUTS, outputs: OUTPUTS, queries, draw: drawer() }).run(fresh);
}

/** Least squares on the places of random inputs, as if they were scores. */
function imitation(queries: number): Float32Array {
  const x = randomInputs(queries, INPUTS, 3);
  const places = new Float32Array(queries * OUTPUTS);
  for (let t = 0; t < queries; t++)
    places[t * OUTPUTS + place(Float64Array.from(x.subarray(t * INPUTS, (t + 1) * INPUTS)))] = 1;
  return QuadraticCopy.fit(x, places, INPUTS, OUTPUTS).run(fresh);
}

describe('a client that copies the model', () => {
  test('control: scores of as many samples as monomials, one query of them, are the model', () => {
    const x = randomInputs(MONOMIALS + 4, INPUTS, 3);
    const copied = QuadraticCopy.fit(x, Float32Array.from(network.run(x)), INPUTS, OUTPUTS).run(fresh);
    expect(distance(copied)).toBeLessThan(1e-3);
    expect(agreement(copied)).toBeGreaterThan(0.99);
  });

  test('control: places of exact scores give the model to a walk of 1,500 queries', () => {
    const copied = walk(1500, (x) => placeOf(network.run(x)));
    expect(distance(copied)).toBeLessThan(0.02);
    expect(agreement(copied)).toBeGreaterThan(0.98);
  });

  test('places of levels, as the server gives them, do not, to a walk four times as long', () => {
    for (const queries of [1500, 6000]) expect(distance(walk(queries, place))).toBeGreaterThan(0.3);
  });

  test('imitation stays possible and is dear: as many places as monomials are poor, and thousands are no copy of the scores', () => {
    expect(agreement(imitation(MONOMIALS + 4))).toBeLessThan(0.75);
    const [some, many] = [imitation(500), imitation(5000)];
    expect(agreement(many)).toBeGreaterThan(agreement(imitation(MONOMIALS + 4)));
    for (const copied of [some, many]) expect(distance(copied)).toBeGreaterThan(0.1);
  });
});
