/** Which worker looks at which queue first, by rendezvous: all compute the same, and a newcomer takes from each a little. */
import { createHash } from 'node:crypto';

/** A job of another worker's queue is left to it for so long. */
export const HELP_AFTER_MS = 100;

/** Of workers by name. Undefined when there is none. */
export function preferredWorker(workers: readonly string[], partition: number): string | undefined {
  let [best, most] = [undefined as string | undefined, ''];
  for (const worker of workers) {
    const weight = createHash('sha256').update(`${worker} ${partition}`).digest('hex');
    if (weight > most) [best, most] = [worker, weight];
  }
  return best;
}
