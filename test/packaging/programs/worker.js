import { ask } from './ask.js';
import { work } from './work.js';

addEventListener('message', async ({ data }) => postMessage(await ask(data, {})));
work({}).then((line) => postMessage(line));
