/** Text tables whose columns align whatever colours the cells have. */

export interface Column {
  readonly align?: 'left' | 'right';
}

const ESCAPE = '\u001b';
/** Colour sequences: they take no space. */
const COLOURS = new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g');

/** Columns that a text takes on a terminal; one per code point, which holds for what we print. */
export function displayWidth(text: string): number {
  return [...text.replace(COLOURS, '')].length;
}

function padded(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'right' ? space + text : text + space;
}

/** Rows as lines, each beginning with `indent`; cells are two spaces apart and the last column is not padded on the right. */
export function formatTable(
  rows: readonly (readonly string[])[],
  columns: readonly Column[],
  indent = '  ',
): string {
  const widths = columns.map((_, c) => Math.max(0, ...rows.map((row) => displayWidth(row[c] ?? ''))));
  return rows
    .map((row) => {
      const cells = columns.map(({ align = 'left' }, c) => padded(row[c] ?? '', widths[c] as number, align));
      return `${indent}${cells.join('  ')}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** 1234.5 -> '1,235'; below a hundred with one decimal. */
export function formatMs(ms: number): string {
  const digits = ms < 99.95 ? 1 : 0;
  return ms.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Decimal units, as networks count: 1,500,000 -> '1.50 MB'. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(2)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** `fraction` of `width` in eighths of a character. */
export function formatBar(fraction: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8);
  const rest = eighths % 8;
  return '█'.repeat(eighths >> 3) + (rest === 0 ? '' : ('▏▎▍▌▋▊▉'[rest - 1] as string));
}

/** 1 -> '1 thread', 2 -> '2 threads'. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Breaks a text at spaces into lines of at most `width` columns; longer words stand alone. */
export function wrapText(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && displayWidth(line) + 1 + displayWidth(word) <= width)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
