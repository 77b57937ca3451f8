import { work } from './work.js';

work({}).then((line) => postMessage(line));
