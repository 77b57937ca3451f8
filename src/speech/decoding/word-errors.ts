/** Word error rate: the edit distance between two word sequences, by kind of error. */

export interface WordErrors {
  readonly substitutions: number;
  readonly insertions: number;
  readonly deletions: number;
  /** Words of the reference. */
  readonly words: number;
  /** All errors over the words of the reference; infinite when there is none but errors are. */
  readonly rate: number;
}

/**
 * The cheapest way to turn `reference` into `hypothesis`, every error costing one. Among equally cheap ways
 * substitutions are preferred to a deletion with an insertion.
 */
export function wordErrors(reference: readonly string[], hypothesis: readonly string[]): WordErrors {
  const width = hypothesis.length + 1;
  const cost = new Int32Array((reference.length + 1) * width);
  for (let r = 0; r <= reference.length; r++) {
    for (let h = 0; h <= hypothesis.length; h++) {
      const at = r * width + h;
      if (r === 0 || h === 0) {
        cost[at] = r + h;
        continue;
      }
      const diagonal = cost[at - width - 1] + (reference[r - 1] === hypothesis[h - 1] ? 0 : 1);
      cost[at] = Math.min(diagonal, cost[at - width] + 1, cost[at - 1] + 1);
    }
  }
  let [r, h] = [reference.length, hypothesis.length];
  let [substitutions, insertions, deletions] = [0, 0, 0];
  while (r > 0 || h > 0) {
    const at = r * width + h;
    const isEqual = r > 0 && h > 0 && reference[r - 1] === hypothesis[h - 1];
    if (r > 0 && h > 0 && cost[at] === cost[at - width - 1] + (isEqual ? 0 : 1)) {
      if (!isEqual) substitutions++;
      r--;
      h--;
    } else if (r > 0 && cost[at] === cost[at - width] + 1) {
      deletions++;
      r--;
    } else {
      insertions++;
      h--;
    }
  }
  return withRate(substitutions, insertions, deletions, reference.length);
}

/** The errors of many utterances as those of one long one. */
export function sumWordErrors(parts: Iterable<WordErrors>): WordErrors {
  let [substitutions, insertions, deletions, words] = [0, 0, 0, 0];
  for (const part of parts) {
    substitutions += part.substitutions;
    insertions += part.insertions;
    deletions += part.deletions;
    words += part.words;
  }
  return withRate(substitutions, insertions, deletions, words);
}

function withRate(substitutions: number, insertions: number, deletions: number, words: number): WordErrors {
  const errors = substitutions + insertions + deletions;
  return { substitutions, insertions, deletions, words, rate: errors === 0 ? 0 : errors / words };
}
