import { ask } from './ask.js';
import { work } from './work.js';

const query = new URLSearchParams(location.search);
const [folder, server, client] = ['folder', 'server', 'client'].map((name) => query.get(name));
console.log(`page: ${await work(folder === null ? {} : { folder })}`);
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }) => console.log(`worker: ${data}`));
worker.addEventListener('error', ({ message }) => console.log(`worker: failed: ${message}`));
if (server !== null) {
  // Where the bundler does not follow the package's own worker, one of the page's.
  const options = client === null ? {} : { worker: () => new Worker(client, { type: 'module' }) };
  console.log(`page: ${await ask(server, options)}`);
  worker.postMessage(server);
}
