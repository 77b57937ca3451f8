/** What every page shows beside its own matter: connecting, bytes that leave, the server's view, times, who learns what. */
import { hexToBytes } from '@noble/hashes/utils.js';
import type {
  ClientProgress,
  ClientTraffic,
  InferenceStats,
  KeyOrigin,
  OfferDescription,
} from '../../client/client-types.ts';
import type { Sight } from '../witness.ts';
import { bar, byId, element, bytesText, msText } from './elements.ts';

const PHASE_TEXT: Readonly<Record<ClientProgress['phase'], string>> = {
  offer: 'Asking the server what it offers',
  keygen: 'Making keys in this browser',
  upload: 'Sending the keys that decrypt nothing',
  encrypt: 'Encrypting',
  wait: 'The server computes on ciphertexts',
  decrypt: 'Decrypting',
};

/** One line and a bar at the top of the page. */
export class StatusPanel {
  readonly #text = byId('status');
  readonly #bar = byId<HTMLProgressElement>('progress');

  /** The bar moves with every step, the text only when the phase changes: a screen reader reads the text. */
  progress({ phase, done, total }: ClientProgress): void {
    this.#bar.value = total === 0 ? 1 : done / total;
    this.say(PHASE_TEXT[phase]);
  }

  step(text: string, share: number): void {
    this.#bar.value = share;
    this.say(text);
  }

  say(text: string): void {
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  rest(text: string): void {
    this.say(text);
    this.#bar.value = 1;
  }

  fail(error: unknown): void {
    byId('status-box').classList.add('error');
    this.#bar.value = 0;
    this.say(error instanceof Error ? error.message : 'something failed');
  }

  recover(): void {
    byId('status-box').classList.remove('error');
  }

  warn(warnings: readonly string[]): void {
    byId('warnings').replaceChildren(...warnings.map((text) => element('li', {}, text)));
  }
}

export function hexLines(head: Uint8Array): string {
  const bytes = [...head].map((byte) => byte.toString(16).padStart(2, '0'));
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) =>
    bytes.slice(16 * i, 16 * i + 16).join(' '),
  ).join('\n');
}

/** The first bytes of a body as it leaves, beside the first bytes that the server got. */
export class FlowPanel {
  readonly #left = flowBox('Left this browser', 'Nothing yet');
  readonly #seen = flowBox('Reached the server', 'Nothing yet');

  constructor() {
    byId('flow').replaceChildren(this.#left.box, this.#seen.box);
  }

  traffic({ what, direction, bytes, head }: ClientTraffic): void {
    if (direction === 'down') return;
    const name = what === 'keys' ? 'keys to compute with' : 'an encrypted question';
    this.#left.show(`${bytesText(bytes)}: ${name}`, hexLines(head));
  }

  received({ what, bytes, head }: Extract<Sight, { kind: 'received' }>): void {
    const name = what === 'keys' ? 'keys to compute with' : 'a question that it cannot read';
    this.#seen.show(`${bytesText(bytes)}: ${name}`, hexLines(hexToBytes(head)));
  }
}

function flowBox(title: string, text: string) {
  const note = element('p', { class: 'quiet' }, text);
  const hex = element('pre', { tabindex: '0', role: 'group', 'aria-label': `${title}: the first 64 bytes` });
  return {
    box: element('div', {}, element('p', {}, element('b', {}, title)), note, hex),
    show(line: string, bytes: string): void {
      note.textContent = line;
      hex.textContent = bytes;
    },
  };
}

const MAX_LINES = 60;

/**
 * What the server sees, from the server: its log, and the beginnings of what it got. Where it does not show that (it serves other machines
 * too), one line says so.
 */
export function showSights(flow: FlowPanel, model: string): void {
  watchSights((sight) => {
    if (sight.kind === 'received' && sight.model === model) flow.received(sight);
  });
}

/** The same for what a page shows in its own way: `onSight` gets all but the lines of the log. */
export function watchSights(onSight: (sight: Exclude<Sight, { kind: 'log' }>) => void): void {
  const log = byId('log');
  const source = new EventSource('/web/sights');
  source.addEventListener('message', ({ data }) => {
    const sight = JSON.parse(String(data)) as Sight;
    if (sight.kind === 'log') showLine(log, sight.line);
    else onSight(sight);
  });
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED)
      log.replaceChildren(element('li', {}, 'This server does not show its log to pages: see --show-log.'));
  });
}

function showLine(log: HTMLElement, line: Readonly<Record<string, string | number>>): void {
  const box = log.parentElement ?? log;
  const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 8;
  const { time, msg, ...fields } = line;
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  const at = String(time).slice(11, 23);
  log.append(element('li', {}, `${at} `, element('b', {}, String(msg)), ` ${rest.join(' ')}`));
  while (log.childElementCount > MAX_LINES) log.firstElementChild?.remove();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

/** One stretch of the time line. */
export interface TimedPhase {
  readonly name: string;
  readonly side: 'client' | 'network' | 'server';
  readonly ms: number;
  readonly bytes?: number;
}

export function phasesOf(stats: InferenceStats): TimedPhase[] {
  return [
    { name: 'encrypt', side: 'client', ms: stats.encryptMs },
    { name: 'upload', side: 'network', ms: stats.uploadMs, bytes: stats.bytesUp },
    { name: 'queue', side: 'server', ms: stats.queueMs },
    { name: 'evaluate', side: 'server', ms: stats.evaluateMs },
    { name: 'download', side: 'network', ms: stats.downloadMs, bytes: stats.bytesDown },
    { name: 'decrypt', side: 'client', ms: stats.decryptMs },
  ];
}

/** Phases one after another on one axis. */
export function showTimes(
  phases: readonly TimedPhase[],
  totalMs: number,
  names: readonly [client: string, network: string, server: string] = ['this browser', 'network', 'server'],
): void {
  let start = 0;
  const rows = phases.map(({ name, side, ms, bytes }) => {
    const row = element(
      'li',
      { class: side },
      element('span', {}, name),
      bar(ms / totalMs, start / totalMs),
      element('span', {}, bytes === undefined ? msText(ms) : `${msText(ms)}, ${bytesText(bytes)}`),
    );
    start += ms;
    return row;
  });
  const legend = (['this', 'network', 'server'] as const).map((side, i) =>
    element('li', { class: `of-${side}` }, names[i] ?? side),
  );
  byId('times').replaceChildren(
    element('p', {}, `${msText(totalMs)} in all`),
    element('ol', { class: 'times', 'aria-label': 'Time of each phase' }, ...rows),
    element('ul', { class: 'legend', 'aria-label': 'Colours' }, ...legend),
  );
}

/** Who, what they learn, what they do not. */
export type LearnsRow = readonly [who: string, learns: readonly string[], hidden: readonly string[]];

/** `own`: what this browser learns and what it does not, beside what the offer says of the server. */
export function showLearns({ learns, hidden }: OfferDescription, own: readonly [string[], string[]]): void {
  showKnowledge([
    ['The server', learns, hidden],
    ['This browser', ...own],
    ['The network', ['sizes and times', 'over plain HTTP also the token'], ['everything else']],
  ]);
}

export function showKnowledge(rows: readonly LearnsRow[]): void {
  const list = (items: readonly string[]) =>
    element('ul', {}, ...items.map((item) => element('li', {}, item)));
  const row = ([who, yes, no]: LearnsRow) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, who),
      element('td', { 'data-head': 'learns' }, list(yes)),
      element('td', { 'data-head': 'does not learn' }, list(no)),
    );
  const head = ['Who', 'learns', 'does not learn'].map((text) => element('th', { scope: 'col' }, text));
  const table = element(
    'table',
    { class: 'learns' },
    element('thead', {}, element('tr', {}, ...head)),
    element('tbody', {}, ...rows.map(row)),
  );
  byId('learns').replaceChildren(table);
}

export function showFacts({ model, security, bytes }: OfferDescription, keys: KeyOrigin): void {
  const source =
    keys.source === 'kept'
      ? 'Your keys were kept in this browser'
      : `Your keys were made in ${msText(keys.keygenMs)}`;
  const sent =
    keys.bytes === 0
      ? 'the server still had its part'
      : `${bytesText(keys.bytes)} of them sent once in ${msText(keys.uploadMs)}`;
  byId('facts').textContent =
    `${source}; ${sent}. Model ${model}: ring degree ${security.ringDegree}, modulus of ${security.modulusBits} bits, ` +
    `${security.bits}-bit security; a question has ${bytesText(bytes.queries[0]?.bytes ?? 0)} at least.`;
}
