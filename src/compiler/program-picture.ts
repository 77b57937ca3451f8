/**
 * A program as SVG: a staircase of levels, on which every step stands as long as it takes, and below it how much of the modulus each
 * value fills; of packed programs also where the elements are. Deterministic, no dependency; colours follow the page, so that it reads on light and dark.
 */
import { CkksParams } from '../schemes/ckks/params.ts';
import { type AnyProgram, isExact } from './exact/exact-program.ts';
import { exactNoiseOf } from './exact/validate-exact.ts';
import { layoutText } from './packed/layout.ts';
import { SLOT_MAP_SIDE, slotMap } from './packed/slot-map.ts';
import type { Step } from './program.ts';

const WIDTH = 960;
const MARGIN = 56;
const STAIR = 44;
const BAR_HEIGHT = 120;
/** Quick steps are at least so wide, that they can be pointed at. */
const LEAST_WIDTH = 3;
const FONT = 'font-family="system-ui, sans-serif" font-size="12"';

const COLOURS: Readonly<Record<Step['op'], string>> = {
  expand: '#8a63d2',
  linear: '#2f7ed8',
  multiply: '#d9542b',
  relinearize: '#e0a100',
  rescale: '#2a9d6f',
  lower: '#8d99ae',
  affine: '#5fb3c8',
  add: '#5fb3c8',
  pack: '#8a63d2',
  transform: '#2f7ed8',
  rotateAdd: '#7a5cc0',
  multiplyPlain: '#5fb3c8',
  addPlain: '#5fb3c8',
  trace: '#8a63d2',
};

/** `times`: what each step takes, in milliseconds; only their ratios count. @returns SVG of at most about 60 kB. */
export function programPicture(program: AnyProgram, times: readonly number[]): string {
  const { steps, values, name } = program;
  const modulus = modulusUse(program);
  const maxLevel = program.params.logQ.length - 1;
  const widths = stepWidths(times);
  const top = 64;
  const stairs = (maxLevel + 1) * STAIR;
  const bars = top + stairs + 64;
  const maps = slotMaps(program, bars + BAR_HEIGHT + 64);
  const height = bars + BAR_HEIGHT + 64 + maps.height;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" fill="currentColor" ${FONT}>`,
    `<title>${escaped(name)}: ${steps.length} steps</title>`,
    text(
      MARGIN,
      24,
      `${name}: N = 2^${program.params.logN}, ${maxLevel + 1} + ${program.params.logP.length} primes`,
      'font-weight="600"',
    ),
  ];
  parts.push(...legend(steps));
  for (let level = 0; level <= maxLevel; level++) {
    const y = top + (maxLevel - level) * STAIR + STAIR / 2 + 4;
    parts.push(text(8, y, `level ${level}`));
  }
  let x = MARGIN;
  steps.forEach((step, i) => {
    const { level, count, parts: polynomials, scale } = values[step.to]!;
    const width = widths[i]!;
    const y = top + (maxLevel - level) * STAIR;
    const label = `${step.op}: ${values[step.to]!.name}, ${count} ciphertexts of ${polynomials} parts at level ${level}, scale 2^${Math.log2(scale).toFixed(1)}, ${times[i]!.toFixed(2)} ms`;
    parts.push(box(x, y + 6, width, STAIR - 12, COLOURS[step.op], label));
    // How much of the modulus the largest value fills.
    const used = modulus.usedBits(step.to);
    const room = modulus.bitsAt(level);
    const full = (BAR_HEIGHT * room) / modulus.bitsAt(maxLevel);
    const filled = Math.min(full, (BAR_HEIGHT * used) / modulus.bitsAt(maxLevel));
    parts.push(
      `<rect x="${f(x)}" y="${f(bars + BAR_HEIGHT - full)}" width="${f(width)}" height="${f(full)}" fill-opacity="0.12"/>`,
      box(
        x,
        bars + BAR_HEIGHT - filled,
        width,
        filled,
        COLOURS[step.op],
        `${values[step.to]!.name}: ${used.toFixed(0)} of ${room.toFixed(0)} bits in use`,
      ),
    );
    x += width;
  });
  parts.push(
    text(MARGIN, bars - 12, 'bits in use below the modulus'),
    text(
      MARGIN,
      bars + BAR_HEIGHT + 24,
      `time, ${times.reduce((a, b) => a + b, 0).toFixed(1)} ms on one thread of the reference processor`,
    ),
    ...maps.parts,
    '</svg>',
  );
  return `${parts.join('\n')}\n`;
}

/** How many of a row; more rows than these would be too many bytes. */
const [MAPS_ACROSS, MOST_MAPS] = [4, 8];

/** Where the elements of the values of a packed program are; each layout once, under the first value that has it. */
function slotMaps(program: AnyProgram, top: number): { readonly parts: string[]; readonly height: number } {
  if (isExact(program) || program.packed === undefined) return { parts: [], height: 0 };
  // Neither sums that are being added up nor copies that are being made.
  const { values } = program;
  const { layouts } = program.packed;
  const shown = layouts
    .map((layout, index) => ({ layout, index }))
    .filter(({ layout, index }) => {
      const next = layouts[index + 1];
      return (
        layout.sums === 1 &&
        (next === undefined || next.copies !== 2 * layout.copies || next.count !== layout.count)
      );
    })
    .slice(0, MOST_MAPS);
  const [across, down] = [(WIDTH - 2 * MARGIN) / MAPS_ACROSS, SLOT_MAP_SIDE + 56];
  const parts = shown.flatMap(({ layout, index }, i) => {
    const [x, y] = [MARGIN + (i % MAPS_ACROSS) * across, top + Math.floor(i / MAPS_ACROSS) * down];
    const name = values.find((value) => value.layout === index)?.name ?? '';
    return [
      text(x, y + 12, name.slice(0, 28), 'font-weight="600"'),
      text(x, y + 28, layoutText(layout).slice(0, 30)),
      slotMap(layout, x, y + 36),
    ];
  });
  const note =
    'slots of the first ciphertext, row by row: a colour for each block, copies paler, white is zero';
  const rows = Math.ceil(shown.length / MAPS_ACROSS);
  parts.push(text(MARGIN, top + rows * down + 8, note));
  return { parts, height: rows * down + 24 };
}

interface ModulusUse {
  readonly bitsAt: (level: number) => number;
  /** By the largest value over the calibration data; by the proven noise where integers are exact. */
  readonly usedBits: (value: number) => number;
}

function modulusUse(program: AnyProgram): ModulusUse {
  if (isExact(program)) {
    const { bits, noise } = exactNoiseOf(program);
    return {
      bitsAt: (level) => bits.logQ.slice(0, level + 1).reduce((sum, each) => sum + each, 0),
      usedBits: (value) => noise[value]! + bits.logT + 1,
    };
  }
  const params = CkksParams.create(program.params);
  return {
    bitsAt: (level) => params.logQAt(level),
    usedBits: (value) => {
      const { scale, trained } = program.values[value]!;
      return Math.max(0, Math.log2(Math.max(scale * trained, 1)) + 1);
    },
  };
}

/** Together as wide as the picture. */
function stepWidths(times: readonly number[]): number[] {
  const room = WIDTH - 2 * MARGIN;
  const spare = Math.max(0, room - LEAST_WIDTH * times.length);
  const total = times.reduce((a, b) => a + b, 0) || 1;
  return times.map((ms) => Math.min(LEAST_WIDTH, room / times.length) + (spare * ms) / total);
}

function legend(steps: readonly Step[]): string[] {
  const used = [...new Set(steps.map((step) => step.op))];
  return used.flatMap((op, i) => [
    box(MARGIN + i * 100, 36, 12, 12, COLOURS[op], op),
    text(MARGIN + i * 100 + 18, 46, op),
  ]);
}

function box(x: number, y: number, width: number, height: number, colour: string, title: string): string {
  return `<rect x="${f(x)}" y="${f(y)}" width="${f(width)}" height="${f(height)}" fill="${colour}"><title>${escaped(title)}</title></rect>`;
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${f(x)}" y="${f(y)}" ${more}>${escaped(content)}</text>`;
}

function f(value: number): string {
  return value.toFixed(1);
}

function escaped(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
