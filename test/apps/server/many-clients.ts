/** Clients that ask one server at once, each with keys of its own, and what became of their questions. */
import { connect } from '../../../src/client.ts';
import { largestError } from '../../protocols/exchange.ts';
import { randomInputs } from '../../protocols/random-network.ts';

/** A model, and what it answers in the clear. */
export interface AskedModel {
  readonly name: string;
  readonly inputs: number;
  readonly run: (inputs: Float32Array) => ArrayLike<number>;
  /** How far an encrypted score may be from a clear one. */
  readonly tolerance: number;
}

export interface Tally {
  asked: number;
  right: number;
  /** Answers that are not the model's. */
  wrong: number;
  /** Questions without an answer, with the reasons. */
  readonly lost: string[];
}

/** `count` clients over all models, each asking `rounds` times about inputs of its own. `after` is called when a question ends. */
export async function askAll(
  url: string,
  models: readonly AskedModel[],
  {
    count,
    rounds,
    after,
  }: { readonly count: number; readonly rounds: number; readonly after?: (done: number) => void },
): Promise<Tally> {
  const tally: Tally = { asked: 0, right: 0, wrong: 0, lost: [] };
  const client = async (index: number): Promise<void> => {
    const { name, inputs: width, run, tolerance } = models[index % models.length]!;
    try {
      using model = await connect(url, { model: name, retries: 1000 });
      for (let round = 0; round < rounds; round++) {
        const inputs = randomInputs(2, width, 1000 * index + round);
        tally.asked++;
        const { output } = await model.infer(inputs);
        const error = largestError(output, Float64Array.from(run(inputs)));
        if (error < tolerance) tally.right++;
        else tally.wrong++;
        after?.(tally.right + tally.wrong);
      }
    } catch (error) {
      tally.lost.push(`${name}: ${(error as Error).message}`);
    }
  };
  await Promise.all(Array.from({ length: count }, (_, i) => client(i)));
  return tally;
}
