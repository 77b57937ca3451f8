/** {@link Kernel.encodeSlots} and {@link Kernel.decodeSlots} made of the other methods, for kernels that have no loop of their own. */
import { ShapeError } from '../../base/errors.ts';
import type { Kernel, RingTables, Words } from '../kernel.ts';
import { checkLength, polynomialWords } from '../preconditions.ts';

const FIRST: readonly number[] = [0];

function checkSlots(ring: RingTables, polynomial: Words, values: number, places: Uint32Array): void {
  checkLength('the polynomial', polynomial.length, polynomialWords(ring, FIRST));
  checkLength('the places', places.length, ring.n);
  if (values > ring.n) throw new ShapeError('the values', `at most ${ring.n}`, values);
}

export function composedEncodeSlots(
  kernel: Pick<Kernel, 'fromDoubles' | 'nttInverse'>,
  ...[ring, out, values, places]: Parameters<Kernel['encodeSlots']>
): boolean {
  checkSlots(ring, out, values.length, places);
  const q = ring.moduli[0]!;
  const placed = new Float64Array(ring.n);
  try {
    let fits = true;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      fits = fits && Number.isInteger(value) && Math.abs(value) < q;
      placed[places[i]! & (ring.n - 1)] = value;
    }
    if (!fits) return false;
    kernel.fromDoubles(ring, out, placed, FIRST);
    kernel.nttInverse(ring, out, FIRST);
    return true;
  } finally {
    placed.fill(0);
  }
}

export function composedDecodeSlots(
  kernel: Pick<Kernel, 'allocate' | 'nttForward' | 'toDoubles'>,
  ...[ring, out, a, places]: Parameters<Kernel['decodeSlots']>
): void {
  checkSlots(ring, a, out.length, places);
  checkLength('out', out.length, ring.n);
  const copy = kernel.allocate(ring.n);
  const placed = new Float64Array(ring.n);
  try {
    copy.u64().set(a.u64());
    kernel.nttForward(ring, copy, FIRST);
    kernel.toDoubles(ring, placed, copy, FIRST);
    for (let i = 0; i < out.length; i++) out[i] = placed[places[i]! & (ring.n - 1)]!;
  } finally {
    copy.wipe();
    placed.fill(0);
  }
}
