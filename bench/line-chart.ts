/** Line charts as SVG: several panels side by side over one logarithmic vertical axis. Text and lines only, legible on dark and light. */

export interface ChartLine {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface ChartPanel {
  readonly title: string;
  /** What x is. Placed logarithmically. */
  readonly axis: string;
  readonly lines: readonly ChartLine[];
}

const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP] = [300, 240, 60, 30, 44, 24];
const COLOURS = ['#1b6ca8', '#c2571a', '#3a8f3a', '#8a4fae', '#b8961e', '#7a7a7a'];

/** Numbers of at most seven characters. */
const label = (value: number) => (value >= 1e6 || value < 0.001 ? value.toExponential(0) : String(value));

/** Maps [low, high], widened to whole powers of ten when `decades`, to [from, to]. */
function logScale(values: readonly number[], from: number, to: number, decades: boolean) {
  const logs = values.map(Math.log10);
  const low = decades ? Math.floor(Math.min(...logs)) : Math.min(...logs);
  const high = decades ? Math.ceil(Math.max(...logs)) : Math.max(...logs);
  const span = high - low || 1;
  return {
    low,
    high,
    at: (value: number) => from + ((Math.log10(value) - low) / span) * (to - from),
  };
}

/** `unit` names y; all panels share its axis. Lines of one name have one colour. */
export function lineChart(panels: readonly ChartPanel[], unit: string): string {
  const names = [...new Set(panels.flatMap(({ lines }) => lines.map(({ name }) => name)))];
  const ys = panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([, y]) => y)));
  const vertical = logScale(ys, TOP + HEIGHT, TOP, true);
  const total = LEFT + panels.length * (WIDTH + GAP);
  const legendTop = TOP + HEIGHT + BOTTOM;
  const columns = Math.max(1, Math.min(3, Math.floor(total / 200)));
  const height = legendTop + 18 * Math.ceil(names.length / columns) + 8;
  const parts: string[] = [];
  for (let power = vertical.low; power <= vertical.high; power++) {
    const y = vertical.at(10 ** power).toFixed(1);
    parts.push(`<path class="grid" d="M${LEFT} ${y}H${total - GAP}"/>`);
    parts.push(`<text x="${LEFT - 6}" y="${y}" dy="4" text-anchor="end">${label(10 ** power)}</text>`);
  }
  panels.forEach((panel, index) => {
    const left = LEFT + index * (WIDTH + GAP);
    const xs = panel.lines.flatMap(({ points }) => points.map(([x]) => x));
    const horizontal = logScale(xs, left + 16, left + WIDTH - 16, false);
    const middle = left + WIDTH / 2;
    parts.push(`<text x="${middle}" y="${TOP - 12}" text-anchor="middle">${panel.title}</text>`);
    parts.push(`<text x="${middle}" y="${TOP + HEIGHT + 32}" text-anchor="middle">${panel.axis}</text>`);
    for (const x of new Set(xs))
      parts.push(
        `<text x="${horizontal.at(x).toFixed(1)}" y="${TOP + HEIGHT + 16}" text-anchor="middle">${label(x)}</text>`,
      );
    for (const { name, points } of panel.lines) {
      const colour = COLOURS[names.indexOf(name) % COLOURS.length];
      const places = points.map(
        ([x, y]) => [horizontal.at(x).toFixed(1), vertical.at(y).toFixed(1)] as const,
      );
      parts.push(
        `<polyline stroke="${colour}" points="${places.map((place) => place.join(',')).join(' ')}"/>`,
      );
      for (const [x, y] of places) parts.push(`<circle fill="${colour}" cx="${x}" cy="${y}" r="3"/>`);
    }
  });
  names.forEach((name, i) => {
    const [x, y] = [LEFT + (i % columns) * 200, legendTop + 18 * Math.floor(i / columns)];
    parts.push(`<circle fill="${COLOURS[i % COLOURS.length]}" cx="${x}" cy="${y}" r="4"/>`);
    parts.push(`<text x="${x + 10}" y="${y + 4}">${name}</text>`);
  });
  parts.push(`<text x="4" y="${TOP - 12}">${unit}</text>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${height}" width="${total}" height="${height}">`,
    '<style>text{font:12px sans-serif;fill:#808080}.grid{stroke:#80808040}polyline{fill:none;stroke-width:2}</style>',
    ...parts,
    '</svg>',
  ].join('\n');
}
