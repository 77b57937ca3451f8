/**
 * Memory for bodies that arrive or wait for their turn. What counts are bytes that have come: an announcement takes nothing from
 * anyone, and what was announced and never comes has nothing to give back.
 */
export class ReceiveBudget {
  readonly #most: number;
  readonly #mostPerPrincipal: number;
  readonly #held = new Map<string, number>();
  #total = 0;

  constructor(most: number, sharePerPrincipal: number) {
    this.#most = most;
    this.#mostPerPrincipal = Math.floor(most * sharePerPrincipal);
  }

  /** Bytes held now, over all principals. */
  get bytes(): number {
    return this.#total;
  }

  hasRoom(principal: string, bytes: number): boolean {
    return this.#total + bytes <= this.#most && this.isWithinShare(principal, bytes);
  }

  /** Whatever others hold. */
  isWithinShare(principal: string, bytes: number): boolean {
    return (this.#held.get(principal) ?? 0) + bytes <= this.#mostPerPrincipal;
  }

  /** False, and nothing taken, when there is no room. */
  take(principal: string, bytes: number): boolean {
    if (!this.hasRoom(principal, bytes)) return false;
    this.#held.set(principal, (this.#held.get(principal) ?? 0) + bytes);
    this.#total += bytes;
    return true;
  }

  give(principal: string, bytes: number): void {
    const left = (this.#held.get(principal) ?? 0) - bytes;
    if (left > 0) this.#held.set(principal, left);
    else this.#held.delete(principal);
    this.#total -= bytes;
  }
}
