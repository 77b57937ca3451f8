/** Calls of a worker one after another; when one fails, those that belong to it are left out, up to one that begins anew. */
export class CallOrder<Call> {
  readonly #handle: (call: Call) => Promise<void>;
  readonly #begins: (call: Call) => boolean;
  readonly #onError: (error: unknown) => void;
  #last: Promise<void> = Promise.resolve();
  #hasFailed = false;

  /** `onError` is told once for everything up to the next call that `begins`. */
  constructor(
    handle: (call: Call) => Promise<void>,
    begins: (call: Call) => boolean,
    onError: (error: unknown) => void,
  ) {
    this.#handle = handle;
    this.#begins = begins;
    this.#onError = onError;
  }

  /** Settles, never with an error, when the call is done with. */
  take(call: Call): Promise<void> {
    this.#last = this.#after(this.#last, call);
    return this.#last;
  }

  async #after(before: Promise<void>, call: Call): Promise<void> {
    await before;
    if (this.#begins(call)) this.#hasFailed = false;
    if (this.#hasFailed) return;
    try {
      await this.#handle(call);
    } catch (error) {
      this.#hasFailed = true;
      this.#onError(error);
    }
  }
}
