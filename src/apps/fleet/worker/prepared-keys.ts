/** Which clients' keys a worker has prepared in memory, by bytes; the least recently used go first. The keys themselves are the runners'. */
export class PreparedKeys {
  readonly #capacityBytes: number;
  readonly #drop: (name: string) => void;
  /** Oldest use first. */
  readonly #held = new Map<string, number>();
  #bytes = 0;

  /** `drop` is told which keys to forget. */
  constructor(capacityBytes: number, drop: (name: string) => void) {
    this.#capacityBytes = capacityBytes;
    this.#drop = drop;
  }

  get size(): number {
    return this.#held.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True when they are there; then they are the most recently used. */
  use(name: string): boolean {
    const bytes = this.#held.get(name);
    if (bytes === undefined) return false;
    this.#held.delete(name);
    this.#held.set(name, bytes);
    return true;
  }

  /** Makes room for keys that are about to be prepared; one set always fits, however large. */
  makeRoom(bytes: number): void {
    for (const name of this.#held.keys()) {
      if (this.#bytes + bytes <= this.#capacityBytes) break;
      this.remove(name);
    }
  }

  add(name: string, bytes: number): void {
    if (this.use(name)) return;
    this.#held.set(name, bytes);
    this.#bytes += bytes;
  }

  remove(name: string): void {
    const bytes = this.#held.get(name);
    if (bytes === undefined) return;
    this.#held.delete(name);
    this.#bytes -= bytes;
    this.#drop(name);
  }

  /** Forgets those that `isGone` says, without telling anybody: whoever held them has ended. */
  lose(isGone: (name: string) => boolean): void {
    for (const [name, bytes] of this.#held) {
      if (!isGone(name)) continue;
      this.#held.delete(name);
      this.#bytes -= bytes;
    }
  }
}
