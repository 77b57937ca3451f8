/**
 * How long evaluations will take: as the last ones of this model and size did, and before there were any, as a reference processor
 * would, times how much slower or faster this machine has turned out to be.
 */
import type { ModelName } from '../../../protocols/inference/names.ts';

/** Of a model about which nothing is known. */
const UNKNOWN_MS = 1000;
/** Share of the newest measurement. */
const NEWEST = 0.25;

export class WorkForecast {
  readonly #reference: (model: ModelName, block: number) => number | undefined;
  readonly #means = new Map<string, number>();
  /** Measured over predicted, over all models. */
  #slowness = 1;

  /** `reference` gives milliseconds on a reference processor, where they are known. */
  constructor(reference: (model: ModelName, block: number) => number | undefined) {
    this.#reference = reference;
  }

  /** Milliseconds of an evaluation of `block` samples. */
  of(model: ModelName, block: number): number {
    const known = this.#means.get(`${model} ${block}`);
    return known ?? this.#slowness * (this.#reference(model, block) ?? UNKNOWN_MS);
  }

  note(model: ModelName, block: number, ms: number): void {
    const name = `${model} ${block}`;
    const before = this.#means.get(name) ?? ms;
    this.#means.set(name, before + NEWEST * (ms - before));
    const reference = this.#reference(model, block);
    if (reference !== undefined && reference > 0)
      this.#slowness += NEWEST * (ms / reference - this.#slowness);
  }
}
