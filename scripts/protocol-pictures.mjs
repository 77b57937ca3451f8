// Draws scripts/protocol-list.mjs into docs/protocols, a picture for each protocol: node scripts/protocol-pictures.mjs
// Narrow, so that a phone shows the letters at twelve pixels; colours for light and dark.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROTOCOLS } from './protocol-list.mjs';

const WIDTH = 400;
const MARGIN = 10;
const SIZE = 14;
const LINE = 18;
/** Width of a letter, generously: fonts differ. */
const LETTER = 7.9;
const BOLD = 9.3;
const BOX = { height: 26, inset: 4 };

const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const widthOf = (text) => text.length * LETTER;

/** Lines of words no wider than `width`, as few as there can be. */
function fill(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const joined = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`;
    if (widthOf(joined) <= width || lines.at(-1) === '') lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

/** The same, of lengths that differ little: the narrowest text with as few lines. */
function wrap(text, width) {
  let lines = fill(text, width);
  for (let narrower = width - LETTER; narrower > 60; narrower -= LETTER) {
    const next = fill(text, narrower);
    if (next.length > lines.length) break;
    lines = next;
  }
  return lines;
}

const textLines = (lines, x, y, attributes = '') =>
  lines
    .map(
      (line, i) =>
        `<text x="${x.toFixed(1)}" y="${(y + i * LINE).toFixed(1)}"${attributes}>${escape(line)}</text>`,
    )
    .join('\n');

/** A centre for text of `width` that keeps it inside the picture. */
const inside = (centre, width) => Math.min(Math.max(centre, MARGIN + width / 2), WIDTH - MARGIN - width / 2);

const STYLE = `<style>
:root{--ground:#fdfbfa;--ink:#231b22;--quiet:#655a64;--lane:#cfc4cb;--key:#0b6e6e;--blind:#6a3ea8;--rule:#8a5a00;--on:#fff}
@media (prefers-color-scheme:dark){:root{--ground:#1b1720;--ink:#efe9ef;--quiet:#b3a8b4;--lane:#4a4252;--key:#5fd0c8;--blind:#c3a2ff;--rule:#f0bf5b;--on:#16131a}}
text{font:${SIZE}px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:var(--ink);text-anchor:middle}
.halo{paint-order:stroke;stroke:var(--ground);stroke-width:5px;stroke-linejoin:round}
.name{font-weight:700;fill:var(--on)}.when{fill:var(--quiet);font-style:italic;text-anchor:start}.sees{text-anchor:start}.who{font-weight:700;text-anchor:start}
.lane{stroke:var(--lane);stroke-width:2}.between{stroke:var(--lane);stroke-dasharray:2 4}
.arrow{fill:none;stroke-width:2}.note{fill:var(--ground);stroke-width:1.5}
${['key', 'blind', 'rule'].map((role) => `.box.${role},.head.${role}{fill:var(--${role})}.arrow.${role},.note.${role}{stroke:var(--${role})}.who.${role}{fill:var(--${role})}`).join('\n')}
</style>`;

/** @param {import('./protocol-list.d.mts').Protocol} protocol */
export function drawProtocol({ title, parties, rows }) {
  const step = WIDTH / parties.length;
  const lane = (i) => step * (i + 0.5);
  const role = (i) => parties[i].role;
  const parts = [];
  let y = MARGIN + BOX.height + 14;
  for (const row of rows) {
    if (typeof row === 'string') {
      y += 12;
      parts.push(`<path class="between" d="M${MARGIN} ${y}H${WIDTH - MARGIN}"/>`);
      const lines = wrap(row, WIDTH - 2 * MARGIN);
      parts.push(textLines(lines, MARGIN, y + LINE, ' class="when halo"'));
      y += lines.length * LINE + 12;
      continue;
    }
    const text = row.at(-1);
    if (row.length === 2) {
      const lines = wrap(text, Math.min(WIDTH - 2 * MARGIN - 16, 240));
      const width = Math.max(...lines.map(widthOf)) + 16;
      const centre = inside(lane(row[0]), width);
      const height = lines.length * LINE + 8;
      parts.push(
        `<rect class="note ${role(row[0])}" x="${(centre - width / 2).toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}" rx="5"/>`,
        textLines(lines, centre, y + LINE, ''),
      );
      y += height + 12;
      continue;
    }
    const [from, to] = row.map(lane);
    const lines = wrap(text, Math.max(Math.abs(to - from) * 1.3, 270));
    const centre = inside((from + to) / 2, Math.max(...lines.map(widthOf)));
    parts.push(textLines(lines, centre, y + LINE - 4, ' class="halo"'));
    y += lines.length * LINE + 8;
    const toward = Math.sign(to - from);
    parts.push(
      `<path class="arrow ${role(row[0])}" d="M${from} ${y}H${to - 8 * toward}"/>`,
      `<path class="head ${role(row[0])}" d="M${to} ${y}l${-11 * toward} -6v12z"/>`,
    );
    y += 14;
  }
  const bottom = y + 4;
  y = bottom + 22;
  const sees = [];
  const indent = Math.max(...parties.map(({ name }) => name.length)) * BOLD + 10;
  for (const { name, role: colour, sees: what } of parties) {
    const lines = fill(what, WIDTH - 2 * MARGIN - indent);
    sees.push(
      `<text class="who ${colour}" x="${MARGIN}" y="${y}">${name}</text>`,
      textLines(lines, MARGIN + indent, y, ' class="sees"'),
    );
    y += lines.length * LINE + 5;
  }
  const lanes = parties.map(({ name, role: colour }, i) => {
    const width = step - 2 * BOX.inset;
    return `<path class="lane" d="M${lane(i)} ${MARGIN + BOX.height}V${bottom}"/>
<rect class="box ${colour}" x="${(lane(i) - width / 2).toFixed(1)}" y="${MARGIN}" width="${width.toFixed(1)}" height="${BOX.height}" rx="5"/>
<text class="name" x="${lane(i).toFixed(1)}" y="${MARGIN + 18}">${name}</text>`;
  });
  const height = y - LINE + MARGIN + 4;
  const spoken = rows
    .map((row) =>
      typeof row === 'string'
        ? `${row}:`
        : row.length === 2
          ? `${parties[row[0]].name}: ${row[1]}.`
          : `${parties[row[0]].name} to ${parties[row[1]].name}: ${row[2]}.`,
    )
    .join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escape(title)}: who sends what to whom</title>
<desc>${escape(spoken)}</desc>
${STYLE}
<rect width="${WIDTH}" height="${height}" rx="8" fill="var(--ground)"/>
${[...lanes, ...parts, ...sees].join('\n')}
</svg>
`;
}

const own = fileURLToPath(import.meta.url);
if (process.argv[1] === own) {
  const folder = join(dirname(own), '../docs/protocols');
  mkdirSync(folder, { recursive: true });
  for (const [name, protocol] of Object.entries(PROTOCOLS))
    writeFileSync(join(folder, `${name}.svg`), drawProtocol(protocol));
}
