/** Scores of the ten digits as bars, and the answer above them. */
import { bar, byId, element } from './elements.ts';

export function showDigitScores(scores: Float32Array | null): void {
  const shares = scores === null ? new Array<number>(10).fill(0) : certainties(scores);
  const rows = shares.map((share, digit) =>
    element(
      'li',
      {},
      element('span', {}, String(digit)),
      bar(share),
      element('span', {}, scores === null ? '–' : `${(100 * share).toFixed(1)} %`),
    ),
  );
  byId('bars').replaceChildren(...rows);
  const best = shares.indexOf(Math.max(...shares));
  byId('answer').replaceChildren(
    ...(scores === null
      ? ['Nothing asked yet']
      : [
          element('strong', {}, String(best)),
          `with a certainty of ${(100 * (shares[best] ?? 0)).toFixed(1)} %`,
        ]),
  );
}

/** Softmax. */
function certainties(scores: Float32Array): number[] {
  const most = Math.max(...scores);
  const weights = [...scores].map((score) => Math.exp(score - most));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
