/** Loss and accuracy of a training against the samples it has seen, as SVG: text and lines, legible on dark and light. */
import { escapedText } from './picture.ts';

export interface CurvePoint {
  /** Seen so far, repetitions counted. */
  readonly samples: number;
  readonly loss: number;
  /** In [0, 1], on the training samples. */
  readonly accuracy: number;
}

export interface NamedCurve {
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

const [WIDTH, HEIGHT, LEFT, TOP, GAP, LEGEND] = [320, 220, 48, 28, 64, 18];
const COLOURS = ['#1b6ca8', '#c2571a', '#3a8f3a', '#8a4fae', '#b8961e', '#7a7a7a'];
/** Longer curves are thinned: more points than pixels show nothing. */
const MAX_POINTS = 240;
const TICKS = 4;

interface Panel {
  readonly title: string;
  readonly value: (point: CurvePoint) => number;
  /** Of the vertical axis, which starts at 0. */
  readonly top: number;
  readonly label: (value: number) => string;
}

/** Two panels side by side. Points without a number are left out; without any point the axes stand alone. */
export function curveSvg(curves: readonly NamedCurve[]): string {
  const known = curves.map(({ name, points }) => ({
    name,
    points: thinned(points.filter(({ loss, accuracy }) => Number.isFinite(loss + accuracy))),
  }));
  const all = known.flatMap(({ points }) => points);
  const right = Math.max(1, ...all.map(({ samples }) => samples));
  const panels: Panel[] = [
    {
      title: 'loss, nats per sample',
      value: ({ loss }) => loss,
      top: niceAbove(Math.max(0.1, ...all.map(({ loss }) => loss))),
      label: (value) => String(Number(value.toPrecision(3))),
    },
    {
      title: 'accuracy on training samples',
      value: ({ accuracy }) => accuracy,
      top: 1,
      label: (value) => `${100 * value} %`,
    },
  ];
  const width = panels.length * (LEFT + WIDTH) + GAP / 2;
  const height = TOP + HEIGHT + 44 + LEGEND * curves.length;
  const parts = panels.flatMap((panel, i) => panelParts(panel, i * (LEFT + WIDTH) + LEFT, right, known));
  known.forEach(({ name }, i) => {
    const y = TOP + HEIGHT + 48 + LEGEND * i;
    parts.push(`<circle fill="${colour(i)}" cx="${LEFT + 4}" cy="${y - 4}" r="4"/>`);
    parts.push(`<text x="${LEFT + 14}" y="${y}">${escapedText(name)}</text>`);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '<style>text{font:12px sans-serif;fill:#808080}.grid{stroke:#80808040}polyline{fill:none;stroke-width:2}</style>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function panelParts(
  { title, value, top, label }: Panel,
  left: number,
  right: number,
  curves: readonly NamedCurve[],
) {
  const plot = WIDTH - GAP;
  const x = (samples: number) => (left + (samples / right) * plot).toFixed(1);
  const y = (amount: number) => (TOP + HEIGHT - (amount / top) * HEIGHT).toFixed(1);
  const parts = [`<text x="${left + plot / 2}" y="${TOP - 12}" text-anchor="middle">${title}</text>`];
  for (let tick = 0; tick <= TICKS; tick++) {
    const level = (tick / TICKS) * top;
    parts.push(`<path class="grid" d="M${left} ${y(level)}h${plot}"/>`);
    parts.push(`<text x="${left - 6}" y="${y(level)}" dy="4" text-anchor="end">${label(level)}</text>`);
  }
  for (const share of [0, 0.5, 1]) {
    const samples = Math.round(share * right);
    parts.push(`<text x="${x(samples)}" y="${TOP + HEIGHT + 16}" text-anchor="middle">${samples}</text>`);
  }
  parts.push(
    `<text x="${left + plot / 2}" y="${TOP + HEIGHT + 30}" text-anchor="middle">samples seen</text>`,
  );
  curves.forEach(({ points }, i) => {
    const places = points.map((point) => `${x(point.samples)},${y(value(point))}`);
    parts.push(`<polyline stroke="${colour(i)}" points="${places.join(' ')}"/>`);
  });
  return parts;
}

const colour = (index: number) => COLOURS[index % COLOURS.length] as string;

/** The last point stays. */
function thinned(points: readonly CurvePoint[]): CurvePoint[] {
  const every = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, i) => i === points.length - 1 || i % every === 0);
}

/** The next of 1, 2, 2.5, 4, 5, 10 times a power of ten. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 2.5, 4, 5].find((step) => step * power >= value) ?? 10);
}
