/**
 * What follows from a decision at the server: how scores become levels, what it costs, how often it fails. Pure functions of plain data.
 *
 * A score s stands as s scale in a coefficient modulo q_0. Multiplied by the factor k and carried over, it is the message
 * 2p s scale k / q_0 of p levels; the message of `low` is taken away. So one level is q_0 / (2p scale k) of score.
 */
import * as arg from '../../base/arguments.ts';
import { InvalidParamsError } from '../../base/errors.ts';
import { CkksParams } from '../../schemes/ckks/params.ts';
import {
  exitModulus,
  lookupFailureBits,
  quantisationMargin,
  quantisedLevel,
  TfheEvaluationKeys,
  TfheExitKey,
  TfheParams,
} from '../../schemes/tfhe/index.ts';
import { exitVariance, lookupVariance } from '../../schemes/tfhe/noise.ts';
import type { Program } from '../program.ts';
import type { Decision, DecisionTerms } from './decision.ts';

/** A program whose scores do not leave. */
export type DecidingProgram = Program & { readonly decision: Decision };

/** For a clear quantiser beside the encrypted one: the probability that both differ outside of the margin. */
const MARGIN_BITS = -40;

export interface DecisionFacts {
  /** Levels per unit of score. */
  readonly levelsPerScore: number;
  /** The scores of level 0 and of the last one. */
  readonly window: readonly [low: number, high: number];
  /** Of a score's own error on the way out, as a fraction of the circle; the exit adds its own. */
  readonly ownVariance: number;
  /** A score nearer than this, in levels, to the middle between two may be given either, with probability above 2^-40. */
  readonly margin: number;
  /** Bootstraps of one answer. */
  readonly lookups: number;
  /** log2 of a bound on the probability that an answer is not that of its levels, or that a level is off by more than one. */
  readonly failureBits: number;
  /** The exit key and the keys of TFHE on the wire. */
  readonly keyBytes: number;
}

export function isDeciding(program: Program): program is DecidingProgram {
  return program.decision !== undefined;
}

/** The TFHE parameters of a decision. */
export function tfheParamsOf({ levels }: DecisionTerms): TfheParams {
  return TfheParams.forMessages(levels);
}

/** Bytes of the exit key and the TFHE keys, for ciphertexts of degree n. */
export function decisionKeyBytes(terms: DecisionTerms, ring: { readonly n: number }): number {
  return TfheExitKey.byteLength(ring) + TfheEvaluationKeys.byteLength(tfheParamsOf(terms));
}

export function decisionFactsOf(program: DecidingProgram): DecisionFacts {
  arg.checkArguments('decisionFactsOf', [program], { program: arg.like('a Program', 'version', 'decision') });
  const { decision, outputs, output, values } = program;
  const tfhe = tfheParamsOf(decision);
  const ckks = CkksParams.create(program.params);
  const q0 = ckks.q[0]!.q;
  const turn = (values.at(-1)!.scale * decision.factor) / q0;
  const levelsPerScore = 2 * decision.levels * turn;
  // A mean over slots has at most the error of one.
  const ownVariance = (output.schemeError * turn) ** 2;
  const variance = ownVariance + exitVariance(tfhe, ckks, exitModulus(tfhe, ckks));
  const fresh = lookupVariance(tfhe);
  const indexVariance = Array.from({ length: outputs }, (_, i) => i * i * fresh).reduce((a, b) => a + b, 0);
  const steps: readonly (readonly [count: number, variance: number])[] = [
    [outputs, variance],
    [(outputs * (outputs - 1)) / 2, 2 * fresh],
    [outputs, (outputs - 1) * fresh],
    [1, indexVariance],
  ];
  const failure = steps.reduce((sum, [count, each]) => sum + count * 2 ** lookupFailureBits(tfhe, each), 0);
  return {
    levelsPerScore,
    window: [decision.low, decision.low + (decision.levels - 1) / levelsPerScore],
    ownVariance,
    margin: quantisationMargin(tfhe, variance, MARGIN_BITS),
    lookups: steps.reduce((sum, [count]) => sum + count, 0),
    failureBits: Math.log2(failure),
    keyBytes: decisionKeyBytes(decision, ckks),
  };
}

/**
 * `program` with a decision behind it: the integer factor whose window is nearest to [low, high].
 *
 * @throws {InvalidParamsError} when the window is empty, or so wide or narrow that no factor gives it.
 */
export function decisionFor(
  program: Program,
  terms: DecisionTerms,
  [low, high]: readonly [low: number, high: number],
): Decision {
  const q0 = CkksParams.create(program.params).q[0]!.q;
  const factor = Math.round(
    ((terms.levels - 1) * q0) / (2 * terms.levels * program.values.at(-1)!.scale * (high - low)),
  );
  if (!(high > low && factor >= 1 && factor < q0 / 2))
    throw new InvalidParamsError('the window of scores is empty, or no factor gives its width', {
      low,
      high,
    });
  return { ...terms, low, factor };
}

/** The mean of each output over all samples of a query, of clear scores `[samples, outputs]`: what a decision is made on. */
export function meanScores(scores: ArrayLike<number>, outputs: number): number[] {
  const samples = scores.length / outputs;
  return Array.from({ length: outputs }, (_, output) => {
    let sum = 0;
    for (let t = 0; t < samples; t++) sum += scores[t * outputs + output]!;
    return sum / samples;
  });
}

/** The levels of clear scores, as the server's quantiser would have them without noise. */
export function clearLevels({ levelsPerScore, window }: DecisionFacts, scores: ArrayLike<number>): number[] {
  return Array.from(scores, (score) => quantisedLevel((score - window[0]) * levelsPerScore, 16));
}

/** The decision on levels: the place of the largest, the first among equals. */
export function decidedPlace(levels: readonly number[]): number {
  return levels.indexOf(Math.max(...levels));
}
