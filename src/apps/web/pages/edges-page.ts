/** The page with two edges: a drawing is cut into two pictures of noise, each edge computes on one of them, and only here they are put together. */
import type { Sight } from '../witness.ts';
import { receivedError } from '../../client/worker-messages.ts';
import { AskPanel } from './ask-panel.ts';
import { paintPreview } from './drawing-board.ts';
import type { EdgesCall, EdgesMessage, EdgesResult } from './edges-messages.ts';
import { bytesText, byId, element, msText } from './elements.ts';
import { SIDE } from './mnist-drawing.ts';
import { hexLines, showKnowledge, showTimes, StatusPanel, watchSights } from './panels.ts';
import { showDigitScores } from './score-bars.ts';

const READY = 'Ready: draw a digit';
const ROLES = ['a', 'b'] as const;

const status = new StatusPanel();
const worker = new Worker(new URL('./edges-worker.js', import.meta.url), { type: 'module' });
/** What each edge computed on, as the server tells. */
const seen: Partial<Record<'a' | 'b', { readonly words: Int32Array; readonly bits: number }>> = {};
let isAsking = false;
const panel = new AskPanel(ask);

function call(message: EdgesCall): void {
  worker.postMessage(message);
}

/** One question at a time: the edges would take more, but an answer to an older drawing is worth nothing. */
function ask(pixels: Uint8Array): void {
  if (isAsking) return;
  isAsking = true;
  status.recover();
  status.say('Both edges compute on noise');
  call({ kind: 'infer', pixels });
}

function show(result: EdgesResult): void {
  const { scores, layers, activationMs, totalMs, heads } = result;
  showDigitScores(Float32Array.from(scores));
  for (const role of ROLES) {
    const sent = byId(`sent-${role}`);
    sent.textContent = hexLines(heads[role]);
  }
  const sum = (of: (layer: (typeof layers)[number]) => number) =>
    layers.reduce((all, each) => all + of(each), 0);
  const deviceMs = sum((layer) => layer.deviceMs) + activationMs;
  const edgeMs = sum((layer) => Math.max(layer.edgeMs.a, layer.edgeMs.b));
  const [up, down] = [sum((layer) => layer.bytesUp), sum((layer) => layer.bytesDown)];
  showTimes(
    [
      { name: 'masks, checks, activations', side: 'client', ms: deviceMs },
      { name: 'linear layers', side: 'server', ms: edgeMs },
      { name: 'on the way', side: 'network', ms: Math.max(0, totalMs - deviceMs - edgeMs), bytes: up + down },
    ],
    totalMs,
    ['this browser', 'network', 'the slower edge'],
  );
  const rows = layers.map(({ layer, deviceMs: own, edgeMs: { a, b }, bytesUp, bytesDown }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row' }, `${layer + 1}`),
      ...[msText(own), msText(a), msText(b), bytesText(bytesUp), bytesText(bytesDown)].map((text) =>
        element('td', {}, text),
      ),
    ),
  );
  byId('layers').replaceChildren(...rows);
}

/** Shares as pictures: the high bits of each word. Both edges together have the drawing, which the third picture shows. */
function showShares(): void {
  const { a, b } = seen;
  for (const role of ROLES) {
    const share = seen[role];
    if (share === undefined) continue;
    const { words, bits } = share;
    paintWords(byId<HTMLCanvasElement>(`picture-${role}`), words, (word) => (word >>> (bits - 8)) & 0xff);
  }
  if (a === undefined || b === undefined || a.words.length !== b.words.length) return;
  const both = a.words.map((word, i) => word + (b.words[i] ?? 0));
  const modulus = 2 ** a.bits;
  const pixel = (sum: number) => Math.min(255, ((sum % modulus) + modulus) % modulus);
  paintWords(byId<HTMLCanvasElement>('picture-both'), both, pixel);
}

function paintWords(canvas: HTMLCanvasElement, words: Int32Array, grey: (word: number) => number): void {
  if (words.length !== SIDE * SIDE) return;
  paintPreview(canvas, Uint8Array.from(words, grey), canvas.dataset['label'] ?? '');
}

function onSight(sight: Exclude<Sight, { kind: 'log' }>): void {
  if (sight.kind !== 'edge') return;
  const bytes = Uint8Array.from(atob(sight.words), (letter) => letter.charCodeAt(0));
  seen[sight.role] = { words: new Int32Array(bytes.buffer), bits: sight.bits };
  showShares();
}

worker.addEventListener('message', ({ data }: MessageEvent<EdgesMessage>) => {
  switch (data.kind) {
    case 'step':
      return status.step(data.text, data.share);
    case 'opened': {
      panel.open();
      status.rest(READY);
      const { layers, fileBytes, ports } = data;
      byId('facts').textContent =
        `LeNet-5 in 8-bit integers, ${layers.length} linear layers at the edges (ports ${ports.a} and ${ports.b}). Keys, check vectors and the network: ${bytesText(fileBytes)}, for this page alone; they end with it.`;
      return;
    }
    case 'inferred':
      isAsking = false;
      status.rest(READY);
      return show(data.result);
    case 'failed':
      isAsking = false;
      return status.fail(receivedError(data.error));
  }
});

watchSights(onSight);
showKnowledge([
  [
    'Edge A',
    ['that this device asks, when, and the network'],
    ['your drawing, what follows from it, the answer, as long as it does not pool its words with edge B'],
  ],
  ['Edge B', ['the same'], ['the same']],
  ['Both together', ['your drawing and the answer'], ['nothing']],
  ['This browser', ['the network, its keys, the answer'], ['nothing']],
  ['The network between', ['sizes and times: what passes is encrypted besides'], ['everything else']],
]);
call({ kind: 'open', origin: location.origin });
