import { work } from './work.js';

const folder = new URLSearchParams(location.search).get('folder');
console.log(`page: ${await work(folder === null ? {} : { folder })}`);
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
worker.addEventListener('message', ({ data }) => console.log(`worker: ${data}`));
worker.addEventListener('error', ({ message }) => console.log(`worker: failed: ${message}`));
