/** What compiling costs in accuracy, before anybody encrypts: the float model, its polynomial, its integers, and encryption simulated. */
import { type AnyProgram, isExact } from '../../../compiler/exact/exact-program.ts';
import { interpret } from '../../../nn/graph/clear-interpreter.ts';
import type { ModelGraph } from '../../../nn/graph/model-graph.ts';
import type { MatrixMultiply } from '../../../nn/tensor/matrix-multiply.ts';
import { SeededGenerator } from '../../../nn/tensor/generator.ts';
import { runClear } from '../../../runtime/clear-machine.ts';
import { runSimulated } from '../../../runtime/simulated-encryption.ts';

export interface MeasuredAccuracy {
  readonly samples: number;
  /** Shares of right decisions; undefined without labels. */
  readonly float?: number;
  readonly polynomial?: number;
  readonly quantised?: number;
  readonly encrypted?: number;
  /** Shares of decisions that are the float model's. */
  readonly polynomialAgreement: number;
  readonly quantisedAgreement: number;
  readonly encryptedAgreement: number;
}

interface AccuracySubject {
  readonly float: ModelGraph;
  readonly polynomial: ModelGraph;
  readonly program: AnyProgram;
  /** `[count, features]` */
  readonly data: Float32Array;
  readonly count: number;
  readonly labels?: Uint8Array | undefined;
  readonly multiply: MatrixMultiply;
}

export function measureAccuracy({
  float,
  polynomial,
  program,
  data,
  count,
  labels,
  multiply,
}: AccuracySubject): MeasuredAccuracy {
  const { outputs } = program;
  const scores = (graph: ModelGraph): Float64Array => interpret(graph, [data], count, { multiply });
  const quantised = runClear(program, data);
  const encrypted = isExact(program) ? quantised : runSimulated(program, data, new SeededGenerator(1));
  const [asFloat, asPolynomial, asIntegers, asEncrypted] = [
    scores(float),
    scores(polynomial),
    quantised,
    encrypted,
  ].map((each) => decisions(each, outputs));
  const right =
    labels === undefined
      ? {}
      : {
          float: shareOfEqual(asFloat!, labels),
          polynomial: shareOfEqual(asPolynomial!, labels),
          quantised: shareOfEqual(asIntegers!, labels),
          encrypted: shareOfEqual(asEncrypted!, labels),
        };
  return {
    samples: count,
    ...right,
    polynomialAgreement: shareOfEqual(asPolynomial!, asFloat!),
    quantisedAgreement: shareOfEqual(asIntegers!, asFloat!),
    encryptedAgreement: shareOfEqual(asEncrypted!, asFloat!),
  };
}

/** How many of two lists' decisions are the same, from 0 to 1. */
export function shareOfEqual(ours: readonly number[], theirs: ArrayLike<number>): number {
  return ours.reduce((sum, decision, i) => sum + (decision === theirs[i] ? 1 : 0), 0) / ours.length;
}

/** The largest score of each sample; of one score, its sign. */
export function decisions(scores: ArrayLike<number>, outputs: number): number[] {
  return Array.from({ length: scores.length / outputs }, (_, t) => {
    if (outputs === 1) return scores[t]! > 0 ? 1 : 0;
    let best = 0;
    for (let o = 1; o < outputs; o++) if (scores[t * outputs + o]! > scores[t * outputs + best]!) best = o;
    return best;
  });
}
