/** How two ciphertexts get to one level and scale: one is multiplied by a whole constant, and divided by primes if need be. */
import { LevelExhaustedError } from '../../base/errors.ts';
import type { CkksParams } from './params.ts';

/** What happens to one of the two: times `multiplier` at `level + divisions`, then as many rescalings; 1 and 0: nothing. */
export interface Adjustment {
  readonly multiplier: number;
  readonly divisions: number;
}

export interface Alignment {
  readonly level: number;
  /** Of both, exactly. */
  readonly scale: number;
  readonly a: Adjustment;
  readonly b: Adjustment;
}

interface At {
  readonly level: number;
  readonly scale: number;
}

/** A constant c is off by at most 1/2, values by 1/(2c): at least so much, as scales that count as equal. */
const LEAST_MULTIPLIER = 2 ** 20;
/** What constantResidues takes. */
const MULTIPLIER_LIMIT = 2 ** 98;
const MAX_DIVISIONS = 2;
const NOTHING: Adjustment = { multiplier: 1, divisions: 0 };

/** The way that keeps most levels. @throws {LevelExhaustedError} when there is none. */
export function planAlignment(params: CkksParams, a: At, b: At): Alignment {
  const level = Math.min(a.level, b.level);
  if (a.scale === b.scale) return { level, scale: a.scale, a: NOTHING, b: NOTHING };
  const raised = { multiplier: Math.round(Math.max(a.scale / b.scale, b.scale / a.scale)), divisions: 0 };
  if (raised.multiplier >= LEAST_MULTIPLIER && raised.multiplier < MULTIPLIER_LIMIT) {
    return a.scale < b.scale
      ? { level, scale: b.scale, a: raised, b: NOTHING }
      : { level, scale: a.scale, a: NOTHING, b: raised };
  }
  const ways: Alignment[] = [];
  for (let divisions = 1; divisions <= MAX_DIVISIONS; divisions++) {
    const [first, second] = [divided(params, a, b, divisions), divided(params, b, a, divisions)];
    if (first !== undefined) ways.push({ ...first.at, a: first.adjustment, b: NOTHING });
    if (second !== undefined) ways.push({ ...second.at, a: NOTHING, b: second.adjustment });
  }
  const best = ways.sort((left, right) => right.level - left.level)[0];
  if (best === undefined) throw new LevelExhaustedError('align', level, 1);
  return best;
}

/** `x` brought to the scale of `y` by so many divisions, at the highest level that allows it. */
function divided(
  params: CkksParams,
  x: At,
  y: At,
  divisions: number,
): { at: At; adjustment: Adjustment } | undefined {
  const level = Math.min(y.level, x.level - divisions);
  if (level < 0) return undefined;
  let multiplier = y.scale / x.scale;
  for (let i = 1; i <= divisions; i++) multiplier *= params.q[level + i]!.q;
  multiplier = Math.round(multiplier);
  if (multiplier < LEAST_MULTIPLIER || multiplier >= MULTIPLIER_LIMIT) return undefined;
  return { at: { level, scale: y.scale }, adjustment: { multiplier, divisions } };
}
