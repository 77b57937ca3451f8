/** The page that reads digits: strokes to 28 x 28 pixels, encrypted in a worker, answered, decrypted in the worker, shown here. */
import { connect } from '../../client/connect.ts';
import type { ConnectedModel } from '../../client/client-types.ts';
import { AskPanel } from './ask-panel.ts';
import { FlowPanel, phasesOf, showFacts, showLearns, showSights, showTimes, StatusPanel } from './panels.ts';
import { showDigitScores } from './score-bars.ts';

const MODEL = 'mnist';
const READY = 'Ready: draw a digit';

const status = new StatusPanel();
const flow = new FlowPanel();
let model: ConnectedModel | undefined;
/** Of the question that is under way; a newer drawing makes the answer to an older one worthless. */
let asking: AbortController | undefined;

const panel = new AskPanel((pixels) => {
  if (model === undefined) return;
  asking?.abort();
  asking = new AbortController();
  answer(model, pixels, asking.signal).catch((error: unknown) => {
    if ((error as Error).name !== 'AbortError') status.fail(error);
  });
});

async function answer(connected: ConnectedModel, pixels: Uint8Array, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now();
  status.recover();
  const { output, stats, warnings } = await connected.infer(
    Float32Array.from(pixels, (value) => value / 255),
    { signal },
  );
  if (signal.aborted) return;
  showDigitScores(output);
  status.rest(READY);
  status.warn([...connected.warnings, ...warnings]);
  showTimes(phasesOf(stats), performance.now() - startedAt);
}

async function start(): Promise<void> {
  showSights(flow, MODEL);
  model = await connect('/', {
    model: MODEL,
    insecure: location.protocol === 'http:',
    onProgress: (progress) => status.progress(progress),
    onTraffic: (traffic) => flow.traffic(traffic),
  });
  status.warn(model.warnings);
  status.rest(READY);
  panel.open();
  showFacts(model.describes, model.keys);
  showLearns(model.describes, [
    ['the ten scores of your drawing', 'how deep the network is and how long its layers take'],
    ['the weights of the network, unless it asks very often'],
  ]);
}

start().catch((error: unknown) => status.fail(error));
