/**
 * Request numbers that never repeat, also when the power goes at any moment: a block is on stable storage before its first number is
 * used, and after a restart counting goes on behind the block. Two inferences under one number would reveal the difference of
 * their inputs. Time plays no part, so a clock that jumps changes nothing.
 */
import * as arg from '../../base/arguments.ts';
import { printOnOneLine } from '../../base/inspect.ts';
import { LimitError, ProtocolError } from '../../base/errors.ts';

/** Where the first number that was never reserved is kept. */
export interface CounterStorage {
  /** 0 when nothing was stored yet. */
  load(): Promise<number>;
  /** Resolves once `firstFree` would survive a power cut. */
  save(firstFree: number): Promise<void>;
}

const BLOCK = 1024;
/** Numbers must stay exact as doubles with room for a block. */
const MAX_REQUESTS = 2 ** 48;

export class RequestCounter {
  readonly #storage: CounterStorage;
  readonly #block: number;
  #next: number;
  #reserved: number;
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(storage: CounterStorage, start: number, block: number) {
    this.#storage = storage;
    this.#block = block;
    this.#next = start;
    this.#reserved = start;
  }

  /** @throws {ProtocolError} when the storage holds no request number. */
  static async open(storage: CounterStorage, block = BLOCK): Promise<RequestCounter> {
    const start = await storage.load();
    if (!Number.isSafeInteger(start) || start < 0)
      throw new ProtocolError('the stored request number is damaged');
    return new RequestCounter(storage, start, block);
  }

  /**
   * The next number. Calls may overlap.
   * @throws what the storage throws; then no number of the block was given out. {@link LimitError} after 2^48 requests.
   */
  next(): Promise<number> {
    const result = this.#tail.then(() => this.#take());
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #take(): Promise<number> {
    if (this.#next === this.#reserved) {
      const end = this.#reserved + this.#block;
      if (end > MAX_REQUESTS) throw new LimitError('the number of requests of a device', MAX_REQUESTS, end);
      await this.#storage.save(end);
      this.#reserved = end;
    }
    return this.#next++;
  }
}

printOnOneLine(RequestCounter);
arg.guard('RequestCounter', RequestCounter, {
  open: { storage: arg.like('a CounterStorage', 'load', 'save'), block: arg.optional(arg.number) },
});
