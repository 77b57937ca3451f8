/** How far the values of each layer are from the modulus. */
import type { ExactWire } from '../../../compiler/exact/exact-facts.ts';
import type { LayerBound } from '../../../compiler/program.ts';
import { formatTable } from '../terminal/table.ts';
import { type Paint, printable } from '../terminal/terminal.ts';

export function formatBounds(bounds: readonly LayerBound[], paint: Paint): string {
  const head = ['layer', 'trained |z|', 'capacity', 'proven', 'can overflow'].map((text) => paint.dim(text));
  const rows = bounds.map(({ layer, name, trained, capacity, proven }) => [
    `${layer} ${printable(name).slice(0, 28)}`,
    trained.toPrecision(3),
    capacity.toPrecision(3),
    proven.toPrecision(3),
    proven <= capacity ? 'no, proven' : 'not in training data',
  ]);
  const right = { align: 'right' } as const;
  return formatTable([head, ...rows], [{}, right, right, right, {}]);
}

/** What the integers of each value of an exact program take, and the noise, both proven. */
export function formatWires(wires: readonly ExactWire[], paint: Paint): string {
  const head = ['value', 'integers', 'noise', 'of'].map((text) => paint.dim(text));
  const rows = wires.map(({ name, integerBits, noiseBits, roomBits }) => [
    printable(name).slice(0, 28),
    `2^${integerBits.toFixed(1)}`,
    `2^${noiseBits.toFixed(1)}`,
    `2^${roomBits.toFixed(1)}`,
  ]);
  const right = { align: 'right' } as const;
  return formatTable([head, ...rows], [{}, right, right, right]);
}
