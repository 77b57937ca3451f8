/**
 * How a model gets better, as a picture: AUC and accuracy on the owner's held-out rows after every iteration of the clear mirror, and the AUC of
 * the encrypted result beside it. Nothing of it leaves the owner.
 */
import {
  type LabelledTable,
  type LogisticProgram,
  mirrorLogistic,
  scoresOf,
  signAccuracy,
} from '../../runtime/training/index.ts';
import { replaceFileSync } from '../keystore/atomic-file.ts';
import { heldOutAuc } from './methods.ts';

export interface TrainingCurve {
  /** After 1, 2 .. iterations; null where the held-out rows are of one class. */
  readonly auc: readonly (number | null)[];
  readonly accuracy: readonly number[];
  /** Of weights that were trained under encryption. */
  readonly encryptedAuc?: number | null;
}

export function logisticCurve(
  { steps, spec }: LogisticProgram,
  train: LabelledTable,
  heldOut: LabelledTable,
): TrainingCurve {
  const [auc, accuracy]: [(number | null)[], number[]] = [[], []];
  mirrorLogistic(train, steps, spec.batchRows, (weights) => {
    const scores = scoresOf(heldOut, weights);
    auc.push(heldOutAuc(heldOut, scores));
    accuracy.push(signAccuracy(scores, heldOut.labels));
  });
  return { auc, accuracy };
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 360, 56, 112, 36, 44];
const COLOURS = { auc: '#1f5fa8', accuracy: '#b3541e' } as const;

/** An SVG picture of the curve. */
export function trainingCurveSvg({ auc, accuracy, encryptedAuc }: TrainingCurve): string {
  const known = [...auc, ...accuracy, encryptedAuc ?? null].filter(
    (value): value is number => value !== null,
  );
  const lowest = Math.max(0, Math.floor((Math.min(...known) - 0.01) * 20) / 20);
  const highest = Math.min(1, Math.ceil((Math.max(...known) + 0.01) * 20) / 20);
  const last = auc.length;
  const x = (iteration: number): number =>
    LEFT + ((WIDTH - LEFT - RIGHT) * (iteration - 1)) / Math.max(1, last - 1);
  const y = (value: number): number =>
    TOP + ((HEIGHT - TOP - BOTTOM) * (highest - value)) / (highest - lowest || 1);
  const text = (at: readonly [number, number], anchor: string, content: string, colour = '#333'): string =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}" fill="${colour}">${content}</text>`;
  const parts: string[] = [];
  for (let i = 0; i <= 4; i++) {
    const value = lowest + ((highest - lowest) * i) / 4;
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="#ddd"/>`,
      text([LEFT - 8, y(value) + 4], 'end', value.toFixed(3)),
    );
  }
  const stride = Math.max(1, Math.ceil(last / 10));
  for (let t = 1; t <= last; t += stride) parts.push(text([x(t), HEIGHT - BOTTOM + 18], 'middle', String(t)));
  parts.push(text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8], 'middle', 'iteration'));
  for (const [name, values] of [
    ['auc', auc],
    ['accuracy', accuracy],
  ] as const) {
    const points = values.flatMap((value, t) =>
      value === null ? [] : [`${x(t + 1).toFixed(1)},${y(value).toFixed(1)}`],
    );
    const colour = COLOURS[name];
    const end = values.at(-1);
    parts.push(`<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    if (points.length === 1) {
      const [cx, cy] = points[0]!.split(',');
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    if (end === undefined || end === null) continue;
    // The two labels keep clear of each other.
    const other = name === 'auc' ? accuracy.at(-1) : auc.at(-1);
    const shift = typeof other === 'number' && Math.abs(y(other) - y(end)) < 14 ? (end >= other ? -7 : 7) : 0;
    const label = `${name === 'auc' ? 'AUC' : name} ${end.toFixed(3)}`;
    parts.push(text([WIDTH - RIGHT + 10, y(end) + 4 + shift], 'start', label, colour));
  }
  if (encryptedAuc !== undefined && encryptedAuc !== null)
    parts.push(
      `<circle cx="${x(last).toFixed(1)}" cy="${y(encryptedAuc).toFixed(1)}" r="6" fill="none" stroke="#111" stroke-width="2"/>`,
      text(
        [LEFT, TOP - 14],
        'start',
        `circle: AUC of the encrypted result, ${encryptedAuc.toFixed(3)}; lines: the same steps in the clear`,
      ),
    );
  else parts.push(text([LEFT, TOP - 14], 'start', 'held-out rows, the steps in the clear'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12"><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>${parts.join('')}</svg>\n`;
}

/** @throws {FileWriteError} */
export function writeCurve(path: string, curve: TrainingCurve): void {
  replaceFileSync(path, trainingCurveSvg(curve));
}
