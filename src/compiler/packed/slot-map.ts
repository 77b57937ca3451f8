/**
 * Pictures of layouts: the slots of a ciphertext in rows of 64 or more, elements in the colour of their block, copies paler, slots without an
 * element white. One path per colour, so that a map takes a few kilobytes.
 */
import { addressesOf, ciphertextOf, type Layout, layoutText, slotOf } from './layout.ts';

const COLOURS = ['#2f7ed8', '#d9542b', '#2a9d6f', '#e0a100', '#8a63d2', '#5fb3c8', '#b5495b', '#6b7a3a'];
const MOST_COLOURS = COLOURS.length;
const COPY_OPACITY = 0.35;

/** Side of a picture, in the units of the drawing. */
export const SLOT_MAP_SIDE = 160;

/** SVG of the first ciphertext, at a place of a larger drawing. */
export function slotMap(layout: Layout, x: number, y: number): string {
  const { slots, digits } = layout;
  const width = 2 ** Math.ceil(Math.log2(slots) / 2);
  const height = slots / width;
  const [cell, line] = [SLOT_MAP_SIDE / width, SLOT_MAP_SIDE / height];
  // Blocks are what the digit of the largest distance tells apart; of one digit eighths of the elements.
  const block = digits.length > 1 ? [...digits].sort((a, b) => b.weight - a.weight)[0] : undefined;
  // Colour and whether it is a copy; -1 for none.
  const colours = new Int16Array(slots).fill(-1);
  addressesOf(layout).forEach((address, element) => {
    if (ciphertextOf(layout, address) > 0) return;
    const digit =
      block === undefined
        ? Math.floor((element * MOST_COLOURS) / layout.count)
        : Math.floor(element / block.step) % block.extent;
    for (let copy = 0; copy < layout.copies; copy++) {
      const shade = copy < layout.sums ? 0 : MOST_COLOURS;
      colours[slotOf(layout, address, copy)] = shade + (digit % MOST_COLOURS);
    }
  });
  const paths = new Map<number, string>();
  for (let row = 0; row < height; row++) {
    for (let at = 0; at < width; ) {
      const colour = colours[row * width + at]!;
      let end = at + 1;
      while (end < width && colours[row * width + end] === colour) end++;
      if (colour >= 0)
        paths.set(colour, `${paths.get(colour) ?? ''}M${at} ${row}h${end - at}v1h-${end - at}`);
      at = end;
    }
  }
  const shapes = [...paths]
    .sort(([a], [b]) => a - b)
    .map(([colour, path]) => {
      const opacity = colour >= MOST_COLOURS ? ` fill-opacity="${COPY_OPACITY}"` : '';
      return `<path d="${path}" fill="${COLOURS[colour % MOST_COLOURS]}"${opacity}/>`;
    });
  return [
    `<g transform="translate(${x} ${y})"><title>${layoutText(layout)}, ${layout.count} elements</title>`,
    `<rect width="${SLOT_MAP_SIDE}" height="${SLOT_MAP_SIDE}" fill="none" stroke="currentColor" stroke-opacity="0.4"/>`,
    `<g transform="scale(${cell} ${line})">`,
    ...shapes,
    '</g></g>',
  ].join('');
}
