/** Grey pictures for a terminal and for a file. */
import { encode } from 'fast-png';

/** Integers in [0, white], row by row. */
export interface GreyPicture {
  readonly pixels: ArrayLike<number>;
  readonly width: number;
  readonly white: number;
}

const SHADES = ' ░▒▓█';
/** Side of a pixel in a drawing, and space between pictures. */
const [CELL, GAP] = [4, 12];

const shareOf = ({ pixels, white }: GreyPicture, at: number) =>
  Math.max(0, Math.min(1, (pixels[at] as number) / white));

/** Lines of block characters, two columns for a pixel. */
export function pictureLines(picture: GreyPicture): string[] {
  const { pixels, width } = picture;
  return Array.from({ length: Math.floor(pixels.length / width) }, (_, row) =>
    Array.from({ length: width }, (_, column) => {
      const shade = SHADES[
        Math.round(shareOf(picture, row * width + column) * (SHADES.length - 1))
      ] as string;
      return shade + shade;
    }).join(''),
  );
}

/** Rows of pictures with a caption each, as an SVG file. */
export function pictureSvg(
  rows: readonly { readonly caption: string; readonly pictures: readonly GreyPicture[] }[],
): string {
  const height = (row: (typeof rows)[number]) =>
    Math.max(0, ...row.pictures.map(({ pixels, width }) => CELL * Math.ceil(pixels.length / width)));
  const parts: string[] = [];
  let [top, right] = [0, 0];
  for (const row of rows) {
    parts.push(
      `<text x="0" y="${top + 12}" font-family="sans-serif" font-size="12">${escapedText(row.caption)}</text>`,
    );
    let left = 0;
    for (const picture of row.pictures) {
      parts.push(...cells(picture, left, top + 18));
      left += CELL * picture.width + GAP;
    }
    right = Math.max(right, left);
    top += 18 + height(row) + GAP;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${right}" height="${top}" shape-rendering="crispEdges">\n${parts.join('\n')}\n</svg>\n`;
}

/** Pictures of one height beside one another, as a PNG of 8-bit grey. */
export function picturesPng(row: readonly GreyPicture[]): Uint8Array {
  const heights = row.map(({ pixels, width }) => Math.floor(pixels.length / width));
  const height = CELL * Math.max(0, ...heights);
  const width = row.reduce((sum, picture) => sum + CELL * picture.width, 0) + GAP * (row.length - 1);
  const data = new Uint8Array(width * height).fill(255);
  let left = 0;
  for (const [i, picture] of row.entries()) {
    for (let y = 0; y < CELL * (heights[i] as number); y++) {
      for (let x = 0; x < CELL * picture.width; x++) {
        const at = Math.floor(y / CELL) * picture.width + Math.floor(x / CELL);
        data[y * width + left + x] = Math.round(255 * shareOf(picture, at));
      }
    }
    left += CELL * picture.width + GAP;
  }
  return encode({ width, height, data, channels: 1, depth: 8 });
}

function cells(picture: GreyPicture, left: number, top: number): string[] {
  const { pixels, width } = picture;
  return Array.from({ length: pixels.length }, (_, at) => {
    const grey = Math.round(255 * shareOf(picture, at));
    const [x, y] = [left + CELL * (at % width), top + CELL * Math.floor(at / width)];
    return `<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="rgb(${grey},${grey},${grey})"/>`;
  });
}

/** Text inside an SVG element. */
export function escapedText(text: string): string {
  return text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;' })[sign] ?? '&gt;');
}
