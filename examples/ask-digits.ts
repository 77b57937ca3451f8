/**
 * Asks a server of encrypted inference what a drawing shows: `npm run web` in one terminal, then `npx tsx examples/ask-digits.ts`.
 * The same lines work in a page, where the cryptography runs in a worker and the keys are kept in the browser.
 */
import { connect } from '../src/client.ts';

const url = process.argv[2] ?? 'http://127.0.0.1:8415';

/** 28 x 28 pixels, light on dark: a stroke from top to bottom, as a one is written. */
const pixels = new Float32Array(28 * 28);
for (let y = 5; y < 23; y++) for (const x of [13, 14]) pixels[28 * y + x] = x === 13 ? 0.6 : 1;

using model = await connect(url, {
  model: 'mnist',
  onProgress: ({ phase, done, total }) => process.stderr.write(`${phase} ${done}/${total}\n`),
});
const { inputs, outputs, learns, hidden } = model.describes;
process.stdout.write(`${inputs} numbers in, ${outputs} scores out\n`);
process.stdout.write(`the server learns ${learns.join('; ')}\n`);
process.stdout.write(`it does not learn ${hidden.join('; ')}\n`);

const { label, stats, warnings } = await model.infer(pixels);
for (const warning of warnings) process.stderr.write(`${warning}\n`);
process.stdout.write(`it is a ${label}: ${stats.bytesUp} bytes up, ${stats.bytesDown} down\n`);
process.stdout.write(
  `${stats.evaluateMs.toFixed(0)} of ${stats.totalMs.toFixed(0)} ms were the server's work\n`,
);
await model.forget();
