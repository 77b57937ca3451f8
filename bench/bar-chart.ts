/** Horizontal bars of shares as SVG: text, lines and rectangles only, legible on dark and light. */

export interface ChartBar {
  readonly label: string;
  /** From 0 to 1; longer ones are cut. */
  readonly share: number;
  /** Written behind the bar. */
  readonly note: string;
}

const [LEFT, LENGTH, NOTE, ROW, TOP] = [250, 360, 190, 24, 30];

export function barChart(
  title: string,
  bars: readonly ChartBar[],
  tick: (share: number) => string = (share) => `${share * 100} %`,
): string {
  const [width, height] = [LEFT + LENGTH + NOTE, TOP + bars.length * ROW + 30];
  const bottom = TOP + bars.length * ROW;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const x = LEFT + share * LENGTH;
    return `<path class="grid" d="M${x} ${TOP}V${bottom}"/><text x="${x}" y="${bottom + 16}" text-anchor="middle">${tick(share)}</text>`;
  });
  const rows = bars.map(({ label, share, note }, i) => {
    const [y, length] = [TOP + i * ROW, Math.min(1, Math.max(0, share)) * LENGTH];
    return [
      `<text x="${LEFT - 8}" y="${y + 16}" text-anchor="end">${label}</text>`,
      `<rect x="${LEFT}" y="${y + 4}" width="${length.toFixed(1)}" height="${ROW - 8}"/>`,
      `<text x="${(LEFT + length + 6).toFixed(1)}" y="${y + 16}">${note}</text>`,
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '<style>text{font:12px sans-serif;fill:#808080}.grid{stroke:#80808040}rect{fill:#1b6ca8}</style>',
    `<text x="4" y="16">${title}</text>`,
    ...grid,
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}
