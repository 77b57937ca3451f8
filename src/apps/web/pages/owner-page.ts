/** The page of a data owner: it draws digits, sees what giving them away encrypted gives away all the same, and then decides. */
import { receivedError } from '../../client/worker-messages.ts';
import { DrawingBoard, paintPreview } from './drawing-board.ts';
import { bytesText, byId, element, msText } from './elements.ts';
import { SIDE } from './mnist-drawing.ts';
import type { OwnerCall, OwnerMessage, OwnersMeasure } from './owner-messages.ts';
import { hexLines, showKnowledge, showTimes, StatusPanel, watchSights } from './panels.ts';
import { SAMPLE_DIGITS } from './sample-digits.ts';
import { mnistDrawing } from './mnist-drawing.ts';

const DIGITS = 10;
const status = new StatusPanel();
const addButton = byId<HTMLButtonElement>('add');
const measureButton = byId<HTMLButtonElement>('measure');
const consent = byId<HTMLInputElement>('consent');
const sendButton = byId<HTMLButtonElement>('send');
const worker = new Worker(new URL('./owner-worker.js', import.meta.url), { type: 'module' });
/** In the order of the digits. */
const drawings: Uint8Array[] = [];
let isOpen = false;
let isBusy = false;

const board = new DrawingBoard(byId<HTMLCanvasElement>('paper'), {
  onChange: (pixels) => {
    addButton.disabled = pixels === null || drawings.length === DIGITS;
  },
  onLift: () => undefined,
  onEnter: add,
});

addButton.addEventListener('click', add);
byId('clear').addEventListener('click', () => board.clear());
byId('rest').addEventListener('click', () => {
  while (drawings.length < DIGITS)
    drawings.push(mnistDrawing(SAMPLE_DIGITS[drawings.length] ?? []) ?? new Uint8Array(SIDE * SIDE));
  board.clear();
  changed();
});
byId('again').addEventListener('click', () => {
  drawings.length = 0;
  for (const id of ['leak', 'seen']) byId(id).replaceChildren();
  byId('leak-text').textContent = 'Not measured yet';
  byId('seen-text').textContent = 'Nothing was sent';
  consent.checked = false;
  changed();
});
measureButton.addEventListener('click', () => ask({ kind: 'measure', drawings }));
consent.addEventListener('change', enable);
sendButton.addEventListener('click', () => ask({ kind: 'send', drawings }));

function add(): void {
  const { pixels } = board;
  if (pixels === null || drawings.length === DIGITS) return;
  drawings.push(pixels);
  board.clear();
  changed();
}

function picture(pixels: Uint8Array, label: string): HTMLElement {
  const canvas = element('canvas', { width: String(SIDE), height: String(SIDE), role: 'img' });
  paintPreview(canvas, pixels, label);
  return element('li', {}, canvas);
}

function changed(): void {
  const wanted = drawings.length < DIGITS ? `Draw a ${drawings.length}` : 'You have drawn all ten';
  byId('wanted').textContent = wanted;
  byId('drawings').replaceChildren(...drawings.map((pixels, digit) => picture(pixels, `Your ${digit}`)));
  enable();
  if (isOpen && !isBusy)
    status.rest(drawings.length < DIGITS ? `Ready: ${wanted.toLowerCase()}` : 'Ready: measure what leaks');
}

function enable(): void {
  const isWhole = drawings.length === DIGITS && isOpen && !isBusy;
  const isMeasured = byId('leak').childElementCount > 0;
  measureButton.disabled = !isWhole || isMeasured;
  consent.disabled = !isMeasured;
  sendButton.disabled = !(isWhole && isMeasured && consent.checked);
}

function ask(message: OwnerCall): void {
  isBusy = true;
  enable();
  status.recover();
  worker.postMessage(message);
}

function showMeasure({
  rank,
  features,
  namesRecovered,
  varianceExplained,
  pictures,
  ms,
}: OwnersMeasure): void {
  byId('leak').replaceChildren(
    ...pictures.map((pixels, digit) => picture(pixels, `What a trainer would make of your ${digit}`)),
  );
  byId('leak-text').textContent =
    `Of ${features} numbers per drawing a trainer learns ${rank} sums. With digits of its own to compare with it finds ${namesRecovered} of ${DIGITS} names ` +
    `and ${(100 * varianceExplained).toFixed(0)} % of what tells your drawings apart: these pictures. Measured here in ${msText(ms)}, before anything is encrypted; ` +
    'the simplest attack, so others find more.';
}

function showSent({ view, truth, head, encryptMs, totalMs }: Extract<OwnerMessage, { kind: 'sent' }>): void {
  const pixels = Uint8Array.from(atob(view.pictures), (letter) => letter.charCodeAt(0));
  const pictures = Array.from({ length: DIGITS }, (_, i) =>
    pixels.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE),
  );
  byId('seen').replaceChildren(
    ...pictures.map((each, i) =>
      picture(each, `The trainer takes this for a ${view.names[view.labels[i] ?? 0] ?? '?'}`),
    ),
  );
  const right = view.names.filter((digit, name) => digit === truth[name]).length;
  byId('seen-text').textContent =
    `The trainer has opened ${view.products.length} sums of each drawing and nothing else. From them it made these pictures and named ${right} of ${DIGITS} classes rightly: what was measured before.`;
  byId('sent-bytes').textContent = hexLines(head);
  byId('sums').textContent = view.products.map((value) => String(value)).join('  ');
  showTimes(
    [
      { name: 'encrypt', side: 'client', ms: encryptMs },
      { name: 'send, open, attack', side: 'server', ms: totalMs - encryptMs, bytes: view.bytes },
    ],
    totalMs,
    ['this browser', 'network', 'network and trainer'],
  );
}

worker.addEventListener('message', ({ data }: MessageEvent<OwnerMessage>) => {
  if (data.kind === 'step') return status.step(data.text, data.share);
  isBusy = false;
  switch (data.kind) {
    case 'opened':
      isOpen = true;
      byId('facts').textContent =
        `Inner-product encryption over module lattices; the authority's public key has ${bytesText(data.keyBytes)}. Rank ${data.rank} of 784. Keys and the ledger of what you gave end with the page.`;
      break;
    case 'measured':
      showMeasure(data.measure);
      enable();
      return status.rest('Measured: look at it, and decide');
    case 'sent':
      showSent(data);
      enable();
      return status.rest('Sent. This is what the trainer has');
    case 'failed':
      enable();
      return status.fail(receivedError(data.error));
  }
  changed();
});

watchSights(() => undefined);
showKnowledge([
  [
    'The trainer',
    [
      '32 public sums of each drawing, exactly',
      'with digits of its own: their names, and the pictures above',
    ],
    ['each drawing exactly'],
  ],
  ['The authority', ['which sums are asked for'], ['the drawings: it never sees a ciphertext']],
  ['Both together', ['everything'], ['nothing']],
  ['This browser', ['what it is told above'], ['the model that is trained']],
]);
changed();
worker.postMessage({ kind: 'open', origin: location.origin } satisfies OwnerCall);
