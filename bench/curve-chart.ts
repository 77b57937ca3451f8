/** Functions on one pair of linear axes as SVG: text and lines only, legible on dark and light. */

export interface Curve {
  readonly name: string;
  readonly at: (x: number) => number;
}

const [WIDTH, HEIGHT, LEFT, TOP, LEGEND] = [560, 320, 44, 16, 20];
const COLOURS = ['#808080', '#1b6ca8', '#c2571a', '#3a8f3a', '#8a4fae', '#b8961e'];
const POINTS = 160;

/** Whole numbers are marked on both axes; what leaves the window is cut at its edge. */
export function curveChart(
  curves: readonly Curve[],
  window: { readonly x: readonly [number, number]; readonly y: readonly [number, number] },
): string {
  const [[left, right], [low, high]] = [window.x, window.y];
  const across = (x: number): number => LEFT + ((x - left) / (right - left)) * WIDTH;
  const down = (y: number): number => TOP + ((high - y) / (high - low)) * HEIGHT;
  const whole = (from: number, to: number): number[] =>
    Array.from({ length: Math.floor(to) - Math.ceil(from) + 1 }, (_, i) => Math.ceil(from) + i);
  const grid = [
    ...whole(left, right).map((x) => {
      const at = across(x).toFixed(1);
      const bottom = TOP + HEIGHT;
      return `<path class="grid" d="M${at} ${TOP}V${bottom}"/><text x="${at}" y="${bottom + 16}" text-anchor="middle">${x}</text>`;
    }),
    ...whole(low, high).map((y) => {
      const at = down(y).toFixed(1);
      return `<path class="grid" d="M${LEFT} ${at}H${LEFT + WIDTH}"/><text x="${LEFT - 6}" y="${at}" dy="4" text-anchor="end">${y}</text>`;
    }),
  ];
  const lines = curves.map(({ name, at }, i) => {
    const points = Array.from({ length: POINTS + 1 }, (_, k) => left + ((right - left) * k) / POINTS)
      .map((x) => [x, at(x)] as const)
      .filter(([, y]) => y >= low && y <= high)
      .map(([x, y]) => `${across(x).toFixed(1)} ${down(y).toFixed(1)}`);
    const colour = COLOURS[i % COLOURS.length];
    const width = i === 0 ? 3 : 1.6;
    const y = TOP + HEIGHT + 40 + i * LEGEND;
    return [
      `<path d="M${points.join('L')}" stroke="${colour}" stroke-width="${width}" fill="none"><title>${name}</title></path>`,
      `<path d="M${LEFT} ${y}h26" stroke="${colour}" stroke-width="${width}"/><text x="${LEFT + 34}" y="${y}" dy="4">${name}</text>`,
    ].join('');
  });
  const [width, height] = [LEFT + WIDTH + 16, TOP + HEIGHT + 40 + curves.length * LEGEND];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '<style>text{font:12px sans-serif;fill:#808080}.grid{stroke:#80808040}</style>',
    ...grid,
    ...lines,
    '</svg>',
    '',
  ].join('\n');
}
